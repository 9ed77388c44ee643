// What the names that authors give to the parts of their pages say about them.
#pragma once

#include <gumbo.h>

#include <cstdint>
#include <string_view>

namespace toccata::tools {

// Bits of a set. From the tag, the words of class and id, role, itemprop and itemtype. Words are English: names mostly are.
enum ContentHint : std::uint32_t {
  kHintNavigation = 1u << 0,   // menus, breadcrumbs, page numbers
  kHintHeader = 1u << 1,       // of the site
  kHintFooter = 1u << 2,
  kHintSide = 1u << 3,
  kHintComments = 1u << 4,
  kHintRelated = 1u << 5,      // other pages: recommended, popular, recent
  kHintShare = 1u << 6,
  kHintAdvert = 1u << 7,
  kHintDialog = 1u << 8,       // cookie notices, pop-ups
  kHintNotice = 1u << 9,       // alerts: of the site, or boxes inside a text
  kHintSignUp = 1u << 10,      // newsletters, log-in
  kHintByline = 1u << 11,      // who wrote it when
  kHintPoster = 1u << 12,      // who wrote a post of a discussion
  kHintButtons = 1u << 13,
  kHintFold = 1u << 14,        // opened by a click: accordions, tabs, answers
  kHintContent = 1u << 15,     // the author calls it the content
  kHintMain = 1u << 16,
  kHintArticle = 1u << 17,
  kHintForReaders = 1u << 18,  // text for screen readers only
  kHintSearch = 1u << 19,
  kHintTags = 1u << 20,        // labels of an article
  kHintFilter = 1u << 21,      // of a list
  kHintCaption = 1u << 22,
  kHintStreamed = 1u << 23,    // sent hidden, put into place by a script
  kHintDiscussion = 1u << 24,
  kHintProduct = 1u << 25,
};

std::uint32_t content_hints(const GumboNode& element);

// What the part below a heading is about.
enum class HeadingSense { kNone, kOtherPages, kComments };
HeadingSense heading_sense(std::string_view heading);

}  // namespace toccata::tools
