#include "tools/index/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tools/browser/text.h"
#include "tools/index/passage.h"
#include "tools/index/postings.h"

namespace toccata::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> words(std::string_view text, WordUse use = WordUse::kQuery) {
  std::vector<std::string> out;
  for_each_word(text, use, [&](std::string_view word, std::size_t, std::size_t) { out.emplace_back(word); });
  return out;
}

TEST(WordsTest, AreLettersAndDigitsInLowerCaseWithoutAccents) {
  EXPECT_THAT(words("Crème brûlée, NAÏVE; x86-64 (v1.2)!"), ElementsAre("creme", "brulee", "naive", "x86", "64", "v1", "2"));
  EXPECT_THAT(words("ΑΘΗΝΑ Ёлка ﬁle Ｆｕｌｌ１２ straße"), ElementsAre("αθηνα", "елка", "file", "full12", "strasse"));
  EXPECT_THAT(words("the king's men’s dogs' don't"), ElementsAre("the", "king", "men", "dogs", "don", "t"));
  EXPECT_THAT(words("हिन्दी में"), ElementsAre("हिन्दी", "में")) << "vowel signs stay";
}

TEST(WordsTest, NamesOfProgramsAreTheirPartsToo) {
  EXPECT_THAT(words("readFile"), ElementsAre("readfile", "read", "file"));
  EXPECT_THAT(words("read_file()"), ElementsAre("readfile", "read", "file"));
  EXPECT_THAT(words("HTTPServer2"), ElementsAre("httpserver2", "http", "server2"));
  EXPECT_THAT(words("MAX_PATH __init__ a_ NASA"), ElementsAre("maxpath", "max", "path", "init", "a", "nasa"));
}

TEST(WordsTest, ScriptsWithoutBlanksArePairs) {
  EXPECT_THAT(words("東京都 a"), ElementsAre("東京", "京都", "a"));
  EXPECT_THAT(words("水"), ElementsAre("水"));
  EXPECT_THAT(words("水b火"), ElementsAre("水", "b", "火"));
  EXPECT_THAT(words("東京", WordUse::kIndex), ElementsAre("東", "京", "東京"));
  EXPECT_THAT(words("ﾃｽﾄ"), ElementsAre("テス", "スト")) << "half width";
  EXPECT_THAT(words("한국어"), ElementsAre("한국", "국어"));
  EXPECT_THAT(words("ไทย"), ElementsAre("ไท", "ทย"));
}

TEST(WordsTest, SayWhereTheyStand) {
  const std::string text = "¿Où est_il? 東京都";
  std::vector<std::string> found;
  for_each_word(text, WordUse::kQuery, [&](std::string_view, std::size_t begin, std::size_t end) { found.push_back(text.substr(begin, end - begin)); });
  EXPECT_THAT(found, ElementsAre("Où", "est_il", "est", "il", "東京", "京都"));
}

TEST(WordsTest, AnyBytesAreText) {
  EXPECT_THAT(words(std::string(65, 'x') + " ok " + std::string(64, 'y')), ElementsAre("ok", std::string(64, 'y')));
  EXPECT_THAT(words("a\xFF" "b\xE6\x9D c\xF0"), ElementsAre("a", "b", "c"));
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += static_cast<char>(random());
    for_each_word(text, WordUse::kIndex, [&](std::string_view word, std::size_t begin, std::size_t end) {
      ASSERT_LT(begin, end);
      ASSERT_LE(end, text.size());
      ASSERT_LE(word.size(), 64U);
    });
  }
}

// Examples of the paper's own steps.
TEST(StemTest, TakesEnglishEndingsOff) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"caresses", "caress"}, {"ponies", "poni"}, {"cats", "cat"}, {"feed", "feed"}, {"agreed", "agre"}, {"plastered", "plaster"},
      {"motoring", "motor"}, {"sing", "sing"}, {"conflated", "conflat"}, {"hopping", "hop"}, {"falling", "fall"}, {"filing", "file"},
      {"happy", "happi"}, {"sky", "sky"}, {"relational", "relat"}, {"conditional", "condit"}, {"digitizer", "digit"},
      {"vietnamization", "vietnam"}, {"formaliti", "formal"}, {"triplicate", "triplic"}, {"hopefulness", "hope"}, {"goodness", "good"},
      {"revival", "reviv"}, {"adjustment", "adjust"}, {"adoption", "adopt"}, {"effective", "effect"}, {"probate", "probat"},
      {"rate", "rate"}, {"cease", "ceas"}, {"controll", "control"}, {"roll", "roll"}, {"generalizations", "gener"}, {"oscillators", "oscil"},
      {"as", "as"}, {"naïve", "naïve"}, {"x86s", "x86s"}, {"東京", "東京"}};
  for (const auto& [word, wanted] : cases) EXPECT_EQ(stem(word), wanted) << word;
}

TEST(PostingsTest, ComeBackAsTheyWere) {
  PostingWriter writer;
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> list = {{0, 1}, {1, 7}, {2, 1}, {300, 2}, {70'000, 1}, {4'000'000'000, 999}};
  for (const auto& [document, count] : list) writer.add(document, count);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> back;
  EXPECT_TRUE(for_each_posting(writer.bytes(), 4'000'000'001, [&](std::uint32_t d, std::uint32_t c) { back.emplace_back(d, c); }));
  auto wanted = list;
  wanted.back().second = 255;
  EXPECT_EQ(back, wanted);
  EXPECT_EQ(writer.size(), 6U);
  EXPECT_FALSE(for_each_posting(writer.bytes(), 4'000'000'000, [](auto, auto) {})) << "a document that is not there";
}

TEST(PostingsTest, DamagedBytesAreSaidAndNeverLeadOutside) {
  std::mt19937 random(2);
  int n_bad = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (unsigned n = random() % 20; n > 0; --n) bytes += static_cast<char>(random());
    n_bad += !for_each_posting(bytes, 1000, [](std::uint32_t document, std::uint32_t) { ASSERT_LT(document, 1000U); });
  }
  EXPECT_GT(n_bad, 1000);
  EXPECT_FALSE(for_each_posting(std::string(12, '\x80'), 1000, [](auto, auto) {}));
}

TEST(PassageTest, IsWhereTheWordsStandTogether) {
  PassageFinder finder({{"red", 1}, {"car", 1}});
  const std::string apart = "red " + std::string(300, '.') + " a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d car";
  const std::string near = "the car was big and red";
  const std::string following = "A RED CAR";
  EXPECT_DOUBLE_EQ(finder.find(apart).score, 0.5);
  EXPECT_DOUBLE_EQ(finder.find(near).score, 1);
  EXPECT_DOUBLE_EQ(finder.find(following).score, 1.25);
  EXPECT_DOUBLE_EQ(finder.find("nothing of it").score, 0);
  const Passage passage = finder.find(apart + " ... " + following + " ... " + apart);
  EXPECT_EQ(passage.score, 1.25);
}

TEST(PassageTest, ASnippetIsCutBetweenWordsAndCharacters) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "wörter\n\nund ";
  text += "needle ";
  for (int i = 0; i < 200; ++i) text += "東京都";
  PassageFinder finder({{"needl", 1}});
  const std::string shown = snippet(text, finder.find(text));
  EXPECT_THAT(shown, ::testing::StartsWith("... "));
  EXPECT_THAT(shown, HasSubstr("wörter und needle 東京"));
  EXPECT_THAT(shown, ::testing::EndsWith(" ..."));
  EXPECT_EQ(valid_utf8(shown), shown);
  EXPECT_LT(shown.size(), 260U);
  EXPECT_EQ(snippet("short\ntext", {}), "short text");
  EXPECT_EQ(snippet("", {}), "");
}

}  // namespace
}  // namespace toccata::tools
