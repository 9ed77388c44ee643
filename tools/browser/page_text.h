// Documents as text a model can read: headings, lists, links as `【id†text】`, nothing that is hidden.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/browser/backend.h"

namespace toccata::tools {

struct PageText {
  std::string title;
  std::string text;                // lines separated by '\n', not wrapped
  std::vector<std::string> links;  // id -> absolute URL; each URL once
  bool shortened = false;          // there is more on the whole page
};

enum class PageScope { kWhole, kMain };  // kMain: without what main_content.h leaves out

// Of "whole" or "main"; else an error.
Result<PageScope> page_scope(std::string_view name);

// Never fails: hostile nesting falls back to plain text. Invalid UTF-8 becomes U+FFFD.
PageText page_text(const Document& document, PageScope scope = PageScope::kWhole);

// The same without link markers: what is put into an index.
PageText plain_page(const Document& document);

}  // namespace toccata::tools
