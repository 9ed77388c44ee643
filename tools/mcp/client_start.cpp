// From nothing to a server that can be asked: started, spoken to in its own era, started again when it ended.
#include <algorithm>
#include <condition_variable>

#include "tools/mcp/client.h"
#include "tools/mcp/content.h"

namespace toccata::tools::mcp {
namespace {

// What a server may settle on in the handshake.
constexpr const char* kLegacyVersions[] = {kLegacyVersion, "2025-06-18", "2025-03-26", "2024-11-05"};

bool is_legacy_version(const std::string& version) {
  return std::any_of(std::begin(kLegacyVersions), std::end(kLegacyVersions), [&](const char* known) {
    return version == known;
  });
}

// Versions a modern server names, in its answer to the probe or its refusal of our version.
std::vector<std::string> versions(const Json& object, const char* key) {
  std::vector<std::string> found;
  if (!object.is_object() || !object.contains(key) || !object[key].is_array()) return found;
  for (const Json& version : object[key]) {
    if (version.is_string()) found.push_back(version.get<std::string>());
  }
  return found;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) {
    if (text.size() < 200) text += (text.empty() ? "" : ", ") + excerpt(one, 40);
  }
  return text.empty() ? "none" : text;
}

std::string known_here() {
  return std::string("; known here: ") + kModernVersion + ", and " + kLegacyVersion + " or before";
}

// False when stopped meanwhile.
bool sleep_until(std::chrono::steady_clock::time_point time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

Result<void> Client::connect(std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  if (Result<void> ready = ensure_connected(stop); !ready) return named(ready.error());
  return {};
}

// The first is forgiven, so that a server that was killed is there again at once.
void Client::note_failure() {
  ++n_failures_;
  if (n_failures_ == 1) return;
  const auto pause = options_.backoff_first * (1 << std::min(n_failures_ - 2, 20));
  next_start_ = Clock::now() + std::min<Clock::duration>(pause, options_.backoff_max);
}

Result<void> Client::ensure_connected(std::stop_token stop) {
  if (connected_ && transport_->is_open()) return {};
  connected_ = false;
  if (!sleep_until(next_start_, stop)) return Error{ErrorCode::kCancelled, "stopped before it was started again"};
  n_unanswered_ = 0;
  ++n_starts_;
  Result<void> done = start(stop);
  n_unanswered_ = 0;
  if (done) {
    connected_ = true;
    return {};
  }
  transport_->close();
  note_failure();
  return done;
}

Result<void> Client::start(std::stop_token stop) {
  if (Result<void> opened = transport_->open(); !opened) return opened;
  const Era before = era_;
  Result<void> done = negotiate(stop);
  // Some servers of the legacy era end at a message before `initialize`.
  if (!done && done.error().code == ErrorCode::kUnavailable && era_ == Era::kUnknown && !transport_->is_open()) {
    if (Result<void> again = transport_->open(); !again) return done;
    era_ = Era::kLegacy;
    if (negotiate(stop)) return {};
  }
  if (!done) era_ = before == Era::kModern ? Era::kUnknown : before;  // it may have been replaced by an older one
  return done;
}

// Specification 2026-07-28, versioning and stdio: a modern answer or a modern error is a modern server; anything else,
// silence included, is a legacy one.
Result<void> Client::negotiate(std::stop_token stop) {
  const auto deadline = Clock::now() + options_.start_timeout;
  if (era_ == Era::kLegacy) return shake_hands(stop, deadline);
  const auto probe = [&](std::chrono::milliseconds timeout) {
    version_ = kModernVersion;
    return exchange({.method = "server/discover", .timeout = timeout}, stop);
  };
  Result<Message> answer = probe(std::min(options_.probe_timeout, options_.start_timeout));
  if (!answer && answer.error().code == ErrorCode::kTimeout) {
    const Result<void> shaken = shake_hands(stop, deadline);
    if (shaken || shaken.error().code != ErrorCode::kUnsupported) return shaken;
    // A modern server that was slow to start: it has the probe by now, and wants no handshake behind it.
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    answer = probe(std::max(left, std::chrono::milliseconds(1)));
    if (!answer) return shaken;
  }
  if (!answer) {
    const ErrorCode code = answer.error().code;
    if (code == ErrorCode::kUnavailable || code == ErrorCode::kCancelled || code == ErrorCode::kResourceExhausted ||
        code == ErrorCode::kPermissionDenied) {
      return answer.error();
    }
    return shake_hands(stop, deadline);
  }
  const bool refused = answer->error && answer->error->code == kUnsupportedVersion;
  const auto known = refused ? versions(answer->error->data, "supported") : versions(answer->body, "supportedVersions");
  if (known.empty() && !refused) return shake_hands(stop, deadline);
  if (!contains(known, kModernVersion)) {
    if (std::any_of(known.begin(), known.end(), is_legacy_version)) return shake_hands(stop, deadline);
    return Error{ErrorCode::kUnsupported, "it speaks only " + joined(known) + " of the protocol" + known_here()};
  }
  era_ = Era::kModern;
  learn(answer->body);
  return {};
}

Result<void> Client::shake_hands(std::stop_token stop, Clock::time_point deadline) {
  version_ = kLegacyVersion;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  Result<Message> answer = exchange(
      {.method = "initialize",
       .params = {{"protocolVersion", kLegacyVersion},
                  {"capabilities", client_capabilities()},
                  {"clientInfo", {{"name", options_.name}, {"version", options_.version}}}},
       .timeout = std::max(left, std::chrono::milliseconds(1))},
      stop
  );
  if (!answer) return answer.error();
  if (answer->error) {
    const Error error = told(*answer->error);
    const bool is_modern = answer->error->code == kUnsupportedVersion;
    return Error{is_modern ? ErrorCode::kUnsupported : error.code, "initialize was refused: " + error.message};
  }
  const Json version = answer->body.is_object() ? answer->body.value("protocolVersion", Json()) : Json();
  if (!version.is_string() || !is_legacy_version(version.get<std::string>())) {
    return Error{
        ErrorCode::kUnsupported, "it answers initialize with protocolVersion " + excerpt(to_text(version), 60) + known_here()};
  }
  version_ = version.get<std::string>();
  learn(answer->body);
  const Outgoing ready{.method = "notifications/initialized",
                       .text = notification_text("notifications/initialized", Json::object()), .version = version_};
  if (Result<void> sent = transport_->notify(ready, {std::max(deadline, Clock::now() + std::chrono::seconds(1)), stop}); !sent) {
    return sent;
  }
  era_ = Era::kLegacy;
  return {};
}

void Client::learn(const Json& greeting) {
  facts_ = read_facts(greeting);
  facts_.protocol = version_;
}

}  // namespace toccata::tools::mcp
