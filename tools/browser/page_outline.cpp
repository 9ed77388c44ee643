#include "tools/browser/page_outline.h"

#include <string_view>

#include "tools/browser/content_hints.h"
#include "tools/browser/html_node.h"
#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kElementsMax = 1'000'000;
constexpr std::uint32_t kProseChars = 60;  // about a dozen words
constexpr std::uint32_t kWideWorth = 3;  // a character of a script without blanks says as much as three letters

std::uint32_t count_text(std::string_view text) {
  std::uint32_t n = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_blank(c) || is_continuation(c)) continue;
    n += byte >= 0xE3 && byte <= 0xED ? kWideWorth : 1;
  }
  return n;
}

bool starts_block(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_LI:
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_TBODY:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_HTML:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_CENTER: return true;
    default: return is_block(tag) || heading_level(tag) != 0;
  }
}

bool is_input(GumboTag tag) {
  return tag == GUMBO_TAG_INPUT || tag == GUMBO_TAG_SELECT || tag == GUMBO_TAG_TEXTAREA || tag == GUMBO_TAG_BUTTON;
}

}  // namespace

PageOutline outline_of(const GumboNode& root) {
  struct Step {
    const GumboNode* node;
    std::uint32_t parent, block;
    bool in_link;
  };
  PageOutline outline;
  auto& nodes = outline.nodes;
  std::vector<Step> steps = {{&root, 0, 0, false}};
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    ++outline.n_steps;
    if (is_text(*step.node)) {
      if (nodes.empty()) continue;
      const std::uint32_t n = count_text(step.node->v.text.text);
      nodes[step.parent].own_chars += n;
      nodes[step.block].block_chars += n;
      if (step.in_link) nodes[step.block].block_link_chars += n;
      continue;
    }
    if (step.node->type != GUMBO_NODE_ELEMENT) continue;
    const GumboElement& element = step.node->v.element;
    const auto index = static_cast<std::uint32_t>(nodes.size());
    if (index >= kElementsMax) {
      outline.complete = false;
      return outline;
    }
    if (is_input(element.tag) && !nodes.empty()) ++nodes[step.parent].own_inputs;
    if (is_skipped(element.tag) && element.tag != GUMBO_TAG_NOSCRIPT) continue;
    OutlineNode& made = nodes.emplace_back();
    made.node = step.node;
    made.parent = step.parent;
    made.tag = element.tag;
    made.hidden = element.tag == GUMBO_TAG_NOSCRIPT || is_hidden(*step.node);
    const bool is_link = element.tag == GUMBO_TAG_A && attribute(*step.node, "href") != nullptr;
    made.in_link = step.in_link || is_link || element.tag == GUMBO_TAG_BUTTON;
    const bool outermost = element.tag == GUMBO_TAG_HTML || element.tag == GUMBO_TAG_BODY;
    made.hints = outermost ? 0 : content_hints(*step.node);
    const std::uint32_t block = starts_block(element.tag) ? index : step.block;
    const bool in_link = made.in_link;
    for (unsigned i = element.children.length; i-- > 0;) {
      steps.push_back({static_cast<const GumboNode*>(element.children.data[i]), index, block, in_link});
    }
  }
  for (std::size_t i = nodes.size(); i-- > 0;) {
    OutlineNode& node = nodes[i];
    if (node.end == 0) node.end = static_cast<std::uint32_t>(i) + 1;
    OutlineNode& parent = nodes[node.parent];
    if (i > 0 && parent.end < node.end) parent.end = node.end;
    const std::uint32_t text = node.block_chars - node.block_link_chars;
    if (text >= kProseChars && 2 * text >= node.block_chars) node.own_prose = node.block_chars;
  }
  outline.sum();
  return outline;
}

void PageOutline::sum() {
  for (OutlineNode& node : nodes) {
    node.chars = node.own_chars;
    node.link_chars = node.in_link ? node.own_chars : 0;
    node.prose_chars = node.own_prose;
    node.n_prose = node.own_prose > 0 ? 1 : 0;
    node.n_inputs = node.own_inputs;
    node.n_links = node.tag == GUMBO_TAG_A && node.in_link ? 1 : 0;
    node.n_h1 = node.tag == GUMBO_TAG_H1 ? 1 : 0;
  }
  n_steps += nodes.size();
  for (std::size_t i = nodes.size(); i-- > 1;) {
    const OutlineNode& node = nodes[i];
    OutlineNode& parent = nodes[node.parent];
    if (node.hidden) continue;
    parent.n_inputs += node.n_inputs;
    parent.chars += node.chars;
    parent.link_chars += node.link_chars;
    parent.prose_chars += node.prose_chars;
    parent.n_prose += node.n_prose;
    parent.n_links += node.n_links;
    parent.n_h1 += node.n_h1;
  }
}

}  // namespace toccata::tools
