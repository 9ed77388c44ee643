#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools::mcp {

// At most 1024 printable characters without spaces: what a header carries as it is.
bool is_short_token(std::string_view text);

// Server-sent events whose lines are cut anywhere: `data`, and where to go on when the stream breaks. Source: WHATWG HTML.
class EventReader {
 public:
  explicit EventReader(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // kResourceExhausted for an event of more than `bytes_max` bytes.
  Result<void> push(std::string_view bytes);
  // The data of the next whole event.
  std::optional<std::string> next();
  // Of the last whole event; "" = the server gives none, and the stream cannot be gone on with.
  const std::string& last_id() const { return last_id_; }
  // To wait before a new connection: the server's wish, at most a minute.
  std::chrono::milliseconds retry() const { return retry_; }
  // A new connection begins with a whole line.
  void reconnected();

 private:
  void take_line();

  std::size_t bytes_max_;
  std::string line_, data_, id_, last_id_;
  std::chrono::milliseconds retry_{1000};
  std::deque<std::string> ready_;
};

}  // namespace toccata::tools::mcp
