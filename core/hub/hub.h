// The requests that a download makes of a hub: the list of a repository's files, what one file is, bytes of a file.
// Source of the interface: huggingface_hub documentation ("HfApi.model_info", "Download files") and its headers
// X-Repo-Commit, X-Linked-Etag, X-Linked-Size, X-Error-Code.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/net/client.h"

namespace toccata::hub {

struct HubAccess {
  std::string endpoint = "https://huggingface.co";
  std::string token = {};       // sent to the endpoint's own origin and to nobody else
  std::string user_agent = "toccata";
  std::chrono::milliseconds stall_timeout{30'000};  // longest silence
  int tries = 6;                                    // in a row, without a byte of progress
  std::chrono::milliseconds first_pause{500};       // before the second try; then twice as long each time
};

struct HubFile {
  std::string path;        // in the repository
  std::uint64_t size = 0;  // bytes
  std::string id = {};     // SHA-256 (64 hexadecimal digits) or git object id (40); see digest.h. "" = not yet known
  friend bool operator==(const HubFile&, const HubFile&) = default;
};

struct Listing {
  std::string commit;  // 40 hexadecimal digits
  std::vector<HubFile> files;
};

// How a failed request may be tried again.
struct Retry {
  bool worth_it = false;                            // overload, a broken connection; not a wrong name
  std::optional<std::chrono::seconds> wait = {};    // what the server asked for (Retry-After)
};

// Told before each pause: what went wrong, and how long it waits.
using OnRetry = std::function<void(const Error&, std::chrono::milliseconds)>;

// Counts tries and waits between them.
class Patience {
 public:
  Patience(const HubAccess& access, OnRetry on_retry) : access_(access), on_retry_(std::move(on_retry)) {}
  // Waits before another try; the error to give up with when it is not worth one, or there were enough.
  Result<void> pause(const Error& error, const Retry& retry, const std::stop_token& stop);
  // Something came: the count begins again.
  void progressed() { failures_ = 0; }

 private:
  const HubAccess& access_;
  OnRetry on_retry_;
  int failures_ = 0;
};

// One thread at a time.
class Hub {
 public:
  Hub(HubAccess access, OnRetry on_retry) : access_(std::move(access)), on_retry_(std::move(on_retry)) {}
  const HubAccess& access() const { return access_; }
  const OnRetry& on_retry() const { return on_retry_; }

  // The files of a revision (a branch, a tag, a commit). kNotFound and kPermissionDenied say what to do.
  Result<Listing> list(const std::string& repo, const std::string& revision, const std::stop_token& stop);
  // Size and id, where the listing did not say.
  Result<void> look_up(
      const std::string& repo, const std::string& commit, HubFile& file, const std::stop_token& stop
  );
  // One try at the bytes [begin, end): status 206 and that range, or 200 and all of the file. Where the file's
  // storage sent us is remembered for a while.
  Result<net::Exchange> open_range(
      const std::string& repo, const std::string& commit, const HubFile& file, std::uint64_t begin, std::uint64_t end,
      Retry& retry, const std::stop_token& stop
  );

 private:
  struct Place {
    std::string url;
    std::chrono::steady_clock::time_point until;
  };
  Result<net::Exchange> open(
      const std::string& url, net::Request request, Retry& retry, std::string* final_url, const std::stop_token& stop
  );
  std::string resolve_url(const std::string& repo, const std::string& commit, const std::string& path) const;

  HubAccess access_;
  OnRetry on_retry_;
  net::Client client_;
  std::map<std::string, Place> places_;  // by file
};

}  // namespace toccata::hub
