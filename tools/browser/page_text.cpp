#include "tools/browser/page_text.h"

#include <gumbo.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>


namespace toccata::tools {
namespace {

// Beyond this nesting a page is not made for readers; gumbo frees its tree by recursion.
constexpr int kNestingMax = 2000;
constexpr std::size_t kSourceBytesMax = std::size_t{16} << 20;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// Each byte that begins no character becomes U+FFFD.
std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    utf8proc_int32_t unused = 0;
    const auto n = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()), static_cast<utf8proc_ssize_t>(bytes.size()), &unused
    );
    out += n > 0 ? std::string(bytes.substr(0, static_cast<std::size_t>(n))) : std::string("\uFFFD");
    bytes.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 1);
  }
  return out;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_blank(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

const char* attribute(const GumboNode& node, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&node.v.element.attributes, name);
  return found == nullptr ? nullptr : found->value;
}

bool is_hidden(const GumboNode& node) {
  if (attribute(node, "hidden") != nullptr) return true;
  if (const char* aria = attribute(node, "aria-hidden"); aria && lower(aria) == "true") return true;
  const char* style = attribute(node, "style");
  if (style == nullptr) return false;
  std::string text = lower(style);
  text.erase(std::remove_if(text.begin(), text.end(), is_blank), text.end());
  return text.find("display:none") != std::string::npos || text.find("visibility:hidden") != std::string::npos;
}

bool is_skipped(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA: return true;
    default: return false;
  }
}

bool is_block(GumboTag tag) {
  static const std::set<GumboTag> kBlocks = {
      GUMBO_TAG_P,       GUMBO_TAG_DIV,     GUMBO_TAG_SECTION, GUMBO_TAG_ARTICLE, GUMBO_TAG_HEADER,
      GUMBO_TAG_FOOTER,  GUMBO_TAG_MAIN,    GUMBO_TAG_NAV,     GUMBO_TAG_ASIDE,   GUMBO_TAG_TABLE,
      GUMBO_TAG_UL,      GUMBO_TAG_OL,      GUMBO_TAG_DL,      GUMBO_TAG_DT,      GUMBO_TAG_DD,
      GUMBO_TAG_FIGURE,  GUMBO_TAG_FORM,    GUMBO_TAG_PRE,     GUMBO_TAG_ADDRESS, GUMBO_TAG_FIELDSET,
      GUMBO_TAG_DETAILS, GUMBO_TAG_SUMMARY, GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_FIGCAPTION};
  return kBlocks.contains(tag);
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? tag - GUMBO_TAG_H1 + 1 : 0;
}

// Writes text with blank lines between blocks.
class Writer {
 public:
  void inline_text(std::string_view text) {
    for (const char c : text) {
      if (is_blank(c)) {
        pending_space_ = true;
      } else {
        put(c);
      }
    }
  }
  void verbatim(std::string_view text) {
    start_line();
    for (const char c : text) {
      if (c == '\r') continue;
      line_ += c == '\n' ? std::string("\n") + quote_ : std::string(1, c);
    }
  }
  void raw(std::string_view text) {
    if (text.empty()) return;
    flush_space();
    start_line();
    line_ += text;
  }
  void newline() {
    pending_space_ = false;
    if (line_.empty()) return;
    out_ += line_ + "\n";
    line_.clear();
    blank_ = false;
  }
  void blank_line() {
    newline();
    if (!blank_ && !out_.empty()) out_ += "\n";
    blank_ = true;
  }
  void prefix_next_line(std::string prefix) { prefix_ = std::move(prefix); }
  void quote(int change) {
    newline();
    if (change > 0) {
      quote_ += "> ";
    } else if (quote_.size() >= 2) {
      quote_.resize(quote_.size() - 2);
    }
  }
  std::string take() {
    newline();
    while (out_.ends_with('\n')) out_.pop_back();
    return std::move(out_);
  }

 private:
  void put(char c) {
    flush_space();
    start_line();
    line_ += c;
  }
  void start_line() {
    if (!line_.empty()) return;
    line_ = quote_ + prefix_;
    prefix_.clear();
    pending_space_ = false;
  }
  void flush_space() {
    if (pending_space_ && !line_.empty()) line_ += ' ';
    pending_space_ = false;
  }

  std::string out_, line_, prefix_, quote_;
  bool pending_space_ = false, blank_ = true;
};

// Walks a tree without recursion: pages choose their own depth.
class HtmlReader {
 public:
  HtmlReader(std::string base, bool with_links) : base_(std::move(base)), with_links_(with_links) {}

  PageText read(const GumboNode& root) {
    find_head(root);
    stack_.push_back({&root, false});
    while (!stack_.empty()) {
      const auto [node, leaving] = stack_.back();
      stack_.pop_back();
      leaving ? leave(*node) : enter(*node);
    }
    return {title_, writer_.take(), links_};
  }

 private:
  // <title> and <base> are wanted before the body is read.
  void find_head(const GumboNode& root) {
    std::vector<const GumboNode*> nodes = {&root};
    for (int seen = 0; !nodes.empty() && seen < 20000; ++seen) {
      const GumboNode* node = nodes.back();
      nodes.pop_back();
      if (node->type != GUMBO_NODE_ELEMENT) continue;
      const GumboElement& element = node->v.element;
      if (element.tag == GUMBO_TAG_TITLE && title_.empty()) title_ = collapsed(text_of(*node));
      if (element.tag == GUMBO_TAG_BASE) {
        if (const char* href = attribute(*node, "href")) {
          if (const std::string resolved = resolve_url(base_, href); !resolved.empty()) base_ = resolved;
        }
      }
      for (unsigned i = element.children.length; i-- > 0;) {
        nodes.push_back(static_cast<const GumboNode*>(element.children.data[i]));
      }
    }
  }

  // Visible text below a node; an image counts with its alt text.
  static std::string text_of(const GumboNode& top) {
    std::string out;
    std::vector<const GumboNode*> nodes = {&top};
    while (!nodes.empty()) {
      const GumboNode* node = nodes.back();
      nodes.pop_back();
      if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA) {
        out += node->v.text.text;
      }
      if (node->type != GUMBO_NODE_ELEMENT) continue;
      if (is_skipped(node->v.element.tag) || is_hidden(*node)) continue;
      if (node->v.element.tag == GUMBO_TAG_IMG) {
        if (const char* alt = attribute(*node, "alt")) out += alt;
      }
      for (unsigned i = node->v.element.children.length; i-- > 0;) {
        nodes.push_back(static_cast<const GumboNode*>(node->v.element.children.data[i]));
      }
    }
    return out;
  }

  void enter(const GumboNode& node) {
    if (node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE || node.type == GUMBO_NODE_CDATA) {
      const std::string text = neutral(node.v.text.text);
      pre_ > 0 ? writer_.verbatim(text) : writer_.inline_text(text);
      return;
    }
    if (node.type != GUMBO_NODE_ELEMENT) return;
    const GumboElement& element = node.v.element;
    if (is_skipped(element.tag) || is_hidden(node)) return;
    if (element.tag == GUMBO_TAG_A && link(node)) return;
    open(node);
    stack_.push_back({&node, true});
    for (unsigned i = element.children.length; i-- > 0;) {
      stack_.push_back({static_cast<const GumboNode*>(element.children.data[i]), false});
    }
  }

  void open(const GumboNode& node) {
    const GumboTag tag = node.v.element.tag;
    if (const int level = heading_level(tag)) {
      writer_.blank_line();
      writer_.prefix_next_line(std::string(static_cast<std::size_t>(level), '#') + " ");
    } else if (tag == GUMBO_TAG_LI) {
      open_item();
    } else if (tag == GUMBO_TAG_BR) {
      pre_ > 0 ? writer_.verbatim("\n") : writer_.newline();
    } else if (tag == GUMBO_TAG_HR) {
      writer_.blank_line();
      writer_.raw("* * *");
      writer_.blank_line();
    } else if (tag == GUMBO_TAG_IMG) {
      image(node);
    } else if (tag == GUMBO_TAG_TR) {
      writer_.newline();
      cells_ = 0;
    } else if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
      if (cells_++ > 0) writer_.raw(" | ");
    } else if (tag == GUMBO_TAG_SUP) {
      writer_.raw("^{");
    } else if (tag == GUMBO_TAG_SUB) {
      writer_.raw("_{");
    } else if (tag == GUMBO_TAG_CODE && pre_ == 0) {
      writer_.raw("`");
    } else if (is_block(tag)) {
      tag == GUMBO_TAG_DIV || tag == GUMBO_TAG_DD ? writer_.newline() : writer_.blank_line();
      if (tag == GUMBO_TAG_PRE) ++pre_;
      if (tag == GUMBO_TAG_BLOCKQUOTE) writer_.quote(1);
      if (tag == GUMBO_TAG_UL) lists_.push_back(-1);
      if (tag == GUMBO_TAG_OL) {
        const char* start = attribute(node, "start");
        lists_.push_back(start == nullptr ? 1 : std::max(0, std::atoi(start)));
      }
    }
  }

  void leave(const GumboNode& node) {
    const GumboTag tag = node.v.element.tag;
    if (heading_level(tag) != 0) {
      writer_.blank_line();
    } else if (tag == GUMBO_TAG_LI || tag == GUMBO_TAG_TR) {
      writer_.newline();
    } else if (tag == GUMBO_TAG_SUP || tag == GUMBO_TAG_SUB) {
      writer_.raw("}");
    } else if (tag == GUMBO_TAG_CODE && pre_ == 0) {
      writer_.raw("`");
    } else if (is_block(tag)) {
      if (tag == GUMBO_TAG_PRE) --pre_;
      if (tag == GUMBO_TAG_BLOCKQUOTE) writer_.quote(-1);
      if ((tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL) && !lists_.empty()) lists_.pop_back();
      tag == GUMBO_TAG_DIV || tag == GUMBO_TAG_DD ? writer_.newline() : writer_.blank_line();
    }
  }

  void open_item() {
    writer_.newline();
    const std::size_t depth = std::min<std::size_t>(lists_.size(), 20);
    std::string prefix(2 * std::max<std::size_t>(depth, 1), ' ');
    if (lists_.empty() || lists_.back() < 0) {
      prefix += "* ";
    } else {
      prefix += std::to_string(lists_.back()++) + ". ";
    }
    writer_.prefix_next_line(prefix);
  }

  void image(const GumboNode& node) {
    const char* alt = attribute(node, "alt");
    if (alt == nullptr || *alt == '\0') alt = attribute(node, "title");
    std::string text = "[Image " + std::to_string(n_images_++);
    if (alt != nullptr && *alt != '\0') text += ": " + neutral(collapsed(alt));
    writer_.raw(text + "]");
  }

  // Whether the link was written as a marker; otherwise its contents are read as text.
  bool link(const GumboNode& node) {
    const char* href = attribute(node, "href");
    if (!with_links_ || href == nullptr || *href == '#') return false;
    const std::string url = resolve_url(base_, href);
    if (url.empty()) return false;
    std::string text = neutral(collapsed(text_of(node)));
    replace_all(text, "†", "‡");
    if (text.empty()) return true;
    const auto [known, added] = ids_.emplace(url, links_.size());
    if (added) links_.push_back(url);
    std::string marker = "【" + std::to_string(known->second) + "†" + text;
    if (const std::string host = host_of(url); host != host_of(base_)) marker += "†" + host;
    writer_.raw(marker + "】");
    return true;
  }

  struct Step {
    const GumboNode* node;
    bool leaving;
  };
  std::string base_;
  bool with_links_;
  std::vector<Step> stack_;
  Writer writer_;
  std::string title_;
  std::vector<std::string> links_;
  std::map<std::string, std::size_t> ids_;
  std::vector<int> lists_;  // next number; -1 = bullets
  int pre_ = 0, cells_ = 0, n_images_ = 0;
};

// How deep the tags nest, counted without parsing: an upper guess, since end tags may be left out.
bool nests_too_deep(std::string_view html) {
  static constexpr std::array<std::string_view, 20> kUnclosed = {
      "br", "img", "hr", "meta", "link", "input", "p",  "li", "td", "tr",
      "th", "dt",  "dd", "option", "source", "wbr", "col", "area", "base", "!--"};
  int depth = 0;
  for (std::size_t at = 0; (at = html.find('<', at)) != std::string_view::npos;) {
    ++at;
    if (at < html.size() && html[at] == '/') {
      depth = std::max(0, depth - 1);
      continue;
    }
    std::size_t end = at;
    while (end < html.size() && std::isalnum(static_cast<unsigned char>(html[end])) != 0) ++end;
    const std::string name = lower(html.substr(at, end - at));
    if (name.empty() || std::find(kUnclosed.begin(), kUnclosed.end(), name) != kUnclosed.end()) continue;
    if (++depth > kNestingMax) return true;
  }
  return false;
}

std::string without_tags(std::string_view html) {
  std::string out;
  bool tag = false;
  for (const char c : html) {
    if (c == '<') tag = true;
    if (!tag) out += c;
    if (c == '>') tag = false;
  }
  return collapsed(out);
}

PageText html_text(const Document& document, std::string_view source, bool with_links) {
  if (nests_too_deep(source)) return {document.title, neutral(without_tags(source)), {}};
  const std::unique_ptr<GumboOutput, void (*)(GumboOutput*)> parsed(
      gumbo_parse_with_options(&kGumboDefaultOptions, source.data(), source.size()),
      [](GumboOutput* output) { gumbo_destroy_output(&kGumboDefaultOptions, output); }
  );
  PageText page = HtmlReader(document.url, with_links).read(*parsed->root);
  if (!document.title.empty()) page.title = document.title;
  return page;
}

std::string first_heading(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (line.starts_with('#')) line.remove_prefix(1);
    if (const std::string title = collapsed(line.substr(0, 200)); !title.empty()) return title;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return "";
}

PageText read(const Document& document, bool with_links) {
  const std::string source = valid_utf8(std::string_view(document.source).substr(0, kSourceBytesMax));
  if (document.kind == DocumentKind::kHtml) return html_text(document, source, with_links);
  return {document.title.empty() ? first_heading(source) : document.title, neutral(source), {}};
}

}  // namespace

PageText page_text(const Document& document) { return read(document, /*with_links=*/true); }

std::string plain_text(const Document& document) { return read(document, /*with_links=*/false).text; }

std::string neutral(std::string_view text) {
  std::string out(text);
  replace_all(out, "【", "〖");
  replace_all(out, "】", "〗");
  replace_all(out, "◼", "◾");
  replace_all(out, "\u200B", "");
  return out;
}

std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  const std::string_view rest = url.substr(scheme + 3);
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t user = host.rfind('@'); user != std::string_view::npos) host.remove_prefix(user + 1);
  return lower(host);
}

std::string resolve_url(std::string_view base, std::string_view reference) {
  while (!reference.empty() && is_blank(reference.front())) reference.remove_prefix(1);
  while (!reference.empty() && is_blank(reference.back())) reference.remove_suffix(1);
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) return "";
  const std::size_t colon = reference.find(':');
  const std::size_t slash = reference.find_first_of("/?");
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon < slash)) {
    const std::string scheme = lower(reference.substr(0, colon));
    const bool known = scheme == "http" || scheme == "https" || scheme == "file";
    return known ? std::string(reference) : "";
  }
  const std::size_t authority = base.find("://");
  if (authority == std::string_view::npos) return "";
  if (reference.starts_with("//")) return std::string(base.substr(0, authority + 1)) + std::string(reference);
  const std::size_t path = std::min(base.find('/', authority + 3), base.size());
  const std::string origin(base.substr(0, path));
  std::string target;
  if (reference.starts_with('/')) {
    target = reference;
  } else {
    const std::string_view old = base.substr(path, base.find_first_of("?#", path) - path);
    target = reference.starts_with('?') ? std::string(old) : std::string(old.substr(0, old.rfind('/') + 1));
    if (target.empty()) target = "/";
    target += reference;
  }
  // "." and ".." segments, as RFC 3986 section 5.2.4 removes them.
  const std::size_t query = std::min(target.find('?'), target.size());
  std::vector<std::string> segments;
  std::string_view left = std::string_view(target).substr(0, query);
  bool folder = false;
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view segment = left.substr(0, left.find('/'));
    left.remove_prefix(segment.size());
    folder = segment == "." || segment == ".." || segment.empty();
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.emplace_back(segment);
    }
  }
  std::string out = origin;
  for (const std::string& segment : segments) out += "/" + segment;
  if (folder || segments.empty()) out += "/";
  return out + target.substr(query);
}

}  // namespace toccata::tools
