#include "tools/web/plain_text.h"

#include <gumbo.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace toccata::tools {
namespace {

constexpr std::size_t kReadMax = std::size_t{4} << 10;  // nesting costs time quadratic in this

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether a browser would see a tag of HTML or a comment at `text[at]`, which is '<'.
bool is_markup(std::string_view text, std::size_t at) {
  std::size_t begin = at + 1;
  if (text.substr(begin).starts_with("!--")) return true;
  if (begin < text.size() && text[begin] == '/') ++begin;
  std::size_t end = begin;
  while (end < text.size() && (is_letter(text[end]) || (end > begin && text[end] >= '0' && text[end] <= '9'))) ++end;
  if (end == begin || end == text.size() || end - begin > 16) return false;
  if (std::string_view(" \t\r\n/>").find(text[end]) == std::string_view::npos) return false;
  return gumbo_tag_enum(std::string(text.substr(begin, end - begin)).c_str()) != GUMBO_TAG_UNKNOWN;
}

std::string with_text_escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<' && !is_markup(text, i)) {
      out += "&lt;";
    } else if (text[i] != '\0') {
      out += text[i];
    }
  }
  return out;
}

bool breaks_words(GumboTag tag) {
  return tag == GUMBO_TAG_BR || tag == GUMBO_TAG_P || tag == GUMBO_TAG_DIV || tag == GUMBO_TAG_LI || tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TR;
}

// Depth first with a stack of our own: how deep strangers nest is not our stack's business.
std::string text_of(const GumboNode* root) {
  std::string out;
  std::vector<const GumboNode*> open = {root};
  while (!open.empty()) {
    const GumboNode* node = open.back();
    open.pop_back();
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA) {
      out += node->v.text.text;
    }
    if (node->type != GUMBO_NODE_ELEMENT && node->type != GUMBO_NODE_TEMPLATE) continue;
    const GumboElement& element = node->v.element;
    if (element.tag == GUMBO_TAG_SCRIPT || element.tag == GUMBO_TAG_STYLE) continue;
    if (breaks_words(element.tag)) out += ' ';
    for (unsigned i = element.children.length; i > 0; --i) {
      open.push_back(static_cast<const GumboNode*>(element.children.data[i - 1]));
    }
  }
  return out;
}

std::string on_one_line(std::string_view text, std::size_t bytes_max) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      blank = !out.empty();
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) continue;
    if (blank) out += ' ';
    blank = false;
    out += c;
    if (out.size() > bytes_max + 4) break;
  }
  if (out.size() <= bytes_max) return out;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
  return out.substr(0, end);
}

}  // namespace

std::string plain_text(std::string_view text, std::size_t bytes_max) {
  std::size_t end = std::min(text.size(), kReadMax);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  const bool was_cut = end < text.size();
  text = text.substr(0, end);
  if (const std::size_t tag = text.rfind('<'); was_cut && tag != std::string_view::npos && text.find('>', tag) == std::string_view::npos) {
    text = text.substr(0, tag);
  }
  if (text.find_first_of("<&") == std::string_view::npos) return on_one_line(text, bytes_max);
  // Inside <body> from the start, or leading blanks and tags of the head would be moved about.
  const std::string page = "<!doctype html><body>" + with_text_escaped(text);
  const auto destroy = [](GumboOutput* output) { gumbo_destroy_output(&kGumboDefaultOptions, output); };
  const std::unique_ptr<GumboOutput, decltype(destroy)> tree(
      gumbo_parse_with_options(&kGumboDefaultOptions, page.data(), page.size()), destroy);
  if (tree == nullptr) return {};
  return on_one_line(text_of(tree->root), bytes_max);
}

}  // namespace toccata::tools
