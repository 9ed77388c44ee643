// Pages as the browser tool shows them: numbered lines of 80 columns, a window of about a thousand tokens.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools {

struct Snippet {
  std::string text;
  int line = 0;
};

struct Page {
  std::string url;  // "" for search results
  std::string title;
  std::vector<std::string> lines;  // wrapped
  std::vector<std::string> links;  // id -> URL
  std::map<int, Snippet> snippets;  // link id -> where on the page it leads; of find results
  bool is_results = false;          // of a search or a find: find is not allowed on it
  std::shared_ptr<const Page> whole = {};     // set where this is the main content of a page that has more
  std::shared_ptr<const Page> searched = {};  // the page that find looked through, where its url alone would not say
};

// How much of `text` its first n tokens cover, in characters; more than it has when it has no more than n tokens.
// Each token counts what it decodes to by itself, so a character of several tokens counts more than once: the window
// the models were trained with is measured so. Tools do not know the tokenizer; whoever builds the tool does.
using TokenPrefix = std::function<std::size_t(std::string_view text, std::size_t n_tokens)>;

// Wraps text into the lines of a page, which opens with an empty line and "URL: ...".
std::vector<std::string> page_lines(const std::string& url, const std::string& text);
// The same without that opening.
std::vector<std::string> text_lines(const std::string& text);

// The page from line `loc`, `n_lines` of it or, when n_lines <= 0, what fits the token window.
// Requires 0 <= loc < number of lines.
std::string show_page(const Page& page, int cursor, int loc, int n_lines, const TokenPrefix& prefix);

// The lines with link markers replaced by their text, also those that go over several lines; what find compares and shows.
std::vector<std::string> without_markers(const std::vector<std::string>& lines);

}  // namespace toccata::tools
