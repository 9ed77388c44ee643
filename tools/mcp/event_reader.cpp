#include "tools/mcp/event_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace toccata::tools::mcp {
namespace {

constexpr std::size_t kTokenBytesMax = 1024;
constexpr std::chrono::milliseconds kRetryMax{60'000};

// What stands behind "name:", without the one space that may stand there.
std::optional<std::string_view> field(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace

bool is_short_token(std::string_view text) {
  return text.size() <= kTokenBytesMax && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

Result<void> EventReader::push(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() + data_.size() > bytes_max_) {
      return Error{ErrorCode::kResourceExhausted, "the server sent a message of more than " + std::to_string(bytes_max_) + " bytes"};
    }
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line();
    line_.clear();
  }
  return {};
}

std::optional<std::string> EventReader::next() {
  if (ready_.empty()) return std::nullopt;
  std::string event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

void EventReader::reconnected() {
  line_.clear();
  data_.clear();
  id_ = last_id_;
}

void EventReader::take_line() {
  if (line_.empty()) {
    last_id_ = id_;
    if (!data_.empty()) ready_.push_back(std::exchange(data_, {}));
  } else if (const auto data = field(line_, "data:")) {
    if (!data_.empty()) data_ += '\n';
    data_ += *data;
  } else if (const auto id = field(line_, "id:")) {
    if (is_short_token(*id)) id_ = *id;
  } else if (const auto retry = field(line_, "retry:")) {
    std::int64_t ms = -1;
    const auto read = std::from_chars(retry->data(), retry->data() + retry->size(), ms);
    if (read.ec == std::errc() && ms >= 0) retry_ = std::chrono::milliseconds(std::min<std::int64_t>(ms, kRetryMax.count()));
  }
}

}  // namespace toccata::tools::mcp
