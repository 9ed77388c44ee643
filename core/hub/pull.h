// A model from a hub to this machine: list, choose, check for space, download, name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/hub/download.h"
#include "core/hub/hub.h"
#include "core/hub/selection.h"

namespace toccata::hub {

struct PullRequest {
  std::string repo;  // owner/name
  std::string revision = "main";
  Selection selection = {};
  std::filesystem::path hub_cache = {};
  std::filesystem::path to = {};  // a plain folder instead of the cache
  DownloadOptions download = {};
  bool dry_run = false;  // ends with the plan
  // Of the disk that a path is on; tests give their own.
  std::function<Result<std::uint64_t>(const std::filesystem::path&)> free_bytes = {};
};

struct PullPlan {
  std::string commit;
  std::vector<HubFile> files;
  std::filesystem::path folder;  // where they are, or will be
  std::uint64_t bytes = 0;       // of all files
  std::uint64_t bytes_missing = 0;  // of those that are not there
};

struct PullOutcome {
  PullPlan plan;
  std::uint64_t bytes_fetched = 0;  // over the network
};

struct PullEvents {
  std::function<void(const PullPlan&)> on_plan = {};
  DownloadEvents download = {};
};

// Errors: those of Hub::list, select_files and download; kResourceExhausted before anything is fetched when the disk is
// too full, with what is needed and what is free.
Result<PullOutcome> pull(
    const PullRequest& request, const HubAccess& access, const PullEvents& events, const std::stop_token& stop
);

// 13.8 GB, 2.5 MB, 12 bytes
std::string bytes_text(std::uint64_t bytes);

}  // namespace toccata::hub
