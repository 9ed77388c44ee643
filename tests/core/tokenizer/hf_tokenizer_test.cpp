#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "tests/core/tokenizer/golden.h"
#include "tests/core/tokenizer/random_text.h"

namespace toccata::tokenizer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// 340 tokens of the licence text trained with Hugging Face `tokenizers`, four phrases that are one token each,
// and three control tokens; split by nano's pattern.
constexpr char kTiny[] = TOCCATA_SOURCE_DIR "/tests/core/tokenizer/tiny_tokenizer.json";

json tiny() { return json_from_valid<json>(*read_text_file(kTiny)); }

std::shared_ptr<const Tokenizer> load(const json& file) {
  auto tokenizer = Tokenizer::from_hf_json(json_text(file));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer;
}

// The refusal of a changed file.
Error refusal(const json& file) {
  const auto tokenizer = Tokenizer::from_hf_json(json_text(file));
  EXPECT_FALSE(tokenizer);
  return tokenizer ? Error{} : tokenizer.error();
}
void expect_unsupported(const json& file, const std::string& named) {
  const Error error = refusal(file);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported) << error.message;
  EXPECT_THAT(error.message, HasSubstr(named));
}
void expect_corrupt(const json& file, const std::string& named) {
  const Error error = refusal(file);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt) << error.message;
  EXPECT_THAT(error.message, HasSubstr(named));
}

TEST(HfTokenizerTest, EncodesTheGoldenTextsAsHuggingFaceDoes) {
  const auto tokenizer = Tokenizer::from_hf_file(kTiny).value_or_throw();
  expect_golden(*tokenizer, read_golden("tiny_golden.jsonl"));
  EXPECT_EQ(tokenizer->n_vocab(), 348);
  EXPECT_EQ(tokenizer->special_id("<|start|>"), 345);
  EXPECT_TRUE(tokenizer->is_special(345));
}

TEST(HfTokenizerTest, FindsPhrasesInEveryTextAndControlTokensOnRequest) {
  const auto tokenizer = load(tiny());
  const std::string text = "x<|end|># Tools\n\n";
  EXPECT_EQ(tokenizer->encode(text, Specials::kAll), (Tokens{87, 347, 342}));
  const Tokens none = tokenizer->encode(text);
  EXPECT_EQ(none.back(), 342);
  EXPECT_EQ(std::count(none.begin(), none.end(), 347), 0);
  EXPECT_FALSE(tokenizer->is_special(342));
  EXPECT_EQ(tokenizer->special_id("# Tools\n\n"), std::nullopt);
}

// Merging by pair and merging by rank are two methods; a list in another order than the ids forces the first.
TEST(HfTokenizerTest, FollowsTheListOfMergesAndNotTheIds) {
  json file = tiny();
  auto& vocab = file["model"]["vocab"];
  const auto merges =
      file["model"]["merges"].get<std::vector<std::pair<std::string, std::string>>>();
  std::map<Token, Token> renamed;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const Token old_id = 256 + static_cast<Token>(i);
    const Token new_id = 256 + static_cast<Token>(merges.size() - 1 - i);
    ASSERT_EQ(vocab.at(merges[i].first + merges[i].second), old_id);
    vocab[merges[i].first + merges[i].second] = new_id;
    renamed[old_id] = new_id;
  }
  const auto original = load(tiny());
  const auto tokenizer = load(file);
  RandomText random(7);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random.next(80) + "the licensed software" + random.next(80);
    Tokens expected = original->encode(text);
    for (Token& token : expected) {
      if (renamed.contains(token)) token = renamed[token];
    }
    EXPECT_EQ(tokenizer->encode(text), expected) << text;
  }
}

TEST(HfTokenizerTest, ReadsMergesAsPairsOrAsText) {
  json file = tiny();
  for (json& merge : file["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  expect_golden(*load(file), read_golden("tiny_golden.jsonl"));
}

TEST(HfTokenizerTest, TakesKnownPiecesWholeWhenMergesAreIgnored) {
  json file = tiny();
  file["model"]["vocab"]["qqq"] = 348;
  EXPECT_EQ(load(file)->encode("qqq").size(), 3U);
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(load(file)->encode("qqq"), Tokens{348});
}

TEST(HfTokenizerTest, LetsAnAddedTokenShareTheIdOfAByte) {
  json file = tiny();
  const Token id = file["model"]["vocab"]["#"];
  file["added_tokens"].push_back({{"id", id}, {"content", "#"}, {"special", false}});
  EXPECT_EQ(load(file)->encode("a##b"), (Tokens{64, id, id, 65}));
  file["added_tokens"].push_back({{"id", id}, {"content", "##"}, {"special", false}});
  expect_corrupt(file, "##");
}

TEST(HfTokenizerTest, SplitsByO200ksPatternToo) {
  json file = tiny();
  file["model"]["vocab"]["Ġqq"] = 348;
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(
      load(file)->encode(" qq"), (Tokens{220, 80, 80})
  );  // nano's pattern cuts after the space
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  EXPECT_EQ(load(file)->encode(" qq"), Tokens{348});
}

TEST(HfTokenizerTest, NamesThePartItDoesNotHandle) {
  const auto changed = [](const char* pointer, const json& value) {
    json file = tiny();
    file[json::json_pointer(pointer)] = value;
    return file;
  };
  expect_unsupported(changed("/model/type", "Unigram"), "Unigram");
  expect_unsupported(changed("/model/dropout", 0.1), "dropout");
  expect_unsupported(changed("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix");
  expect_unsupported(changed("/normalizer", {{"type", "NFC"}}), "NFC");
  expect_unsupported(changed("/pre_tokenizer", {{"type", "Metaspace"}}), "Metaspace");
  expect_unsupported(changed("/pre_tokenizer", nullptr), "pre-tokenizer");
  expect_unsupported(changed("/pre_tokenizer/pretokenizers/0/pattern/Regex", R"(\w+)"), R"(`\w+`)");
  expect_unsupported(changed("/pre_tokenizer/pretokenizers/0/behavior", "Removed"), "Isolated");
  expect_unsupported(changed("/pre_tokenizer/pretokenizers/1/use_regex", true), "use_regex");
  expect_unsupported(changed("/added_tokens/0/lstrip", true), "lstrip");
}

TEST(HfTokenizerTest, NamesWhatIsBroken) {
  json file = tiny();
  file["model"]["vocab"].erase("a");
  EXPECT_EQ(refusal(file).code, ErrorCode::kCorrupt);  // a merge uses it
  file = tiny();
  file["model"]["vocab"].erase("ÿ");
  expect_unsupported(file, "255 single-byte tokens");
  file = tiny();
  file["model"]["vocab"]["zz"] = 300;
  expect_corrupt(file, "300");
  file["model"]["vocab"]["zz"] = std::int64_t{1} << 40;
  expect_corrupt(file, "zz");
  file["model"]["vocab"]["zz"] = -1;
  expect_corrupt(file, "zz");
  file = tiny();
  file["model"]["merges"].push_back({"the", "nothing"});
  expect_corrupt(file, "the");
  file["model"]["merges"] = 5;
  expect_corrupt(file, "merges");
  file = tiny();
  file["model"]["vocab"]["<|start|>"] = 400;
  expect_corrupt(file, "<|start|>");
  expect_corrupt(json::array(), "model");
}

TEST(HfTokenizerTest, SurvivesDamagedFiles) {
  const std::string text = json_text(tiny());
  RandomText random(8);
  for (int i = 0; i < 200; ++i) {
    std::string damaged = text;
    for (int j = 0; j < 3; ++j)
      damaged[random.below(damaged.size())] = "\"{}[],:0a"[random.below(9)];
    damaged.resize(i % 2 == 0 ? damaged.size() : random.below(damaged.size()));
    const auto tokenizer = Tokenizer::from_hf_json(damaged);
    if (!tokenizer) continue;
    EXPECT_EQ(*(*tokenizer)->decode_bytes((*tokenizer)->encode("a b")), "a b");
  }
}

TEST(HfTokenizerTest, SaysWhichFileIsNotThere) {
  const auto tokenizer = Tokenizer::from_hf_file("/nowhere/tokenizer.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("/nowhere/tokenizer.json"));
}

}  // namespace
}  // namespace toccata::tokenizer
