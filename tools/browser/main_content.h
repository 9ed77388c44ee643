// Which parts of a page are what it is about, and which stand round it: menus, notices, lists of other pages, comments
// on an article.
//
// Four steps over a flat outline of the page, each a few rules. (1) Text hidden until a click counts when it is prose
// in an accordion, a tab or the like, or most of the page. (2) Elements whose tag, role, class or id names something
// else than content are cut, unless they hold most of the page. (3) The way down to the innermost element that holds
// nearly all of the rest (on a product page: the part named a product that holds the heading); what stands beside is
// cut. (4) Inside it, what a heading such as "Related articles" announces after the text, and groups of links. A
// discussion keeps its comments. Where too little remains only menus and the like are cut, and where even that leaves
// too little, nothing.
//
// What remains is written as on a whole page, with fewer nodes: see page_text.h. Developed on half of WCXB's
// development pages with scripts/bench_extraction.py, which prints what it reaches on both halves.
#pragma once

#include <gumbo.h>

#include <cstdint>
#include <unordered_set>

#include "tools/browser/page_kind.h"

namespace toccata::tools {

struct MainContent {
  PageKind kind = PageKind::kOther;
  std::unordered_set<const GumboNode*> left_out;  // the outermost elements that are not content
  std::unordered_set<const GumboNode*> shown;     // content although an attribute hides it
  std::uint64_t chars_left_out = 0;               // visible ones, blanks not counted; 0: this is the whole page
  std::uint64_t n_steps = 0;                      // work done, in elements looked at: linear in the page
};

MainContent find_main_content(const GumboNode& root);

}  // namespace toccata::tools
