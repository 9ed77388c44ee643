// Citations of an answer: found however the text is cut, held against the page.
#include "agent/loop/citation_stream.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "agent/loop/events_json.h"
#include "agent/loop/shown_pages.h"
#include "core/base/json.h"
#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using testing::says_final;
using ::testing::ElementsAre;

constexpr const char* kPage =
    "[3] Salt (https://example.org/salt)\n**viewing lines [0 - 5] of 9**\n\n"
    "L0: \nL1: URL: https://example.org/salt\nL2: # Salt\nL3: The mine of 【4†Halle†halle.org】 opened in 1287\n"
    "L4: and gave work to 900 people.\nL5: 盐矿位于哈雷市附近。";

ShownPages pages() {
  ShownPages shown;
  shown.show(kPage);
  shown.show("[4] salt\n**viewing lines [0 - 1] of 1**\n\nL0: # Search Results\nL1:   * 【0†Salt†example.org】 mine");
  return shown;
}

std::vector<CitationStream::Piece> pieces_of(std::string_view text, std::size_t step) {
  const ShownPages shown = pages();
  CitationStream stream(shown);
  std::vector<CitationStream::Piece> all;
  const auto take = [&](std::vector<CitationStream::Piece> more) {
    for (auto& piece : more) {
      const bool joins = !piece.citation && !all.empty() && !all.back().citation;
      if (joins) all.back().text += piece.text;
      if (!joins) all.push_back(std::move(piece));
    }
  };
  for (std::size_t at = 0; at < text.size(); at += step) take(stream.push(text.substr(at, step)));
  take(stream.finish());
  EXPECT_FALSE(stream.is_holding());
  return all;
}

// "text|<marker lines check>|text"
std::string told(std::string_view text, std::size_t step = 1000) {
  std::string out;
  for (const auto& piece : pieces_of(text, step)) {
    if (!piece.citation) {
      out += piece.text;
      continue;
    }
    out += "<";
    for (const LineSpan& span : piece.citation->lines) out += std::to_string(span.first) + "-" + std::to_string(span.last) + " ";
    out += std::string(to_string(piece.citation->check)) + ">";
  }
  return out;
}

TEST(Citation, IsReadInTheShapesModelsWrite) {
  const std::string claim = "The mine opened in 1287";
  for (const char* marker :
       {"【3†L3】", "【3†L3-L3】", "【3†L3-3】", "【3†L3–L3】", "【3†L3—L3】", "【 3 †L3 】", "[3†L3]", "【3†lines 3-3】", "【3†line 3】",
        "【3†Salt†L3】", "【3†L3†example.org】"}) {
    EXPECT_EQ(claim + "<3-3 ok>.", told(claim + marker + ".")) << marker;
  }
  EXPECT_EQ(claim + "<3-4 ok>", told(claim + "【3†L4-L3】"));
  EXPECT_EQ(claim + "<3-3 4-4 ok>", told(claim + "【3†L3, L4】"));
  EXPECT_EQ(claim + "<3-3 4-5 ok>", told(claim + "【3†L3;4-5】"));
  EXPECT_EQ(claim + "<ok>", told(claim + "【3】"));
  EXPECT_EQ(claim + "<ok>", told(claim + "【3†source】"));
  EXPECT_EQ(claim + "<3-3 ok><4-4 does not support>", told(claim + "【3†L3】【3†L4】"));
}

TEST(Citation, IsTextWhereItNamesNoPageThatCanBeOpened) {
  for (const char* text :
       {"【9†L3】", "【4†L1】", "【99999999999999999999†L3】", "[3]", "[3](https://example.org)", "【注】", "【3", "【3†", "【3†L3", "【", "[3†L3\n]",
        "【3†【", "a[", "【】", "†L3】", "【-1†L3】"}) {
    EXPECT_EQ(text, told(text));
  }
  const std::string endless = "【3†L3" + std::string(10'000, '3') + "】";
  EXPECT_EQ(endless, told(endless));
  EXPECT_EQ("【3†x 1287 mine<3-3 ok>", told("【3†x 1287 mine【3†L3】"));  // one that was never closed hides none
}

TEST(Citation, ComesOutTheSameHoweverTheTextIsCut) {
  const std::string text = "Die Mine (mine, 1287) 【3†L3-L4】 ist alt「あ」[2] 【注】 and 【3†L9】 [3†L4], 【9†L1】 end 【3†L";
  const auto whole = pieces_of(text, text.size());
  std::string joined;
  for (const auto& piece : whole) joined += piece.text;
  EXPECT_EQ(text, joined);
  EXPECT_EQ(3, std::count_if(whole.begin(), whole.end(), [](const auto& piece) { return piece.citation.has_value(); }));
  for (std::size_t step = 1; step < 12; ++step) {
    const auto cut = pieces_of(text, step);
    ASSERT_EQ(whole.size(), cut.size()) << step;
    for (std::size_t i = 0; i < cut.size(); ++i) {
      EXPECT_EQ(whole[i].text, cut[i].text) << step;
      EXPECT_EQ(whole[i].citation, cut[i].citation) << step;
    }
  }
}

TEST(Citation, HoldsBackNoMoreThanAMarker) {
  const ShownPages shown = pages();
  CitationStream stream(shown);
  std::size_t given = 0, taken = 0, most = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string_view piece = i == 0 ? "【3†" : "x";
    taken += piece.size();
    for (const auto& out : stream.push(piece)) given += out.text.size();
    most = std::max(most, taken - given);
  }
  EXPECT_LE(most, CitationStream::kMarkerBytesMax + 1);
  EXPECT_EQ(taken, given);
}

TEST(Citation, IsHeldAgainstTheLines) {
  EXPECT_EQ("It opened in 1287.<3-3 ok>", told("It opened in 1287.【3†L3】"));
  EXPECT_EQ("Bananas grow in Ecuador.<3-3 does not support>", told("Bananas grow in Ecuador.【3†L3】"));
  // Only the sentence before the marker is the claim.
  EXPECT_EQ("The mine opened in 1287. Bananas grow in Ecuador<3-3 does not support>", told("The mine opened in 1287. Bananas grow in Ecuador【3†L3】"));
  EXPECT_EQ("The mine opened in 1287<6-6 no such line>", told("The mine opened in 1287【3†L6】"));
  EXPECT_EQ("The mine opened in 1287<3-900000000 no such line>", told("The mine opened in 1287【3†L3-L900000000】"));
  EXPECT_EQ("该盐矿位于哈雷。<5-5 ok>", told("该盐矿位于哈雷。【3†L5】"));
  EXPECT_EQ("香蕉生长在厄瓜多尔。<5-5 does not support>", told("香蕉生长在厄瓜多尔。【3†L5】"));
  EXPECT_EQ("<3-3 ok>", told("【3†L3】"));  // no claim, nothing to object to
  EXPECT_TRUE(shares_words("ÉCOLES in Zürich", "die école von zürich"));
  EXPECT_EQ(" She stayed", last_sentence("He left (at 3.5 km/h)! She stayed.**"));
}

TEST(Citation, QuotesItsLinesWithoutLinkMarkers) {
  const auto found = pieces_of("ß opened 1287 【3†L3-L4】", 3)[1].citation;
  ASSERT_TRUE(found);
  EXPECT_EQ("The mine of Halle opened in 1287\nand gave work to 900 people.", found->quote);
  EXPECT_EQ("Salt", found->title);
  EXPECT_EQ("https://example.org/salt", found->url);
  EXPECT_EQ(14, found->start);  // in characters: ß is one
  EXPECT_EQ(23, found->end);
}

TEST(Citation, WhatNeverBecomesAMarkerIsNotHeldBack) {
  const ShownPages shown = pages();
  CitationStream stream(shown);
  std::size_t n_out = 0;
  for (const auto& piece : stream.push("a [" + std::string(10'000, ' '))) n_out += piece.text.size();
  EXPECT_GT(n_out, 9'000U);
  EXPECT_FALSE(stream.is_holding());
}

// A number costs no more than what stands behind it.
TEST(Citation, LinesFarApartAreFoundAndThoseBetweenAreNot) {
  ShownPages shown;
  for (int i = 0; i < 3000; ++i) {
    shown.show("[" + std::to_string(i) + "] T (https://example.org/)\n**viewing lines [0 - 1] of 9**\n\nL0: zero\nL2: a 【4†very\nL199999: far】 end\nL200000: beyond");
  }
  const auto page = shown.citable(7).value();
  ASSERT_EQ(200'000U, page.lines.size());
  EXPECT_EQ("zero", page.lines[0]);
  EXPECT_EQ("", page.lines[1]);
  EXPECT_EQ("a very", page.lines[2]);
  EXPECT_EQ("far end", page.lines[199'999]);
}

class CitingRunTest : public LoopTest {};

std::unique_ptr<testing::FakeTool> browser() {
  tools::ToolSpec spec;
  spec.name_space = "browser";
  spec.functions = {{"open", "", R"({"type":"object","properties":{}})"}};
  spec.placement = tools::Placement::kSystem;
  return std::make_unique<testing::FakeTool>(spec, testing::answering(kPage));
}

TEST_F(CitingRunTest, TellsOfEachCitationWithItsTextAndNotesTheWrongOnes) {
  add(browser());
  const std::string answer = "The mine opened in 1287【3†L3】. It has 【3†L77】 shafts.";
  script_texts({testing::calls("browser.open", "{}"), says_final(answer)});
  const RunOutcome outcome = run("How old?");
  EXPECT_EQ(answer, outcome.final);
  std::string streamed;
  std::vector<Citation> cited;
  for (const Event& event : events_) {
    const auto* delta = std::get_if<ItemDelta>(&event);
    if (delta == nullptr || delta->kind != ItemDelta::Kind::kFinal) continue;
    const bool half = delta->delta.find("【") != std::string::npos && delta->delta.find("】") == std::string::npos;
    EXPECT_FALSE(half) << delta->delta;
    streamed += delta->delta;
    cited.insert(cited.end(), delta->citations.begin(), delta->citations.end());
  }
  EXPECT_EQ(answer, streamed);
  const Item last = completed_items().back();
  EXPECT_EQ(cited, std::get<AgentMessageItem>(last.details).citations);
  const auto annotations = to_json(last)["annotations"];
  ASSERT_EQ(2, annotations.size());
  EXPECT_EQ(
      R"({"type":"url_citation","start_index":23,"end_index":29,"url":"https://example.org/salt","title":"Salt","cursor":3,"lines":[[3,3]],"quote":"The mine of Halle opened in 1287","checked":"ok"})",
      json_text(annotations[0])
  );
  EXPECT_EQ("no such line", annotations[1]["checked"]);
  std::vector<std::string> notes;
  for (const store::NoteRow& note : record().notes) {
    if (note.kind == "citation") notes.push_back(note.detail);
  }
  EXPECT_THAT(notes, ElementsAre("【3†L77】 at character 38, https://example.org/salt: no such line"));
}

// The tool that showed the page is gone with its process; the ledger has what it showed.
TEST_F(CitingRunTest, ResolvesWhatAnEarlierProcessRead) {
  add(browser());
  script({{.text = testing::calls("browser.open", "{}")}, {.text = "", .then = ScriptedCompletion::Then::kError, .error = "gone"}});
  run("How old?");
  const std::string id = agent_->run_id();
  agent_.reset();
  ledger_ = store::Ledger::open(path_).value_or_throw();
  model_ = testing::scripted_model(std::vector<std::string>{says_final("It opened in 1287【3†L3】.")});
  events_.clear();
  agent_.emplace(*model_, registry_, *ledger_, config_, [this](const Event& event) { events_.push_back(event); });
  const RunOutcome outcome = agent_->resume(id);
  ASSERT_EQ(0, outcome.exit_code) << outcome.message;
  EXPECT_EQ(1, std::get<AgentMessageItem>(completed_items().back().details).citations.size());
}

}  // namespace
}  // namespace toccata::agent
