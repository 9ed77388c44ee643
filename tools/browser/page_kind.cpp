#include "tools/browser/page_kind.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "tools/browser/html_node.h"
#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kDataBytesMax = 200'000;  // of one block of JSON-LD

struct Claims {
  bool article = false, discussion = false, product = false, listing = false;
};

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

// Every "@type": "NAME" of a block of JSON-LD, wherever it stands; the block need not be valid.
void read_data(std::string_view json, Claims& claims) {
  json = json.substr(0, kDataBytesMax);
  static constexpr std::string_view kKey = "\"@type\"";
  for (std::size_t at = json.find(kKey); at != std::string_view::npos; at = json.find(kKey, at)) {
    at += kKey.size();
    const std::size_t value = json.find_first_not_of(" \t\r\n:[", at);
    if (value == std::string_view::npos || json[value] != '"') continue;
    const std::string_view name = json.substr(value + 1, std::min(json.find('"', value + 1), json.size()) - value - 1);
    if (name == "DiscussionForumPosting" || name == "QAPage") claims.discussion = true;
    if (name == "Product" || name == "ProductGroup") claims.product = true;
    if (name == "CollectionPage" || name == "ItemList" || name == "SearchResultsPage") claims.listing = true;
    if (name.ends_with("Article") || name == "BlogPosting" || name == "Recipe") claims.article = true;
  }
}

void read_head(const GumboNode& head, Claims& claims) {
  const GumboVector& children = head.v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto& child = *static_cast<const GumboNode*>(children.data[i]);
    if (child.type != GUMBO_NODE_ELEMENT) continue;
    if (child.v.element.tag == GUMBO_TAG_META) {
      const char* name = attribute(child, "name") != nullptr ? attribute(child, "name") : attribute(child, "property");
      const char* content = attribute(child, "content");
      if (name == nullptr || content == nullptr) continue;
      const std::string value = lower_ascii(std::string_view(content).substr(0, 100));
      if (lower_ascii(name) == "generator") {
        for (const char* engine : {"discourse", "vbulletin", "phpbb", "xenforo", "nodebb", "mybb", "flarum", "invision"}) {
          if (has(value, engine)) claims.discussion = true;
        }
      }
      if (lower_ascii(name) == "og:type") {
        if (value == "article") claims.article = true;
        if (has(value, "product") && !has(value, "group")) claims.product = true;
      }
    } else if (child.v.element.tag == GUMBO_TAG_SCRIPT && child.v.element.children.length > 0) {
      const char* type = attribute(child, "type");
      if (type == nullptr || lower_ascii(type) != "application/ld+json") continue;
      const auto& text = *static_cast<const GumboNode*>(child.v.element.children.data[0]);
      if (is_text(text)) read_data(text.v.text.text, claims);
    }
  }
}

void read_names(const GumboNode& element, Claims& claims) {
  std::string names;
  for (const char* key : {"class", "id", "data-template", "data-app", "itemtype"}) {
    if (const char* value = attribute(element, key)) names += ' ' + lower_ascii(std::string_view(value).substr(0, 600));
  }
  for (const char* word : {"discussionforumposting", "qapage", "thread_view", "question-page", "page-topic", "phpbb", "vbulletin", "single-topic"}) {
    if (has(names, word)) claims.discussion = true;
  }
  for (const char* word : {"single-product", "template-product", "catalog-product-view", "product-page"}) {
    if (has(names, word)) claims.product = true;
  }
  for (const char* word : {"template-collection", "catalog-category", "product-listing", "search-results", "tax-product_cat", "category-page"}) {
    if (has(names, word)) claims.listing = true;
  }
}

}  // namespace

PageKind declared_kind(const GumboNode& root) {
  if (root.type != GUMBO_NODE_ELEMENT) return PageKind::kOther;
  Claims claims, names;
  read_names(root, names);
  const GumboVector& children = root.v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto& child = *static_cast<const GumboNode*>(children.data[i]);
    if (child.type != GUMBO_NODE_ELEMENT) continue;
    if (child.v.element.tag == GUMBO_TAG_HEAD) read_head(child, claims);
    if (child.v.element.tag == GUMBO_TAG_BODY) {
      read_names(child, names);
      read_head(child, claims);  // data blocks at the top of the body count too
    }
  }
  // A template's name says more than data that a plugin adds to every page.
  if (claims.discussion || names.discussion) return PageKind::kDiscussion;
  if (names.product) return PageKind::kProduct;
  if (names.listing) return PageKind::kListing;
  if (claims.listing && !claims.article) return PageKind::kListing;
  if (claims.product && !claims.article) return PageKind::kProduct;
  if (claims.article) return PageKind::kArticle;
  return PageKind::kOther;
}

}  // namespace toccata::tools
