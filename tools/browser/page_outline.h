// A page's elements as a flat list with what they hold: what main_content.h decides by.
#pragma once

#include <gumbo.h>

#include <cstdint>
#include <vector>

namespace toccata::tools {

// Characters are those of visible text that are not blank.
struct OutlineNode {
  const GumboNode* node = nullptr;
  std::uint32_t parent = 0;  // index; the first element is its own parent
  std::uint32_t end = 0;     // index after the last element inside: a subtree is [index, end)
  GumboTag tag = GUMBO_TAG_UNKNOWN;
  std::uint32_t hints = 0;  // of content_hints.h
  bool hidden = false;      // by itself; what it holds does not count above it
  bool in_link = false;

  std::uint32_t chars = 0;
  std::uint32_t link_chars = 0;   // inside links and buttons
  std::uint32_t prose_chars = 0;  // of blocks of running text: long enough, not mostly links
  std::uint32_t n_prose = 0;      // such blocks
  std::uint32_t n_links = 0;
  std::uint32_t n_inputs = 0;
  std::uint32_t n_h1 = 0;
  std::uint32_t block_chars = 0, block_link_chars = 0;  // of its own lines, not those of blocks inside
  std::uint32_t own_chars = 0, own_prose = 0, own_inputs = 0;  // before they were summed up
};

struct PageOutline {
  std::vector<OutlineNode> nodes;  // in document order
  std::uint64_t n_steps = 0;       // nodes looked at: linear in the page
  bool complete = true;            // false: the page has more elements than are worth the memory

  // Sums up again, after `hidden` was changed somewhere.
  void sum();
};

// Elements outside of head, without what is_skipped() names, but with <noscript> (as hidden). Any depth.
PageOutline outline_of(const GumboNode& root);

}  // namespace toccata::tools
