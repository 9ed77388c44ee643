#include "core/hub/names.h"

#include <algorithm>
#include <array>

namespace toccata::hub {
namespace {

constexpr std::size_t kRepoBytesMax = 96, kPathBytesMax = 1024, kPartBytesMax = 200;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_repo_part(std::string_view part) {
  // "--" would make two repositories share a folder of the cache.
  return !part.empty() && part.front() != '.' && part.find("--") == std::string_view::npos &&
         part.find("..") == std::string_view::npos &&
         std::all_of(part.begin(), part.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

std::string encode(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~' || (keep_slashes && c == '/')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += "0123456789ABCDEF"[byte >> 4];
    out += "0123456789ABCDEF"[byte & 15];
  }
  return out;
}

constexpr std::array<std::string_view, 4> kModels = {
    "gpt-oss-20b", "gpt-oss-120b", "gpt-oss-safeguard-20b", "gpt-oss-safeguard-120b"};

}  // namespace

std::optional<std::string> repo_of_short_name(std::string_view name) {
  for (const std::string_view model : kModels) {
    if (name == model || "gpt-oss-" + std::string(name) == model) return "openai/" + std::string(model);
  }
  return std::nullopt;
}

std::optional<std::string> gguf_repo_of(std::string_view repo) {
  if (repo == "openai/gpt-oss-20b" || repo == "openai/gpt-oss-120b") {
    return "ggml-org/" + std::string(repo.substr(repo.find('/') + 1)) + "-GGUF";
  }
  return std::nullopt;
}

Result<std::string> repo_of(const std::string& name) {
  if (auto repo = repo_of_short_name(name)) return *repo;
  const auto slash = name.find('/');
  if (slash != std::string::npos && name.size() <= kRepoBytesMax && is_repo_part(name.substr(0, slash)) &&
      is_repo_part(name.substr(slash + 1))) {
    return name;
  }
  return Error{
      ErrorCode::kInvalidArgument,
      "'" + name.substr(0, 2 * kRepoBytesMax) +
          "' is no model of a hub: expected owner/name such as openai/gpt-oss-20b, or a short name: 20b, 120b, "
          "gpt-oss-20b, gpt-oss-120b"};
}

std::filesystem::path repository_folder(const std::filesystem::path& hub_cache, const std::string& repo) {
  std::string name = "models--";
  for (const char c : repo) name += c == '/' ? std::string("--") : std::string(1, c);
  return hub_cache / name;
}

std::optional<std::string> defect_of_path(std::string_view path) {
  if (path.empty()) return "it is empty";
  if (path.size() > kPathBytesMax) return "it is longer than " + std::to_string(kPathBytesMax) + " bytes";
  if (path.front() == '/') return "it is absolute";
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return "it has a control character";
    if (c == '\\') return "it has a backslash";
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty()) return "it has an empty part";
    if (part == "." || part == "..") return "it has a part '" + std::string(part) + "'";
    if (part.size() > kPartBytesMax) return "a part is longer than " + std::to_string(kPartBytesMax) + " bytes";
    begin = end + 1;
  }
  return std::nullopt;
}

std::string encode_path(std::string_view path) { return encode(path, /*keep_slashes=*/true); }
std::string encode_component(std::string_view text) { return encode(text, /*keep_slashes=*/false); }

}  // namespace toccata::hub
