// What a page says it is: to search engines, in its head and in the names of its body.
#pragma once

#include <gumbo.h>

namespace toccata::tools {

enum class PageKind { kOther, kArticle, kDiscussion, kProduct, kListing };

// kOther where it says nothing. Looks at the head and at <html> and <body>, no further.
PageKind declared_kind(const GumboNode& root);

}  // namespace toccata::tools
