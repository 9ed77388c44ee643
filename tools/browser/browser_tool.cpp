#include "tools/browser/browser_tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"
#include "core/base/percent.h"
#include "prompts/prompts.h"
#include "tools/browser/document_archive.h"
#include "tools/browser/local_index.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"

namespace toccata::tools {
namespace {

using nlohmann::ordered_json;

constexpr int kSearchResults = 20;  // what the reference asks its backends for, whatever topn says
constexpr int kFindHitsMax = 50;
constexpr int kFindLines = 4;
constexpr std::size_t kStrayClosersMax = 64;
constexpr std::size_t kReasonCharsMax = 1024;
constexpr std::size_t kPatternCharsMax = 1024;

// Words for the model; nothing was done.
struct ToolError {
  std::string text;
};

ToolSpec browser_spec() {
  const auto json = json_from_valid<ordered_json>(prompts::browser_tool_json());
  ToolSpec spec;
  spec.name_space = json["name"];
  spec.description = json["description"];
  spec.placement = Placement::kSystem;
  spec.effect = Effect::kPure;
  for (const ordered_json& tool : json["tools"]) {
    spec.functions.push_back({tool["name"], tool["description"], json_text(tool["parameters"])});
  }
  return spec;
}

// The first JSON value of a body; blanks and stray closers after it are forgiven.
ordered_json parse_body(const std::string& body) {
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return ordered_json::object();
  auto whole = json_from<ordered_json>(body);
  if (whole.is_string()) {  // the object written once more as a string
    auto inner = json_from<ordered_json>(whole.get<std::string>());
    if (inner.is_object()) return inner;
  }
  if (!whole.is_discarded()) return whole;
  // Only closers may be cut off, and only a few: each try reads the body again.
  const std::size_t end = body.find_last_not_of(" \t\r\n]}");
  if (end == std::string::npos || body.size() - end > kStrayClosersMax) return whole;
  for (std::size_t cut = body.size(); cut > end + 1; --cut) {
    whole = json_from<ordered_json>(body.substr(0, cut));
    if (!whole.is_discarded()) return whole;
  }
  return whole;
}

// What was asked for or went wrong, in words for the model: valid, neutral, bounded.
std::string for_model(std::string_view text) { return shortened(neutral(valid_utf8(text)), kReasonCharsMax); }

std::string json_error(const std::string& words) { return "{\"error\": " + json_text(ordered_json(words)) + "}"; }

// Of the web, or of an archive that somebody made of it.
bool is_of_strangers(const std::string& url) { return url.starts_with("http://") || url.starts_with("https://") || is_archived(url); }

// Files of this machine are the user's own. A list of hits is as good as the worst of them, and as private; of one
// without hits it counts who was asked.
Provenance provenance_of(const Page& page, bool asks_strangers) {
  if (page.url.empty()) {
    const auto n_strange = std::count_if(page.links.begin(), page.links.end(), is_of_strangers);
    const bool untrusted = page.links.empty() ? asks_strangers : n_strange > 0;
    return {untrusted, untrusted ? "search" : "", untrusted && n_strange < std::ssize(page.links)};
  }
  if (!is_of_strangers(page.url)) return {};
  if (is_archived(page.url)) return {true, "an archive"};
  const std::size_t host = page.url.find("://") + 3;
  return {true, page.url.substr(0, page.url.find_first_of("/?#", host))};
}

}  // namespace

// Arguments as models write them: numbers as text or with a point, unknown keys, null for "not given".
struct BrowserTool::Arguments {
  ordered_json json;

  const ordered_json* find(const char* key) const {
    const auto it = json.find(key);
    return it == json.end() || it->is_null() ? nullptr : &*it;
  }

  std::optional<std::string> text(const char* key) const {
    const ordered_json* value = find(key);
    if (value == nullptr) return std::nullopt;
    return value->is_string() ? value->get<std::string>() : json_text(*value);
  }

  bool is_true(const char* key) const {
    const ordered_json* value = find(key);
    return value != nullptr && (*value == true || *value == "true");
  }

  std::int64_t number(const char* key) const {
    const ordered_json* value = find(key);
    if (value == nullptr) return -1;
    if (const auto n = as_number(*value)) return *n;
    const char* type = value->is_string()    ? "str"
                       : value->is_boolean() ? "bool"
                       : value->is_number()  ? "float"
                       : value->is_array()   ? "list"
                                             : "dict";
    throw ToolError{std::string("`") + key + "` should be an integer, not `" + type + "`"};
  }

  static std::optional<std::int64_t> as_number(const ordered_json& value) {
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_number_float()) {
      const auto n = value.get<double>();
      if (n > -1e15 && n < 1e15 && n == static_cast<double>(static_cast<std::int64_t>(n))) {
        return static_cast<std::int64_t>(n);
      }
    }
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      const bool digits = !text.empty() && text.size() < 16 && text != "-" &&
                          text.find_first_not_of("0123456789", text[0] == '-') == std::string::npos;
      if (digits) return std::stoll(text);
    }
    return std::nullopt;
  }
};

BrowserTool::BrowserTool(std::unique_ptr<BrowserBackend> backend, TokenPrefix prefix, PageScope scope)
    : backend_(std::move(backend)), prefix_(std::move(prefix)), scope_(scope), spec_(browser_spec()) {
  spec_.reaches_out = !backend_->is_local();
}

ToolResult BrowserTool::call(const ToolCall& call, std::stop_token stop) {
  ToolResult result;
  result.author = call.recipient;
  backend_->begin_call(call.idempotency_key);
  const std::string function = call.recipient.substr(call.recipient.rfind('.') + 1);
  const bool known = function == "search" || function == "open" || function == "find";
  if (known) result.author = spec_.name_space + "." + function;
  try {
    const Arguments arguments{parse_body(call.arguments)};
    if (!arguments.json.is_object()) {
      result.author = call.recipient;
      throw ToolError{json_error("Invalid function arguments")};
    }
    if (function == "search") {
      result.content = search(arguments, stop);
    } else if (function == "open") {
      result.content = open(arguments, stop);
    } else if (function == "find") {
      result.content = find(arguments);
    } else {
      throw ToolError{json_error("Unknown function: " + valid_utf8(function))};
    }
  } catch (const ToolError& error) {
    result.status = ToolStatus::kFailed;
    result.content = error.text;
  }
  ordered_json metadata{{"pages", stack_.size()}};
  if (function == "search" && result.status == ToolStatus::kOk) metadata["sources"] = stack_.back()->links;
  result.metadata = json_text(metadata);
  if (result.status == ToolStatus::kOk) result.provenance = provenance_of(*stack_.back(), spec_.reaches_out);
  return result;
}

std::string BrowserTool::search(const Arguments& arguments, std::stop_token stop) {
  const auto query = arguments.text("query");
  if (!query) throw ToolError{"`query` is missing"};
  auto hits = backend_->search(*query, kSearchResults, stop);
  if (!hits) {
    throw ToolError{"Error during search for `" + for_model(*query) + "`: " + for_model(hits.error().message)};
  }
  auto page = std::make_shared<Page>();
  page->title = collapsed(neutral(*query));
  page->is_results = true;
  std::string text = "# Search Results\n";
  if (hits->empty()) text += "\nNo results.";
  std::map<std::string, std::size_t> ids;
  for (const SearchHit& hit : *hits) {
    const auto [id, added] = ids.emplace(hit.url, page->links.size());
    if (added) page->links.push_back(hit.url);
    const std::string summary = collapsed(neutral(valid_utf8(hit.summary)));
    const std::string title = collapsed(neutral_label(valid_utf8(hit.title.empty() ? hit.url : hit.title)));
    const std::string host = neutral_label(valid_utf8(host_of(hit.url)));
    text += "\n  * 【" + std::to_string(id->second) + "†" + title + "†" + (host.empty() ? "local" : host) + "】";
    if (!summary.empty()) text += " " + summary;
  }
  page->lines = page_lines("", text);
  return push(std::move(page), 0, -1);
}

std::string BrowserTool::open(const Arguments& arguments, std::stop_token stop) {
  const std::int64_t cursor = arguments.number("cursor");
  const std::int64_t loc = arguments.number("loc");
  const int n_lines = static_cast<int>(std::clamp<std::int64_t>(arguments.number("num_lines"), -1, 1'000'000));
  const ordered_json* id = arguments.find("id");
  const auto number = id == nullptr ? std::optional<std::int64_t>(-1) : Arguments::as_number(*id);

  std::shared_ptr<const Page> page;
  int start = 0;
  if (!number) {
    if (!id->is_string()) throw ToolError{"`id` should be a number or a URL"};
    page = load(id->get<std::string>(), /*anew=*/true, stop);
  } else if (*number < 0) {
    page = page_at(cursor);
  } else {
    const Page& from = *page_at(cursor);
    if (*number >= static_cast<std::int64_t>(from.links.size())) {
      throw ToolError{"Invalid link id `" + std::to_string(*number) + "`."};
    }
    page = from.searched != nullptr ? from.searched : load(from.links[static_cast<std::size_t>(*number)], /*anew=*/false, stop);
    if (const auto snippet = from.snippets.find(static_cast<int>(*number)); snippet != from.snippets.end()) {
      start = snippet->second.line > 4 ? snippet->second.line - 4 : snippet->second.line;
    }
  }
  if (arguments.is_true("view_source") && page->whole != nullptr) {
    page = page->whole;
    start = 0;  // a line of the shorter text
  }
  if (loc >= 0) {
    if (loc >= static_cast<std::int64_t>(page->lines.size())) {
      throw ToolError{
          "Invalid location parameter: `" + std::to_string(loc) + "`. Cannot exceed page maximum of " +
          std::to_string(page->lines.size() - 1) + "."};
    }
    start = static_cast<int>(loc);
  }
  return push(std::move(page), std::min(start, static_cast<int>(page->lines.size()) - 1), n_lines);
}

std::string BrowserTool::find(const Arguments& arguments) {
  auto pattern = arguments.text("pattern");
  if (pattern && count_chars(*pattern) > kPatternCharsMax) {
    throw ToolError{"`pattern` should have at most " + std::to_string(kPatternCharsMax) + " characters"};
  }
  if (!pattern) throw ToolError{"`pattern` is missing"};
  pattern = lower_unicode(*pattern);
  const std::shared_ptr<const Page> on = page_at(arguments.number("cursor"));
  const Page& page = *on;
  if (page.is_results) throw ToolError{"Cannot run `find` on search results page or find results page"};

  auto results = std::make_shared<Page>();
  results->url = page.url + "/find?pattern=" + percent_encoded(*pattern);
  results->title = "Find results for text: `" + collapsed(neutral(*pattern)) + "` in `" + page.title + "`";
  results->is_results = true;
  if (scope_ == PageScope::kMain) results->searched = on;  // its url may lead to the shorter or the whole page
  const std::string wanted = folded(*pattern);
  const std::vector<std::string> lines = without_markers(page.lines);
  std::string text;
  for (std::size_t i = 0; i < lines.size() && static_cast<int>(results->links.size()) < kFindHitsMax;) {
    if (folded(lines[i]).find(wanted) == std::string::npos) {
      ++i;
      continue;
    }
    const std::size_t end = std::min(lines.size(), i + kFindLines);
    const int link = static_cast<int>(results->links.size());
    text += (text.empty() ? "" : "\n\n") + ("# 【" + std::to_string(link)) + "†match at L" + std::to_string(i) + "】";
    std::string excerpt;
    for (std::size_t line = i; line < end; ++line) excerpt += "\n" + lines[line];
    text += excerpt;
    results->links.push_back(page.url);
    results->snippets[link] = {excerpt.substr(1), static_cast<int>(i)};
    i = end;
  }
  if (results->links.empty()) text = "No `find` results for pattern: `" + neutral(*pattern) + "`";
  results->lines = text_lines(text);
  return push(std::move(results), 0, -1);
}

const std::shared_ptr<const Page>& BrowserTool::page_at(std::int64_t cursor) const {
  if (stack_.empty()) throw ToolError{"No pages to access!"};
  if (cursor == -1) return stack_.back();
  if (cursor < 0 || cursor >= static_cast<std::int64_t>(stack_.size())) {
    throw ToolError{
        "Cursor `" + std::to_string(cursor) + "` is out of range. Available cursor indices: [0 - " +
        std::to_string(stack_.size() - 1) + "]."};
  }
  return stack_[static_cast<std::size_t>(cursor)];
}

std::shared_ptr<const Page> BrowserTool::load(const std::string& url, bool anew, std::stop_token stop) {
  const std::string target(without_fragment(url));
  if (const auto known = pages_.find(target); known != pages_.end() && !anew) return known->second;
  auto document = backend_->fetch(target, stop);
  if (!document) {
    throw ToolError{"Error fetching URL `" + for_model(url) + "`: " + for_model(document.error().message)};
  }
  const auto page_of = [&](PageText text) {
    auto page = std::make_shared<Page>();
    page->url = document->url;
    page->title = text.title.empty() ? host_of(url) : text.title;
    page->lines = page_lines(page->url, text.text);
    page->links = std::move(text.links);
    return page;
  };
  PageText text = page_text(*document, scope_);
  const bool shortened = text.shortened;
  const auto page = page_of(std::move(text));
  if (shortened) page->whole = page_of(page_text(*document));
  pages_[target] = page;
  pages_[page->url] = page;
  return page;
}

std::string BrowserTool::push(std::shared_ptr<const Page> page, int loc, int n_lines) {
  const int cursor = static_cast<int>(stack_.size());
  std::string shown = show_page(*page, cursor, loc, n_lines, prefix_);
  stack_.push_back(std::move(page));
  return shown;
}

std::optional<CitablePage> BrowserTool::citable(std::int64_t cursor) const {
  if (cursor < 0 || cursor >= static_cast<std::int64_t>(stack_.size())) return std::nullopt;
  const Page& page = *stack_[static_cast<std::size_t>(cursor)];
  // What find shows is cited as the page it was found on: its own address cannot be opened.
  const bool found = page.is_results && !page.url.empty() && !page.links.empty();
  return CitablePage{found ? page.links.front() : page.url, page.title, without_markers(page.lines)};
}

Result<std::unique_ptr<Tool>> open_local_browser(
    const std::filesystem::path& index, TokenPrefix prefix, PageScope scope
) {
  auto opened = LocalIndex::open(index, LocalIndex::Mode::kRead);
  if (!opened) return opened.error();
  return std::unique_ptr<Tool>(std::make_unique<BrowserTool>(std::move(*opened), std::move(prefix), scope));
}

}  // namespace toccata::tools
