#include "agent/cli/hub_cache.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "core/hub/names.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--";

std::string id_of(const std::string& folder_name) {
  std::string id = folder_name.substr(kPrefix.size());
  if (const auto dashes = id.find("--"); dashes != std::string::npos) id.replace(dashes, 2, "/");
  return id;
}

// refs/main names the commit; without it, the snapshot written last.
fs::path snapshot_of(const fs::path& repository) {
  std::error_code none;
  if (auto commit = read_text_file(repository / "refs" / "main", 4096)) {
    std::string name = *commit;
    name.erase(std::remove_if(name.begin(), name.end(), [](unsigned char c) { return c <= ' '; }),
               name.end());
    // A commit is a file name, never a path.
    if (!name.empty() && name.find('/') == std::string::npos && name[0] != '.') {
      const fs::path snapshot = repository / "snapshots" / name;
      if (fs::is_directory(snapshot, none)) return snapshot;
    }
  }
  fs::path newest;
  fs::file_time_type newest_time = fs::file_time_type::min();
  for (const auto& entry : fs::directory_iterator(repository / "snapshots", none)) {
    const auto time = fs::last_write_time(entry.path(), none);
    if (entry.is_directory(none) && time > newest_time) {
      newest = entry.path();
      newest_time = time;
    }
  }
  return newest;
}

bool is_gpt_oss(const fs::path& folder) {
  const auto text = read_text_file(folder / "config.json", 1 << 20);
  if (!text) return false;
  const auto config = json_from<nlohmann::json>(*text);
  return config.is_object() && config.value("model_type", nlohmann::json()) == "gpt_oss";
}

// What the engine opens: the folder, or where it holds nothing but a GGUF model, that file (the first of its parts).
fs::path model_in(const fs::path& snapshot) {
  std::error_code none;
  if (fs::exists(snapshot / "config.json", none)) return snapshot;
  std::vector<fs::path> ggufs;
  for (const auto& entry : fs::directory_iterator(snapshot, none)) {
    if (entry.path().extension() == ".gguf") ggufs.push_back(entry.path());
  }
  if (!ggufs.empty()) return *std::min_element(ggufs.begin(), ggufs.end());
  if (fs::exists(snapshot / "original" / "config.json", none)) return snapshot / "original";
  return snapshot;
}

// "gpt-oss-20b" for openai/gpt-oss-20b.
std::string shortest_name(const std::string& id) {
  const std::string name = id.substr(id.find('/') + 1);
  return hub::repo_of_short_name(name) == id ? name : id;
}

std::uintmax_t folder_bytes(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (entry.is_regular_file(failure)) bytes += entry.file_size(failure);
  }
  return bytes;
}

}  // namespace

Result<fs::path> find_cached_model(const fs::path& hub_cache, const std::string& id) {
  const fs::path repository = hub::repository_folder(hub_cache, id);
  const fs::path snapshot = snapshot_of(repository);
  if (snapshot.empty()) {
    return Error{
        ErrorCode::kNotFound,
        "model " + id + " is not on this machine: looked for " + repository.string() +
            ". Download it with `toccata pull " + shortest_name(id) + "`, or pass a folder or the URL of a server with -m"};
  }
  return model_in(snapshot);
}

std::vector<CachedModel> list_cached_models(const fs::path& hub_cache) {
  std::vector<CachedModel> models;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(hub_cache, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const fs::path snapshot = snapshot_of(entry.path());
    if (snapshot.empty() || !is_gpt_oss(snapshot)) continue;
    models.push_back({id_of(name), snapshot, folder_bytes(snapshot)});
  }
  std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return models;
}

}  // namespace toccata::cli
