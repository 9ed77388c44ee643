#include <gtest/gtest.h>

#include <thread>

#include "core/tokenizer/byte_pair.h"
#include "core/tokenizer/splitter.h"
#include "tests/core/tokenizer/golden.h"
#include "tests/core/tokenizer/random_text.h"

namespace toccata::tokenizer {
namespace {

class O200kHarmonyTest : public testing::Test {
 protected:
  const std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::o200k_harmony();
};

TEST_F(O200kHarmonyTest, EncodesTheGoldenTextsAsTiktokenDoes) {
  expect_golden(*tokenizer_, read_golden("golden.jsonl"));
}

TEST_F(O200kHarmonyTest, KnowsTheIdsThatHarmonyUses) {
  EXPECT_EQ(tokenizer_->encode("assistant"), Tokens{173781});
  EXPECT_EQ(tokenizer_->encode("commentary"), (Tokens{12606, 815}));
  EXPECT_EQ(tokenizer_->encode(" to="), (Tokens{316, 28}));
  EXPECT_EQ(tokenizer_->special_id("<|startoftext|>"), 199998);
  EXPECT_EQ(tokenizer_->special_id("<|endoftext|>"), 199999);
  EXPECT_EQ(tokenizer_->special_id("<|return|>"), 200002);
  EXPECT_EQ(tokenizer_->special_id("<|constrain|>"), 200003);
  EXPECT_EQ(tokenizer_->special_id("<|channel|>"), 200005);
  EXPECT_EQ(tokenizer_->special_id("<|start|>"), 200006);
  EXPECT_EQ(tokenizer_->special_id("<|end|>"), 200007);
  EXPECT_EQ(tokenizer_->special_id("<|message|>"), 200008);
  EXPECT_EQ(tokenizer_->special_id("<|call|>"), 200012);
  EXPECT_EQ(tokenizer_->special_id("<|refusal|>"), std::nullopt);
  EXPECT_EQ(tokenizer_->special_id("start"), std::nullopt);
}

TEST_F(O200kHarmonyTest, EndsWithTheRowsOfTheEmbedding) {
  EXPECT_EQ(tokenizer_->n_vocab(), 201088);
  EXPECT_EQ(tokenizer_->token_bytes(201087), "<|reserved_201087|>");
  EXPECT_EQ(tokenizer_->special_id("<|reserved_201087|>"), 201087);
  EXPECT_EQ(tokenizer_->token_bytes(201088), std::nullopt);
  EXPECT_EQ(tokenizer_->special_id("<|reserved_201088|>"), std::nullopt);
  EXPECT_EQ(tokenizer_->token_bytes(-1), std::nullopt);
  for (Token token = 0; token < 201088; ++token) {
    ASSERT_TRUE(tokenizer_->token_bytes(token)) << token;
    ASSERT_EQ(tokenizer_->is_special(token), token >= 199998) << token;
  }
  EXPECT_FALSE(tokenizer_->is_special(-1));
  EXPECT_FALSE(tokenizer_->is_special(201088));
}

TEST_F(O200kHarmonyTest, GivesBothNamesOf200018ItsId) {
  EXPECT_EQ(tokenizer_->special_id("<|endofprompt|>"), 200018);
  EXPECT_EQ(tokenizer_->special_id("<|reserved_200018|>"), 200018);
  EXPECT_EQ(tokenizer_->encode("<|reserved_200018|>", Specials::kAll), Tokens{200018});
  EXPECT_EQ(*tokenizer_->decode_bytes(Tokens{200018}), "<|endofprompt|>");
  EXPECT_EQ(tokenizer_->specials().size(), 1091U);
}

TEST_F(O200kHarmonyTest, NeverMakesSpecialsOfTextUnlessAsked) {
  RandomText random(1);
  for (const auto& [spelling, id] : tokenizer_->specials()) {
    const std::string text = random.next(5) + spelling + random.next(5);
    for (const Token token : tokenizer_->encode(text)) EXPECT_FALSE(tokenizer_->is_special(token));
    const Tokens all = tokenizer_->encode(text, Specials::kAll);
    EXPECT_EQ(std::count(all.begin(), all.end(), id), 1);
  }
}

TEST_F(O200kHarmonyTest, EncodesAByteThatIsNotUtf8AsThatByte) {
  const auto byte = [&](const char* text) { return tokenizer_->encode(text).at(0); };
  // A cut-off character, an overlong slash, a surrogate, a lone continuation.
  EXPECT_EQ(tokenizer_->encode("a\xE4\xBA"), (Tokens{byte("a"), byte("\xE4"), byte("\xBA")}));
  EXPECT_EQ(tokenizer_->encode("\xC0\xAF"), (Tokens{byte("\xC0"), byte("\xAF")}));
  EXPECT_EQ(tokenizer_->encode("\xED\xA0\x80"), (Tokens{byte("\xED"), byte("\xA0"), byte("\x80")}));
  EXPECT_EQ(tokenizer_->encode("hello\x80 world"), (Tokens{24912, byte("\x80"), 2375}));
  // White space before it stays together, as at the end of a text.
  EXPECT_EQ(tokenizer_->encode("   \xFF"), (Tokens{271, byte("\xFF")}));
}

TEST_F(O200kHarmonyTest, AnyBytesComeBack) {
  RandomText random(2);
  for (int i = 0; i < 500; ++i) {
    const std::string bytes = random.bytes(200);
    const std::string text = random.next(200) + bytes + random.next(50);
    EXPECT_EQ(*tokenizer_->decode_bytes(tokenizer_->encode(text)), text);
  }
}

TEST_F(O200kHarmonyTest, AppendsToWhatIsThere) {
  Tokens tokens = {1, 2};
  tokenizer_->encode_into("hello world", Specials::kNone, tokens);
  EXPECT_EQ(tokens, (Tokens{1, 2, 24912, 2375}));
}

TEST_F(O200kHarmonyTest, NamesTheUnknownIdWhenDecoding) {
  const auto decoded = tokenizer_->decode_bytes(Tokens{24912, 201088});
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(decoded.error().message.find("201088"), std::string::npos);
}

TEST_F(O200kHarmonyTest, IsOneForAllThreads) {
  std::vector<std::jthread> threads;
  std::vector<Tokens> results(4);
  for (Tokens& result : results) {
    threads.emplace_back([&result] {
      for (int i = 0; i < 100; ++i) result = Tokenizer::o200k_harmony()->encode("hello world");
    });
  }
  threads.clear();
  for (const Tokens& result : results) EXPECT_EQ(result, (Tokens{24912, 2375}));
  EXPECT_EQ(Tokenizer::o200k_harmony(), tokenizer_);
}

// After a megabyte of pieces that are no tokens the tokenizer goes another way.
TEST_F(O200kHarmonyTest, EncodesManyUnknownPiecesByTheDefinition) {
  RandomText random(4);
  std::string text;
  while (text.size() < 1 << 20) {
    text += random.next(30);
    text += ' ' + random.letters(24);
  }
  std::string blob;
  std::vector<std::uint32_t> lengths;
  std::vector<Token> ordinary;
  for (Token token = 0; token < 199998; ++token) {
    blob += *tokenizer_->token_bytes(token);
    lengths.push_back(static_cast<std::uint32_t>(tokenizer_->token_bytes(token)->size()));
    ordinary.push_back(token);
  }
  Vocabulary vocabulary(std::move(blob), lengths);
  vocabulary.index(ordinary);
  const BytePairEncoder by_merging(std::move(vocabulary));
  Tokens merged;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = o200k_piece(rest);
    by_merging.encode(rest.substr(0, length), merged);
    rest.remove_prefix(length);
  }
  EXPECT_EQ(tokenizer_->encode(text), merged);
  EXPECT_EQ(tokenizer_->encode(text), merged) << "again, with the last of it remembered";
  expect_golden(*tokenizer_, read_golden("golden.jsonl"));
}

// Quadratic merging would take hours on each of these.
TEST_F(O200kHarmonyTest, MergesAMegabyteWithoutABorder) {
  const auto count = [&](const std::string& text) { return tokenizer_->encode(text).size(); };
  constexpr std::size_t kSize = std::size_t{1} << 20;
  EXPECT_EQ(count(std::string(kSize, 'a')), kSize / 8);
  EXPECT_EQ(count(std::string(kSize, ' ')), kSize / 128);
  EXPECT_EQ(count(std::string(kSize, '=')), kSize / 64);
  RandomText random(3);
  std::string letters(kSize, ' ');
  for (char& c : letters) c = static_cast<char>('a' + random.below(26));
  EXPECT_EQ(*tokenizer_->decode_bytes(tokenizer_->encode(letters)), letters);
}

}  // namespace
}  // namespace toccata::tokenizer
