// Files from a hub to a destination: several connections, ranges of one file at once, resumed, checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/hub/destination.h"
#include "core/hub/hub.h"

namespace toccata::hub {

// What a person watching may want to know. Called on the thread that called download().
struct DownloadEvents {
  // Bytes of `total` that are there, and how many of them came over the network this time.
  std::function<void(std::uint64_t done, std::uint64_t fetched)> on_progress = {};
  // `fetched`: false when it was there already.
  std::function<void(const HubFile&, bool fetched)> on_file = {};
  std::function<void(const std::string& what)> on_note = {};  // a retry, a wait for another download
};

struct DownloadOptions {
  int jobs = 8;                // connections
  bool check_present = false;  // hash files that are there already
};

// All of `files` into their place, or the first error. Bytes that came stay for the next time, whatever ends it.
// A file that does not hash to its id is fetched once more, then kCorrupt. A file that another download is working on
// is waited for. Returns the bytes that came over the network.
Result<std::uint64_t> download(
    const HubAccess& access, const std::string& repo, const std::string& commit, const std::vector<HubFile>& files,
    const Destination& destination, const DownloadOptions& options, const DownloadEvents& events,
    const std::stop_token& stop
);

}  // namespace toccata::hub
