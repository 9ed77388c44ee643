#include "core/hub/selection.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>

namespace toccata::hub {
namespace {

bool fits(const std::string& pattern, const std::string& path) {
  // "folder/" means all below it, as huggingface_hub has it.
  const std::string whole = pattern.ends_with('/') ? pattern + "*" : pattern;
  return ::fnmatch(whole.c_str(), path.c_str(), 0) == 0;
}

bool fits_any(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return fits(p, path); });
}

bool is_gguf(const std::string& path) { return path.ends_with(".gguf"); }

bool is_licence(const std::string& path) { return fits_any({"LICENSE*", "USAGE_POLICY*"}, path) && path.find('/') == std::string::npos; }

// Weights, configuration, tokenizer and chat template at the top of the repository.
bool is_default(const std::string& path) {
  if (path.find('/') != std::string::npos) return false;
  return is_licence(path) || fits_any({"*.safetensors", "*.json", "*.jinja", "merges.txt", "tokenizer.model"}, path);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return text;
}

bool fits_gguf(const std::string& wanted, const std::string& path) {
  if (wanted.find_first_of("*?[") != std::string::npos) {
    return fits(wanted, path) || fits(wanted, path.substr(path.rfind('/') + 1));
  }
  return lower(path).find(lower(wanted)) != std::string::npos;
}

// One model may be in several files: "name-00001-of-00003.gguf".
std::string without_part_number(const std::string& path) {
  static const std::regex kPart("-[0-9]{5}-of-[0-9]{5}\\.gguf$");
  return std::regex_replace(path, kPart, ".gguf");
}

std::string list_of(const std::set<std::string>& names) {
  constexpr std::size_t kShown = 20;
  std::string text;
  std::size_t n = 0;
  for (const std::string& name : names) {
    if (n++ == kShown) return text + ", ... (" + std::to_string(names.size()) + " in all)";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

Error nothing(const std::vector<HubFile>& files, const std::string& wanted) {
  std::set<std::string> names;
  for (const HubFile& file : files) names.insert(file.path);
  return Error{
      ErrorCode::kNotFound,
      "no file of this repository is " + wanted + "; it has " + (names.empty() ? "none" : list_of(names))};
}

Result<std::vector<HubFile>> select_gguf(const std::vector<HubFile>& files, const std::string& wanted) {
  std::vector<HubFile> chosen;
  std::set<std::string> models;
  for (const HubFile& file : files) {
    if (!is_gguf(file.path) || !fits_gguf(wanted, file.path)) continue;
    chosen.push_back(file);
    models.insert(without_part_number(file.path));
  }
  if (chosen.empty()) return nothing(files, wanted.empty() ? "a GGUF file" : "a GGUF file that fits '" + wanted + "'");
  // The published files keep the experts as they were trained, in MXFP4.
  if (models.size() > 1 && wanted.empty()) {
    if (auto native = select_gguf(files, "mxfp4")) return native;
  }
  if (models.size() > 1) {
    return Error{
        ErrorCode::kInvalidArgument,
        "this repository has " + std::to_string(models.size()) + " GGUF models" +
            (wanted.empty() ? "" : " that fit '" + wanted + "'") + ": " + list_of(models) +
            ". Name one: --gguf PATTERN (a part of its name is enough)"};
  }
  return chosen;
}

}  // namespace

Result<std::vector<HubFile>> select_files(const std::vector<HubFile>& files, const Selection& selection) {
  std::vector<HubFile> chosen;
  const auto keep = [&](auto wanted) {
    for (const HubFile& file : files) {
      if (wanted(file.path)) chosen.push_back(file);
    }
  };
  std::string what = "one that was asked for";
  if (!selection.include.empty()) {
    keep([&](const std::string& path) { return fits_any(selection.include, path); });
    what = "what --include asks for";
  } else if (selection.gguf) {
    auto gguf = select_gguf(files, *selection.gguf);
    if (!gguf) return gguf.error();
    chosen = std::move(*gguf);
  } else if (selection.original) {
    keep([](const std::string& path) { return path.starts_with("original/"); });
    if (chosen.empty()) return nothing(files, "below original/");
  } else {
    const bool has_weights = std::any_of(files.begin(), files.end(), [](const HubFile& file) {
      return is_default(file.path) && file.path.ends_with(".safetensors");
    });
    if (!has_weights && std::any_of(files.begin(), files.end(), [](const auto& f) { return is_gguf(f.path); })) {
      auto gguf = select_gguf(files, "");
      if (!gguf) return gguf.error();
      chosen = std::move(*gguf);
    } else {
      if (!has_weights) return nothing(files, "a model (*.safetensors or *.gguf)");
      keep(is_default);
    }
  }
  std::erase_if(chosen, [&](const HubFile& file) { return fits_any(selection.exclude, file.path); });
  if (chosen.empty()) return nothing(files, what + (selection.exclude.empty() ? "" : " and not excluded"));
  return chosen;
}

}  // namespace toccata::hub
