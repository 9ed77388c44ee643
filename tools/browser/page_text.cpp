#include "tools/browser/page_text.h"

#include <algorithm>
#include <map>

#include "tools/browser/html_node.h"
#include "tools/browser/html_tree.h"
#include "tools/browser/main_content.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kSourceBytesMax = std::size_t{16} << 20;

// "2" of x<sup>2</sup>: word characters and hyphens alone. Anything else, as a note mark [1], is plain text.
bool is_plain_script(const GumboNode& node) {
  const GumboVector& children = node.v.element.children;
  if (children.length != 1) return false;
  const auto* child = static_cast<const GumboNode*>(children.data[0]);
  if (child->type != GUMBO_NODE_TEXT) return false;
  const std::string_view text = child->v.text.text;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c >= 0x80;
  });
}

// Papers are read where they are HTML.
std::string readable_mirror(const std::string& url) {
  const std::string host = host_of(url);
  if (host != "arxiv.org" && host != "www.arxiv.org") return url;
  return "https://ar5iv.org" + url.substr(std::min(url.size(), url.find("://") + 3 + host.size()));
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

// Where the contents of a script or style that opened before `at` end.
std::size_t end_of_raw(std::string_view html, std::size_t at, const std::string& name) {
  while ((at = html.find("</", at)) != std::string_view::npos) {
    if (lower_ascii(html.substr(at + 2, name.size())) == name) return at + 2;
    at += 2;
  }
  return html.size();
}

std::string without_tags(std::string_view html) {
  std::string out;
  for (std::size_t at = 0; at < html.size();) {
    const std::size_t open = std::min(html.find('<', at), html.size());
    out += html.substr(at, open - at);
    const std::string name = lower_ascii(html.substr(open, 7));
    at = open;
    if (name.starts_with("<script")) at = end_of_raw(html, open, "script");
    if (name.starts_with("<style")) at = end_of_raw(html, open, "style");
    at = at < html.size() ? html.find('>', at) : at;
    at = at == std::string_view::npos ? html.size() : at + 1;
    out += ' ';
  }
  return collapsed(out);
}

// Walks a tree without recursion: pages choose their own depth.
class HtmlReader {
 public:
  HtmlReader(std::string base, bool with_links, const MainContent* main)
      : base_(std::move(base)), with_links_(with_links), main_(main) {}

  PageText read(const GumboNode& root) {
    find_head(root);
    stack_.push_back({&root, false});
    while (!stack_.empty()) {
      const auto [node, leaving] = stack_.back();
      stack_.pop_back();
      leaving ? leave(*node) : enter(*node);
    }
    return {title_, writer_.take(), links_, false};
  }

 private:
  // <title> and <base> are wanted before the body is read.
  void find_head(const GumboNode& root) {
    std::vector<const GumboNode*> nodes = {&root};
    bool have_base = false;
    for (int seen = 0; !nodes.empty() && seen < 20000; ++seen) {
      const GumboNode* node = nodes.back();
      nodes.pop_back();
      if (node->type != GUMBO_NODE_ELEMENT) continue;
      const GumboElement& element = node->v.element;
      const bool html = element.tag_namespace == GUMBO_NAMESPACE_HTML;  // SVG drawings have titles too
      if (html && element.tag == GUMBO_TAG_TITLE && title_.empty()) title_ = collapsed(plain_spaces(neutral(text_of(*node))));
      const char* href = element.tag == GUMBO_TAG_BASE && !have_base ? attribute(*node, "href") : nullptr;
      if (href != nullptr) {
        if (const std::string resolved = resolve_url(base_, href); !resolved.empty()) base_ = resolved;
        have_base = true;  // the first one counts
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
      const GumboTag tag = node->v.element.tag;
      if (tag == GUMBO_TAG_IMG) {
        if (const char* alt = attribute(*node, "alt")) out += alt;
      }
      if (is_block(tag) || heading_level(tag) != 0 || tag == GUMBO_TAG_BR || tag == GUMBO_TAG_LI) out += ' ';
      for (unsigned i = node->v.element.children.length; i-- > 0;) {
        nodes.push_back(static_cast<const GumboNode*>(node->v.element.children.data[i]));
      }
    }
    return out;
  }

  void enter(const GumboNode& node) {
    if (node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE || node.type == GUMBO_NODE_CDATA) {
      std::string text = neutral(node.v.text.text);
      pre_ > 0 ? writer_.verbatim(text) : writer_.inline_text(plain_spaces(std::move(text)));
      return;
    }
    if (node.type != GUMBO_NODE_ELEMENT) return;
    const GumboElement& element = node.v.element;
    if (main_ != nullptr && main_->left_out.contains(&node)) return;
    const bool shown = main_ != nullptr && main_->shown.contains(&node);
    if ((is_skipped(element.tag) || is_hidden(node)) && !shown) return;
    if (element.tag == GUMBO_TAG_A && !shown && link(node)) return;
    if (element.tag == GUMBO_TAG_FRAME) return frame(node);
    if (element.tag == GUMBO_TAG_NOFRAMES) {  // markup that the parser leaves as text
      writer_.blank_line();
      writer_.inline_text(neutral(without_tags(text_of(node))));
      return writer_.blank_line();
    }
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
    } else if (tag == GUMBO_TAG_SUP || tag == GUMBO_TAG_SUB) {
      if (is_plain_script(node)) writer_.raw(tag == GUMBO_TAG_SUP ? "^{" : "_{");
    } else if (tag == GUMBO_TAG_CODE && pre_ == 0) {
      writer_.raw("`");
    } else if (is_block(tag)) {
      tag == GUMBO_TAG_DIV || tag == GUMBO_TAG_DD ? writer_.newline() : writer_.blank_line();
      if (tag == GUMBO_TAG_PRE) ++pre_;
      if (tag == GUMBO_TAG_BLOCKQUOTE) writer_.quote(1);
      if (tag == GUMBO_TAG_UL) lists_.push_back(-1);
      if (tag == GUMBO_TAG_OL) {
        const char* start = attribute(node, "start");
        const bool number = start != nullptr && *start >= '0' && *start <= '9';
        lists_.push_back(number ? std::min(std::atoi(start), 1'000'000) : 1);
      }
    }
  }

  void leave(const GumboNode& node) {
    const GumboTag tag = node.v.element.tag;
    if (heading_level(tag) != 0) {
      writer_.prefix_next_line("");  // of an empty heading
      writer_.blank_line();
    } else if (tag == GUMBO_TAG_LI || tag == GUMBO_TAG_TR) {
      writer_.prefix_next_line("");
      writer_.newline();
    } else if (tag == GUMBO_TAG_SUP || tag == GUMBO_TAG_SUB) {
      if (is_plain_script(node)) writer_.raw("}");
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

  // The parts of a page of frames are pages of their own.
  void frame(const GumboNode& node) {
    const char* source = attribute(node, "src");
    if (source == nullptr || !with_links_) return;
    const char* name = attribute(node, "title") != nullptr ? attribute(node, "title") : attribute(node, "name");
    const std::string label = collapsed(neutral_label(std::string("Frame ") + (name == nullptr ? source : name)));
    writer_.newline();
    if (const std::string url = resolve_url(base_, source); !url.empty()) marker(url, label);
    writer_.newline();
  }

  // Whether the link was written as a marker; otherwise its contents are read as text.
  bool link(const GumboNode& node) {
    const char* href = attribute(node, "href");
    if (!with_links_ || href == nullptr || *href == '#') return false;
    const std::string url = resolve_url(base_, href);
    if (url.empty()) return false;
    const std::string text = collapsed(plain_spaces(neutral_label(text_of(node))));
    if (text.empty()) return true;
    marker(url, text);
    return true;
  }

  void marker(const std::string& url, const std::string& label) {
    const std::string target = readable_mirror(url);
    const auto [known, added] = ids_.emplace(target, links_.size());
    if (added) links_.push_back(target);
    std::string text = "【" + std::to_string(known->second) + "†" + label;
    if (const std::string host = host_of(url); host != host_of(base_)) text += "†" + neutral_label(host);
    writer_.raw(text + "】");
  }

  struct Step {
    const GumboNode* node;
    bool leaving;
  };
  std::string base_;
  bool with_links_;
  const MainContent* main_;  // null: the whole page
  std::vector<Step> stack_;
  Writer writer_;
  std::string title_;
  std::vector<std::string> links_;
  std::map<std::string, std::size_t> ids_;
  std::vector<int> lists_;  // next number; -1 = bullets
  int pre_ = 0, cells_ = 0, n_images_ = 0;
};

PageText html_text(const Document& document, std::string_view source, bool with_links, PageScope scope) {
  HtmlTree tree;
  if (!tree.parse(source)) return {collapsed(neutral(document.title)), neutral(without_tags(source)), {}, false};
  MainContent main;
  if (scope == PageScope::kMain) main = find_main_content(tree.root());
  PageText page = HtmlReader(document.url, with_links, scope == PageScope::kMain ? &main : nullptr).read(tree.root());
  page.shortened = main.chars_left_out > 0;
  if (!document.title.empty()) page.title = collapsed(neutral(document.title));
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

PageText read(const Document& document, bool with_links, PageScope scope) {
  std::string_view bytes = document.source;
  if (bytes.starts_with("\uFEFF")) bytes.remove_prefix(3);
  const std::string source = valid_utf8(bytes.substr(0, kSourceBytesMax));
  if (document.kind == DocumentKind::kHtml) return html_text(document, source, with_links, scope);
  const std::string title = document.title.empty() ? first_heading(source) : document.title;
  std::string text = neutral(source);
  std::erase(text, '\r');
  return {collapsed(neutral(title)), std::move(text), {}, false};
}

}  // namespace

Result<PageScope> page_scope(std::string_view name) {
  if (name == "whole") return PageScope::kWhole;
  if (name == "main") return PageScope::kMain;
  return Error{ErrorCode::kInvalidArgument, "page text is '" + std::string(name) + "', expected whole or main"};
}

PageText page_text(const Document& document, PageScope scope) { return read(document, /*with_links=*/true, scope); }

PageText plain_page(const Document& document) { return read(document, /*with_links=*/false, PageScope::kWhole); }

}  // namespace toccata::tools
