#include "agent/cli/terminal_text.h"

namespace toccata::cli {

std::string for_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c0 = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
    // U+0080..U+009F, the C1 controls, are C2 80 .. C2 9F in UTF-8.
    const bool c1 = c == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c0 || c1) {
      out += "\xEF\xBF\xBD";
      if (c1) ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace toccata::cli
