#include "tools/browser/html_node.h"

#include <algorithm>
#include <set>

#include "tools/browser/text.h"

namespace toccata::tools {

bool is_hidden(const GumboNode& node) {
  if (attribute(node, "hidden") != nullptr) return true;
  if (const char* aria = attribute(node, "aria-hidden"); aria && lower_ascii(aria) == "true") return true;
  const char* style = attribute(node, "style");
  if (style == nullptr) return false;
  std::string text = lower_ascii(style);
  text.erase(std::remove_if(text.begin(), text.end(), is_blank), text.end());
  return text.find("display:none") != std::string::npos || text.find("visibility:hidden") != std::string::npos;
}

bool is_skipped(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA: return true;
    default: return false;
  }
}

bool is_block(GumboTag tag) {
  static const std::set<GumboTag> kBlocks = {
      GUMBO_TAG_P,       GUMBO_TAG_DIV,     GUMBO_TAG_SECTION, GUMBO_TAG_ARTICLE, GUMBO_TAG_HEADER,
      GUMBO_TAG_FOOTER,  GUMBO_TAG_MAIN,    GUMBO_TAG_NAV,     GUMBO_TAG_ASIDE,   GUMBO_TAG_TABLE,
      GUMBO_TAG_UL,      GUMBO_TAG_OL,      GUMBO_TAG_DL,      GUMBO_TAG_DT,      GUMBO_TAG_DD,
      GUMBO_TAG_FIGURE,  GUMBO_TAG_FORM,    GUMBO_TAG_PRE,     GUMBO_TAG_ADDRESS, GUMBO_TAG_FIELDSET,
      GUMBO_TAG_DETAILS, GUMBO_TAG_SUMMARY, GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_FIGCAPTION};
  return kBlocks.contains(tag);
}

}  // namespace toccata::tools
