#include "tools/browser/page_links.h"

#include <unordered_set>

#include "tools/browser/html_node.h"
#include "tools/browser/html_tree.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kLinksMax = 20'000;

class LinkReader {
 public:
  explicit LinkReader(std::string_view url) : base_(url) {}

  PageLinks read(const GumboNode& root) {
    std::vector<const GumboNode*> rest = {&root};
    while (!rest.empty()) {
      const GumboNode& node = *rest.back();
      rest.pop_back();
      if (node.type != GUMBO_NODE_ELEMENT && node.type != GUMBO_NODE_TEMPLATE) continue;
      visit(node);
      const GumboVector& children = node.v.element.children;
      for (unsigned i = children.length; i > 0; --i) rest.push_back(static_cast<const GumboNode*>(children.data[i - 1]));
    }
    if (!links_.follow) links_.urls.clear();
    return std::move(links_);
  }

 private:
  void visit(const GumboNode& node) {
    switch (node.v.element.tag) {
      case GUMBO_TAG_A:
      case GUMBO_TAG_AREA:
        if (!has_word(attribute(node, "rel"), "nofollow")) add(attribute(node, "href"));
        break;
      case GUMBO_TAG_FRAME:
      case GUMBO_TAG_IFRAME:
        add(attribute(node, "src"));
        break;
      case GUMBO_TAG_LINK:
        if (has_word(attribute(node, "rel"), "next")) add(attribute(node, "href"));
        break;
      case GUMBO_TAG_BASE:
        if (const char* href = attribute(node, "href"); href != nullptr && !has_base_) {
          has_base_ = true;
          if (std::string resolved = resolve_url(base_, href); !resolved.empty()) base_ = std::move(resolved);
        }
        break;
      case GUMBO_TAG_META:
        meta(node);
        break;
      default:
        break;
    }
  }

  void meta(const GumboNode& node) {
    const char* name = attribute(node, "name");
    if (name == nullptr) return;
    const std::string whom = lower_ascii(name);
    if (whom != "robots" && whom != "toccata") return;
    const char* content = attribute(node, "content");
    const bool none = has_word(content, "none");
    if (none || has_word(content, "noindex")) links_.index = false;
    if (none || has_word(content, "nofollow")) links_.follow = false;
  }

  // Words are separated by blanks or commas.
  static bool has_word(const char* list, std::string_view word) {
    if (list == nullptr) return false;
    const std::string text = lower_ascii(list);
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      const auto is_edge = [&](std::size_t i) { return i >= text.size() || text[i] == ',' || is_blank(text[i]); };
      if ((at == 0 || is_edge(at - 1)) && is_edge(at + word.size())) return true;
    }
    return false;
  }

  void add(const char* reference) {
    if (reference == nullptr || *reference == '#' || links_.urls.size() >= kLinksMax) return;
    const std::string url(without_fragment(resolve_url(base_, reference)));
    if (!url.empty() && seen_.insert(url).second) links_.urls.push_back(url);
  }

  std::string base_;
  bool has_base_ = false;
  PageLinks links_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

PageLinks links_of(std::string_view url, std::string_view source) {
  HtmlTree tree;
  const std::string text = valid_utf8(source);
  if (!tree.parse(text)) return {};
  return LinkReader(url).read(tree.root());
}

}  // namespace toccata::tools
