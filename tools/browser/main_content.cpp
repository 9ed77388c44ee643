#include "tools/browser/main_content.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tools/browser/content_hints.h"
#include "tools/browser/html_node.h"
#include "tools/browser/page_outline.h"

namespace toccata::tools {
namespace {

using Index = std::uint32_t;

constexpr Index kTooFewChars = 250;   // about fifty words
constexpr Index kHeadingChars = 80;
constexpr std::size_t kHeadingNodes = 200;

// How much an element says: a character of running text, of other text and of a link is worth 12, 4 and 1.
std::uint64_t mass(const OutlineNode& node) {
  return 8ull * node.prose_chars + 4ull * (node.chars - std::min(node.chars, node.link_chars)) + node.link_chars;
}

class Finder {
 public:
  explicit Finder(const GumboNode& root) : outline_(outline_of(root)), nodes_(outline_.nodes), cut_(nodes_.size(), false) {}

  MainContent find() {
    MainContent out;
    if (nodes_.empty() || !outline_.complete) return out;
    show_folded(out);
    whole_ = nodes_[0];
    out.kind = kind_ = kind();
    cut_by_name();
    choose_root();
    cut_by_heading();
    cut_groups_of_links();
    if (is_too_little()) cut_menus_only();
    out.n_steps = outline_.n_steps + nodes_.size();
    if (is_too_little()) {
      out.shown.clear();
      return out;
    }
    for (Index i = 0; i < nodes_.size(); i = cut_[i] ? nodes_[i].end : i + 1) {
      if (cut_[i]) out.left_out.insert(nodes_[i].node);
    }
    out.chars_left_out = whole_.chars - nodes_[0].chars;
    return out;
  }

 private:
  // Calls visit(i) for `top` and every visible element below it; those below i are passed over when it says false or cuts i.
  template <typename Visit>
  void walk(Index top, const Visit& visit) {
    outline_.n_steps += nodes_[top].end - top;
    for (Index i = top; i < nodes_[top].end;) {
      const bool deeper = !nodes_[i].hidden && !cut_[i] && visit(i) && !cut_[i];
      i = deeper ? i + 1 : nodes_[i].end;
    }
  }

  bool is_too_little() const { return nodes_[0].chars < kTooFewChars && whole_.chars > 3 * nodes_[0].chars; }

  // What was cut no longer counts.
  void settle() {
    for (Index i = 0; i < nodes_.size(); ++i) {
      if (cut_[i]) nodes_[i].hidden = true;
    }
    outline_.sum();
  }

  void show_folded(MainContent& out) {
    const Index visible = nodes_[0].prose_chars;
    for (OutlineNode& node : nodes_) {
      if (!node.hidden || (node.hints & (kHintDialog | kHintNavigation)) != 0) continue;
      const bool most = node.prose_chars > 1000 && node.prose_chars > visible;
      const bool named = ((node.hints | nodes_[node.parent].hints) & (kHintFold | kHintContent)) != 0;
      const bool fold = named && node.tag != GUMBO_TAG_NOSCRIPT && node.prose_chars > 0 && 2 * node.prose_chars >= node.chars;
      if (!most && !fold && (node.hints & kHintStreamed) == 0) continue;
      node.hidden = false;
      out.shown.insert(node.node);
    }
    outline_.n_steps += nodes_.size();
    outline_.sum();
  }

  PageKind kind() {
    const PageKind declared = declared_kind(*nodes_[0].node);
    if (declared != PageKind::kOther) return declared;
    std::uint32_t most = 0;  // what is said of most of the page
    walk(0, [&](Index i) {
      if (2 * mass(nodes_[i]) <= mass(nodes_[0])) return false;
      most |= nodes_[i].n_h1 > 0 ? nodes_[i].hints : nodes_[i].hints & ~kHintProduct;
      return true;
    });
    return (most & kHintDiscussion) != 0 ? PageKind::kDiscussion : (most & kHintProduct) != 0 ? PageKind::kProduct : PageKind::kOther;
  }

  // `inside`: of a main or article.
  bool is_named_otherwise(const OutlineNode& node, bool inside) const {
    const std::uint32_t hints = node.hints;
    const bool discussion = kind_ == PageKind::kDiscussion;
    const bool prosy = 2 * node.prose_chars > node.chars;
    if ((hints & kHintMain) != 0 || 2 * mass(node) > mass(nodes_[0])) return false;
    switch (node.tag) {
      case GUMBO_TAG_NAV:
      case GUMBO_TAG_FOOTER:
      case GUMBO_TAG_ASIDE:
      case GUMBO_TAG_FIGCAPTION:
      case GUMBO_TAG_TIME:
      case GUMBO_TAG_LABEL: return true;
      case GUMBO_TAG_HEADER: return !inside && node.n_prose < 3;
      case GUMBO_TAG_FORM: return node.own_inputs > 0 && 5 * node.chars < nodes_[0].chars;
      default: break;
    }
    if ((hints & (kHintFooter | kHintDialog | kHintForReaders | kHintSearch | kHintSide | kHintRelated | kHintShare |
                  kHintAdvert | kHintSignUp | kHintByline | kHintCaption)) != 0) {
      return true;
    }
    if ((hints & kHintNavigation) != 0 && !prosy) return true;
    if ((hints & (kHintHeader | kHintNotice)) != 0 && !inside) return true;
    if ((hints & kHintComments) != 0 && !discussion) return true;
    if ((hints & kHintPoster) != 0 && (hints & kHintContent) == 0 && discussion) return true;
    if ((hints & kHintTags) != 0 && 2 * node.link_chars > node.chars) return true;
    return (hints & (kHintFilter | kHintButtons)) != 0 && node.n_prose == 0;
  }

  void cut_by_name() {
    Index inside_until = 0;
    walk(0, [&](Index i) {
      cut_[i] = is_named_otherwise(nodes_[i], i < inside_until);
      if ((nodes_[i].hints & (kHintMain | kHintArticle)) != 0) inside_until = std::max(inside_until, nodes_[i].end);
      return true;
    });
    settle();
  }

  // The weightiest element below `top` with one of these hints; 0 where there is none.
  Index weightiest(Index top, std::uint32_t hints) {
    Index best = 0;
    walk(top, [&](Index i) {
      const bool fits = (nodes_[i].hints & hints) != 0;
      if (fits && (best == 0 || mass(nodes_[i]) > mass(nodes_[best]))) best = i;
      return true;
    });
    return best;
  }

  // The least element below `top` that is named a product, holds the heading of the page and half of what it says.
  Index product_part(Index top) {
    Index best = 0;
    walk(top, [&](Index i) {
      if (2 * mass(nodes_[i]) <= mass(nodes_[top])) return false;
      if ((nodes_[i].hints & kHintProduct) != 0 && nodes_[i].n_h1 > 0) best = i;
      return true;
    });
    return best;
  }

  void choose_root() {
    if (const Index i = weightiest(root_, kHintMain); i != 0 && 5 * mass(nodes_[i]) > mass(nodes_[root_])) root_ = i;
    const bool of_parts = kind_ == PageKind::kProduct || kind_ == PageKind::kListing;  // small things count beside a long text
    const Index article = of_parts || kind_ == PageKind::kDiscussion ? 0 : weightiest(root_, kHintArticle);
    if (article != 0 && 10 * mass(nodes_[article]) > 7 * mass(nodes_[root_])) root_ = article;
    if (const Index product = kind_ == PageKind::kProduct ? product_part(root_) : 0; product != 0) root_ = product;
    const std::uint64_t all = mass(nodes_[root_]), enough = all * (of_parts ? 99 : 92) / 100;
    for (Index below = root_; below != 0 && all > 0;) {
      root_ = below;
      below = 0;
      for (Index child = root_ + 1; child < nodes_[root_].end; child = nodes_[child].end) {
        ++outline_.n_steps;
        const bool nearly_all = !nodes_[child].hidden && mass(nodes_[child]) >= enough;
        if (nearly_all && nodes_[child].own_prose == 0) below = child;
      }
    }
    for (Index at = root_; at != 0; at = nodes_[at].parent) {
      const Index parent = nodes_[at].parent;
      for (Index child = parent + 1; child < nodes_[parent].end; child = nodes_[child].end) {
        ++outline_.n_steps;
        cut_[child] = cut_[child] || child != at;
      }
    }
    settle();
  }

  void cut_by_heading() {
    // Visible characters and prose before each element, in document order.
    std::vector<Index> chars(nodes_.size() + 1, 0), prose(nodes_.size() + 1, 0);
    for (Index i = 0; i < nodes_.size();) {
      const bool hidden = nodes_[i].hidden;
      const Index next = hidden ? nodes_[i].end : i + 1;
      const Index own_chars = hidden ? 0 : nodes_[i].own_chars, own_prose = hidden ? 0 : nodes_[i].own_prose;
      const Index chars_after = chars[i] + own_chars, prose_after = prose[i] + own_prose;
      for (; i < next; ++i) {
        chars[i + 1] = chars_after;
        prose[i + 1] = prose_after;
      }
    }
    outline_.n_steps += nodes_.size();
    const OutlineNode root = nodes_[root_];
    walk(root_, [&](Index i) {
      const int level = heading_level(nodes_[i].tag);
      if (level == 0 || nodes_[i].chars > kHeadingChars) return true;
      const HeadingSense sense = heading_sense(text_of(i));
      if (sense == HeadingSense::kNone || (sense == HeadingSense::kComments && kind_ == PageKind::kDiscussion)) return true;
      if (4 * (prose[i] - prose[root_]) <= root.prose_chars) return true;  // not after the text: what the page is about
      // The largest element that it opens, if that is not a great part of the page; else what follows it.
      Index top = i;
      while (top != root_ && nodes_[top].parent != root_) {
        ++outline_.n_steps;
        const Index parent = nodes_[top].parent;
        if (chars[top] > chars[parent] || 3 * nodes_[parent].chars > root.chars) break;
        top = parent;
      }
      cut_[top] = true;
      if (top == i) cut_after(i, level, root.chars / 3);
      return true;
    });
    settle();
  }

  // Siblings after a heading up to the next one of its rank, at most so many characters of them.
  void cut_after(Index heading, int level, Index chars_max) {
    const Index end = nodes_[nodes_[heading].parent].end;
    Index taken = 0;
    for (Index next = nodes_[heading].end; next < end; next = nodes_[next].end) {
      ++outline_.n_steps;
      const int next_level = heading_level(nodes_[next].tag);
      taken += nodes_[next].chars;
      if ((next_level != 0 && next_level <= level) || taken > chars_max) return;
      cut_[next] = true;
    }
  }

  std::string text_of(Index i) {
    std::string text;
    std::vector<const GumboNode*> nodes = {nodes_[i].node};
    for (std::size_t seen = 0; !nodes.empty() && seen < kHeadingNodes; ++seen) {
      const GumboNode* node = nodes.back();
      nodes.pop_back();
      if (is_text(*node)) text += node->v.text.text;
      if (node->type != GUMBO_NODE_ELEMENT) continue;
      const GumboVector& children = node->v.element.children;
      for (unsigned k = std::min<unsigned>(children.length, kHeadingNodes); k-- > 0;) {
        nodes.push_back(static_cast<const GumboNode*>(children.data[k]));
      }
    }
    return text;
  }

  void cut_groups_of_links() {
    if (2 * nodes_[root_].link_chars > nodes_[root_].chars) return;  // links are what the page is about
    walk(root_, [&](Index i) {
      const OutlineNode& node = nodes_[i];
      const bool group = node.tag == GUMBO_TAG_UL || node.tag == GUMBO_TAG_OL || node.tag == GUMBO_TAG_DIV || node.tag == GUMBO_TAG_SECTION;
      cut_[i] = i != root_ && group && node.n_links > 1 && node.n_prose == 0 && 5 * node.link_chars > 4 * node.chars;
      return true;
    });
    settle();
  }

  void cut_menus_only() {
    for (Index i = 0; i < nodes_.size(); ++i) {
      if (cut_[i]) nodes_[i].hidden = false;
      cut_[i] = false;
    }
    outline_.sum();
    walk(0, [&](Index i) {
      const OutlineNode& node = nodes_[i];
      const bool menu = node.tag == GUMBO_TAG_NAV || node.tag == GUMBO_TAG_FOOTER || (node.hints & (kHintDialog | kHintForReaders)) != 0 ||
                        (node.tag == GUMBO_TAG_HEADER && node.n_prose < 3);
      cut_[i] = menu && 2 * node.prose_chars <= nodes_[0].prose_chars;
      return true;
    });
    settle();
  }

  PageOutline outline_;
  std::vector<OutlineNode>& nodes_;
  std::vector<char> cut_;
  OutlineNode whole_;  // of the page before anything was cut
  PageKind kind_ = PageKind::kOther;
  Index root_ = 0;
};

}  // namespace

MainContent find_main_content(const GumboNode& root) { return Finder(root).find(); }

}  // namespace toccata::tools
