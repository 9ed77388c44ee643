// What the readers of a parsed page ask of a node.
#pragma once

#include <gumbo.h>

#include <string>

namespace toccata::tools {

// Value of an attribute of an element; null where it has none.
inline const char* attribute(const GumboNode& node, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&node.v.element.attributes, name);
  return found == nullptr ? nullptr : found->value;
}

inline bool is_text(const GumboNode& node) {
  return node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE || node.type == GUMBO_NODE_CDATA;
}

// By an attribute of the element itself: hidden, aria-hidden, or display or visibility in its style.
bool is_hidden(const GumboNode& element);
// Holds no text for readers: scripts, styles, drawings, choices of forms.
bool is_skipped(GumboTag tag);
// Begins and ends lines of text.
bool is_block(GumboTag tag);
// 1..6, else 0.
inline int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? tag - GUMBO_TAG_H1 + 1 : 0;
}

}  // namespace toccata::tools
