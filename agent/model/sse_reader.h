#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::agent {

// Server-sent events out of a byte stream that is cut anywhere. Only `data` is kept; comments and other fields are
// skipped. Source: WHATWG HTML, "Server-sent events". One addition: older llama-server reports a failure in a field
// named `error`, which comes out as an event {"error": ...}.
class SseReader {
 public:
  // `event_bytes_max`: the longest line and the longest event taken from a server.
  explicit SseReader(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // kResourceExhausted when a line or an event is too long.
  Result<void> push(std::string_view bytes);
  // The data of the next whole event.
  std::optional<std::string> next();

 private:
  void take_line(std::string_view line);

  std::size_t event_bytes_max_;
  std::string line_;
  std::optional<std::string> data_;  // of the open event
  std::deque<std::string> ready_;
};

}  // namespace toccata::agent
