// Citations in an answer: 【3†L4-L6】 names lines of a page that the browser tool has shown under cursor 3.
//
//   CitationStream stream(pages);
//   for (const auto& piece : stream.push(delta)) show(piece.text, piece.citation);
//   for (const auto& piece : stream.finish()) show(piece.text, piece.citation);
//
// The pieces put together are the text as it was written: a reader that shows a link in place of a marker does so itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/loop/citation.h"
#include "tools/citable_pages.h"

namespace toccata::agent {

// Finds markers in a text that comes in pieces of whole characters. One text, one thread; `pages` must outlive it.
//
// Read are 【3†L4】, 【3†L4-L6】 and what models make of them: other dashes, "L4-6", several spans, a title before or
// behind the lines, no lines at all, square brackets. A marker whose cursor shows no page that can be opened is text.
class CitationStream {
 public:
  // No marker is longer: an unfinished one of this length is text after all.
  static constexpr std::size_t kMarkerBytesMax = 240;

  struct Piece {
    std::string text;
    std::optional<Citation> citation;  // `text` is then its marker
  };

  explicit CitationStream(const tools::CitablePages& pages) : pages_(pages) {}
  // What can be shown now; what may be the beginning of a marker is held back.
  std::vector<Piece> push(std::string_view delta);
  // The text has ended: what was held back.
  std::vector<Piece> finish();
  bool is_holding() const { return !held_.empty(); }

 private:
  void take(bool at_end, std::vector<Piece>& out);
  void say(std::string_view text, std::vector<Piece>& out);
  std::optional<Citation> resolve(std::string_view marker) const;

  const tools::CitablePages& pages_;
  std::string held_;
  std::string before_;        // the last of the text, without markers: where the sentence before a marker stands
  std::int64_t n_chars_ = 0;  // given out
};

// Whether `cited` (lines of a page) has words of `claim`. A claim without words of its own is not objected to.
bool shares_words(std::string_view claim, std::string_view cited);

// The last sentence of a text.
std::string_view last_sentence(std::string_view text);

// In characters.
std::int64_t count_code_points(std::string_view text);

}  // namespace toccata::agent
