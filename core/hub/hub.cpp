#include "core/hub/hub.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "core/hub/digest.h"
#include "core/hub/names.h"
#include "core/hub/url.h"

namespace toccata::hub {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr int kRedirectsMax = 5;
constexpr std::size_t kListingBytesMax = std::size_t{32} << 20;
constexpr std::size_t kListedFilesMax = 20'000;
constexpr std::uint64_t kFileBytesMax = std::uint64_t{1} << 46;  // 64 TiB
constexpr auto kRequestTimeMax = 12h;    // of one range; what silence ends is the stall timeout
constexpr auto kPlaceLasts = 5min;       // a signed address of a file's storage lives an hour or so
constexpr auto kPauseMax = 30s;
constexpr auto kServerPauseMax = 10min;  // a longer Retry-After is not waited for

bool is_worth_another_try(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout || code == ErrorCode::kCorrupt;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string header(const net::Response& response, std::string_view name) {
  return std::string(response.header(name).value_or("")).substr(0, 300);
}

// "W/\"abc\"" -> "abc"
std::string bare_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

std::optional<std::uint64_t> number(std::string_view text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::stoull(std::string(text));
}

// What the status of an answer means, and what the user can do about it.
Error explained(const net::Response& response, const std::string& url, const HubAccess& access) {
  const std::string status = std::to_string(response.status);
  const std::string code = header(response, "x-error-code");
  std::string said = header(response, "x-error-message");
  if (!said.empty()) said = " (the hub says: " + said + ")";
  const std::string tokens = access.endpoint + "/settings/tokens";
  if (code == "GatedRepo" || (response.status == 403 && !access.token.empty())) {
    return Error{
        ErrorCode::kPermissionDenied,
        url + " answered " + status + ": access to this model must be asked for. Open its page on " + access.endpoint +
            ", accept its conditions, and " +
            (access.token.empty() ? "set HF_TOKEN to a token from " + tokens
                                  : "check that the token may read gated repositories (" + tokens + ")") +
            said};
  }
  if (response.status == 401 || response.status == 403) {
    return Error{
        ErrorCode::kPermissionDenied,
        url + " answered " + status + ": " +
            (access.token.empty()
                 ? "there is no such model, or it is private or gated. Check its name; if it is right, set HF_TOKEN to "
                   "a token from " + tokens + " of an account that may read it"
                 : "the token was refused. Check HF_TOKEN or the token file (" + tokens + ")") +
            said};
  }
  if (response.status == 404) {
    const std::string what = code == "RevisionNotFound" ? "the model has no such revision; leave out --revision for main"
                             : code == "EntryNotFound"  ? "the model has no such file"
                                                        : "there is no such model; check its name (owner/name), or set "
                                                          "HF_TOKEN if it is private";
    return Error{ErrorCode::kNotFound, url + " answered 404: " + what + said};
  }
  return Error{
      response.status >= 500 || response.status == 429 ? ErrorCode::kUnavailable : ErrorCode::kUnsupported,
      url + " answered " + status + (response.status == 429 ? " (too many requests)" : "") + said};
}

Retry retry_of(const net::Response& response) {
  Retry retry;
  retry.worth_it = response.status >= 500 || response.status == 429 || response.status == 408 || response.status == 425;
  if (const auto value = response.header("retry-after")) {
    if (const auto seconds = retry_after_seconds(*value, static_cast<long>(std::time(nullptr)))) {
      retry.wait = std::chrono::seconds(*seconds);
    }
  }
  return retry;
}

Error not_a_listing(const std::string& url, const std::string& what) {
  return Error{ErrorCode::kCorrupt, url + ": expected the description of a model, found " + what};
}

std::string text_at(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : std::string();
}

Result<HubFile> listed_file(const json& sibling, const std::string& url) {
  if (!sibling.is_object()) return not_a_listing(url, "a file that is no object");
  HubFile file{text_at(sibling, "rfilename")};
  if (const auto defect = defect_of_path(file.path)) {
    return Error{ErrorCode::kCorrupt, url + ": refused the file name '" + file.path.substr(0, 200) + "': " + *defect};
  }
  std::string id = text_at(sibling, "blobId");
  if (const auto lfs = sibling.find("lfs"); lfs != sibling.end() && lfs->is_object()) id = text_at(*lfs, "sha256");
  const auto size = sibling.find("size");
  if (!is_content_id(id) || size == sibling.end() || !size->is_number_unsigned()) return file;
  file.id = id;
  file.size = size->get<std::uint64_t>();
  if (file.size > kFileBytesMax) return not_a_listing(url, file.path + " of " + std::to_string(file.size) + " bytes");
  return file;
}

Result<Listing> parse_listing(const std::string& body, const std::string& url) {
  constexpr int kDepthMax = 64;
  if (json_depth(body) > kDepthMax) return not_a_listing(url, "JSON nested too deeply");
  const json model = json_from<json>(body);
  if (!model.is_object()) return not_a_listing(url, "'" + body.substr(0, 60) + "'");
  Listing listing{text_at(model, "sha"), {}};
  if (!is_content_id(listing.commit)) return not_a_listing(url, "no commit in \"sha\"");
  const auto siblings = model.find("siblings");
  if (siblings == model.end() || !siblings->is_array()) return not_a_listing(url, "no list \"siblings\"");
  if (siblings->size() > kListedFilesMax) {
    return not_a_listing(url, std::to_string(siblings->size()) + " files, more than " + std::to_string(kListedFilesMax));
  }
  for (const json& sibling : *siblings) {
    auto file = listed_file(sibling, url);
    if (!file) return file.error();
    listing.files.push_back(std::move(*file));
  }
  return listing;
}

}  // namespace

Result<void> Patience::pause(const Error& error, const Retry& retry, const std::stop_token& stop) {
  if (!retry.worth_it) return error;
  if (++failures_ >= access_.tries) {
    return Error{error.code, error.message + " (gave up after " + std::to_string(failures_) + " tries)"};
  }
  if (retry.wait && *retry.wait > kServerPauseMax) {
    return Error{
        error.code, error.message + " (the server asks to wait " + std::to_string(retry.wait->count()) + " s: try again then)"};
  }
  std::chrono::milliseconds pause = std::min<std::chrono::milliseconds>(access_.first_pause * (1 << (failures_ - 1)), kPauseMax);
  // Up to a quarter more, so that several connections do not come back together.
  thread_local std::minstd_rand random{std::random_device{}()};
  pause += pause * static_cast<int>(random() % 256) / 1024;
  if (retry.wait) pause = std::max<std::chrono::milliseconds>(*retry.wait, 1ms);
  if (on_retry_) on_retry_(error, pause);
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, pause, [] { return false; });
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
  return {};
}

std::string Hub::resolve_url(const std::string& repo, const std::string& commit, const std::string& path) const {
  return access_.endpoint + "/" + repo + "/resolve/" + commit + "/" + encode_path(path);
}

// Follows redirects itself: libcurl would carry the token along. A HEAD stops where the hub would hand over to the
// storage, as the headers about the file are the hub's.
Result<net::Exchange> Hub::open(
    const std::string& url, net::Request request, Retry& retry, std::string* final_url, const std::stop_token& stop
) {
  request.url = url;
  request.idle_timeout = access_.stall_timeout;
  request.total_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(kRequestTimeMax);
  request.headers.emplace_back("User-Agent", access_.user_agent);
  request.headers.emplace_back("Accept-Encoding", "identity");
  const auto plain_headers = request.headers;
  const std::string home = origin_of(access_.endpoint);
  for (int hop = 0; hop <= kRedirectsMax; ++hop) {
    request.headers = plain_headers;
    if (!access_.token.empty() && origin_of(request.url) == home) {
      request.headers.emplace_back("Authorization", "Bearer " + access_.token);
    }
    auto exchange = client_.start(request, stop);
    if (!exchange) {
      retry = Retry{is_worth_another_try(exchange.error().code), {}};
      return exchange.error();
    }
    const net::Response& response = exchange->response();
    if (!is_redirect(response.status)) {
      if (response.status == 200 || response.status == 206) {
        if (final_url != nullptr) *final_url = request.url;
        return exchange;
      }
      retry = retry_of(response);
      if (origin_of(request.url) != home && response.status < 500 && response.status != 429) {
        // The storage: its address is signed for a while, and the next try gets another.
        retry.worth_it = true;
        return Error{
            ErrorCode::kUnavailable, "the storage of the file, " + origin_of(request.url) + ", answered " +
                                         std::to_string(response.status)};
      }
      return explained(response, request.url.substr(0, request.url.find('?')), access_);
    }
    const std::string location(response.header("location").value_or(""));
    const auto target = redirected(request.url, location);
    if (!target) {
      return Error{
          ErrorCode::kCorrupt, request.url + ": refused its redirect to '" + location.substr(0, 200) +
                                   "': expected an http or https URL, and from https only https"};
    }
    if (request.method == "HEAD" && origin_of(*target) != home) return exchange;
    request.url = *target;
  }
  return Error{ErrorCode::kCorrupt, url + ": more than " + std::to_string(kRedirectsMax) + " redirects"};
}

Result<Listing> Hub::list(const std::string& repo, const std::string& revision, const std::stop_token& stop) {
  const std::string url =
      access_.endpoint + "/api/models/" + repo + "/revision/" + encode_component(revision) + "?blobs=true";
  Patience patience(access_, on_retry_);
  for (;;) {
    Retry retry;
    net::Request request;
    request.body_bytes_max = kListingBytesMax;
    auto exchange = open(url, request, retry, nullptr, stop);
    Result<std::string> body = exchange ? exchange->read_all(kListingBytesMax, stop) : Result<std::string>(exchange.error());
    if (body) return parse_listing(*body, url);
    if (exchange) retry.worth_it = is_worth_another_try(body.error().code);
    if (Result<void> paused = patience.pause(body.error(), retry, stop); !paused) return paused.error();
  }
}

Result<void> Hub::look_up(
    const std::string& repo, const std::string& commit, HubFile& file, const std::stop_token& stop
) {
  const std::string url = resolve_url(repo, commit, file.path);
  Patience patience(access_, on_retry_);
  for (;;) {
    Retry retry;
    auto exchange = open(url, {.method = "HEAD"}, retry, nullptr, stop);
    if (!exchange) {
      if (Result<void> paused = patience.pause(exchange.error(), retry, stop); !paused) return paused.error();
      continue;
    }
    const net::Response& response = exchange->response();
    std::string id = header(response, "x-linked-etag");
    std::string size = header(response, "x-linked-size");
    if (id.empty()) id = header(response, "etag");
    if (size.empty() && !is_redirect(response.status)) size = header(response, "content-length");
    id = bare_etag(id);
    const auto bytes = number(size);
    if (!is_content_id(id) || !bytes || *bytes > kFileBytesMax) {
      return Error{
          ErrorCode::kUnsupported,
          url + ": the hub does not say what the file is, so it could not be checked: expected X-Linked-Etag or ETag "
                "with a SHA-256 or git object id and X-Linked-Size or Content-Length, found '" +
              id + "' and '" + size + "'"};
    }
    file.id = id;
    file.size = *bytes;
    return {};
  }
}

Result<net::Exchange> Hub::open_range(
    const std::string& repo, const std::string& commit, const HubFile& file, std::uint64_t begin, std::uint64_t end,
    Retry& retry, const std::stop_token& stop
) {
  net::Request request;
  request.headers.emplace_back("Range", "bytes=" + std::to_string(begin) + "-" + std::to_string(end - 1));
  request.body_bytes_max = static_cast<std::size_t>(file.size);
  const auto now = std::chrono::steady_clock::now();
  if (const auto place = places_.find(file.path); place != places_.end() && now < place->second.until) {
    auto exchange = open(place->second.url, request, retry, nullptr, stop);
    if (exchange) return exchange;
    places_.erase(place);  // perhaps the signature ran out
    const bool overloaded = retry.wait.has_value() || exchange.error().code != ErrorCode::kUnavailable;
    if (overloaded || stop.stop_requested()) return exchange;
  }
  retry = {};
  std::string final_url;
  auto exchange = open(resolve_url(repo, commit, file.path), request, retry, &final_url, stop);
  if (exchange) places_[file.path] = {final_url, now + kPlaceLasts};
  return exchange;
}

}  // namespace toccata::hub
