#include "agent/model/sse_reader.h"

namespace toccata::agent {

Result<void> SseReader::push(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() + (data_ ? data_->size() : 0) > event_bytes_max_) {
      return Error{
          ErrorCode::kResourceExhausted,
          "the server sent an event of more than " + std::to_string(event_bytes_max_) + " bytes"};
    }
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_);
    line_.clear();
  }
  return {};
}

void SseReader::take_line(std::string_view line) {
  if (line.empty()) {
    if (data_) ready_.push_back(std::move(*data_));
    data_.reset();
    return;
  }
  const auto colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "error") {
    ready_.push_back("{\"error\":" + std::string(value) + "}");
  } else if (field == "data") {
    if (data_) *data_ += '\n';
    data_ = data_.value_or("") + std::string(value);
  }
}

std::optional<std::string> SseReader::next() {
  if (ready_.empty()) return std::nullopt;
  std::string event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

}  // namespace toccata::agent
