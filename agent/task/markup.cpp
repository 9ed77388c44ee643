#include "agent/task/markup.h"

#include "agent/task/value.h"
#include "core/base/json.h"

namespace toccata::task {

std::string markup(std::string_view text) {
  std::string out;
  // Through JSON's dump first: what is not UTF-8 becomes U+FFFD.
  const std::string valid = json_from_valid<Value>(to_json_text(std::string(text))).get<std::string>();
  for (const char c : valid) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\n': out += "&#10;"; break;
      case '\t': out += "&#9;"; break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace toccata::task
