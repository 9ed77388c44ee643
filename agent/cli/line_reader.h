// What a person types into a chat, message by message.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace toccata::cli {

class LineReader {
 public:
  virtual ~LineReader() = default;
  // One line without its end; nullopt at the end of input. `more`: it goes on with a message.
  virtual std::optional<std::string> line(bool more) = 0;
  // A message of several lines was read: for the history.
  virtual void remember(const std::string& message) { (void)message; }
};

// Lines of stdin as they are.
std::unique_ptr<LineReader> plain_reader();
// On a terminal: edited, with the history of earlier chats, which is kept in `history` (empty: not kept), readable by the
// user alone.
std::unique_ptr<LineReader> editing_reader(const std::filesystem::path& history);

// The next message: a line; lines as long as each ends with a backslash, which is left out; or everything between two
// lines of """. nullopt at the end of input.
std::optional<std::string> next_message(LineReader& reader);

}  // namespace toccata::cli
