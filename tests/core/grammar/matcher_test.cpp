#include "core/base/json.h"
#include "core/grammar/matcher.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/grammar/schema.h"
#include "tests/core/grammar/walk.h"

namespace toccata::grammar {
namespace {

const tokenizer::Tokenizer& o200k() { return *tokenizer::Tokenizer::o200k_harmony(); }
std::shared_ptr<const TokenTrie> trie() {
  static const auto shared = TokenTrie::make(o200k());
  return shared;
}
std::shared_ptr<const Grammar> grammar_of(std::string_view schema) {
  const CompiledSchema compiled = compile_schema_text(schema);
  const auto* error = std::get_if<SchemaError>(&compiled);
  EXPECT_EQ(nullptr, error) << (error != nullptr ? error->text() : "");
  return std::get<0>(compiled);
}

// Schemas whose states take every way a mask can be made.
const std::vector<const char*> kSchemas = {
    "{}",
    R"({"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}, "required": ["city"], "additionalProperties": false})",
    R"({"type": "object", "properties": {"a": {"type": "string", "maxLength": 12, "minLength": 3}, "ab": {"type": "string", "maxLength": 100000}}, "required": ["a"]})",
    R"({"type": "array", "items": {"anyOf": [{"type": "string", "pattern": "^https?://"}, {"type": "string", "format": "date-time"}, {"type": "number"}]}, "maxItems": 4})",
    R"({"type": "object", "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": {"type": "null"}, "maxProperties": 3})",
};

TEST(MatcherTest, AMaskBitIsSetExactlyWhenAcceptTakesTheToken) {
  std::mt19937_64 random(3);
  for (const char* schema : kSchemas) {
    Matcher matcher(grammar_of(schema), trie());
    for (int state = 0; state < 14; ++state) {
      const TokenMask mask = matcher.mask();
      std::vector<Token> allowed;
      for (Token token = 0; token < o200k().n_vocab(); ++token) {
        const bool bit = has_token(mask, token);
        ASSERT_EQ(bit, matcher.allows(token)) << schema << " token " << token << " '" << trie()->bytes(token) << "'";
        if (bit) allowed.push_back(token);
      }
      if (allowed.empty()) break;
      ASSERT_TRUE(matcher.accept(allowed[random() % allowed.size()]));
    }
  }
}

TEST(MatcherTest, RollbackRestoresMaskAndEnd) {
  std::mt19937_64 random(5);
  for (const char* schema : kSchemas) {
    Matcher matcher(grammar_of(schema), trie());
    walk(matcher, random, Draw::kBigram, 3, 3);
    const TokenMask before = matcher.mask();
    const bool end = matcher.at_end();
    const int n = matcher.n_accepted();
    walk(matcher, random, Draw::kUniform, 5, 5);
    matcher.rollback(matcher.n_accepted() - n);
    EXPECT_EQ(before, matcher.mask());
    EXPECT_EQ(end, matcher.at_end());
  }
}

TEST(MatcherTest, WalksNeverMeetADeadEndAndParse) {
  std::mt19937_64 random(9);
  for (const char* schema : kSchemas) {
    Matcher matcher(grammar_of(schema), trie());
    for (int i = 0; i < 8; ++i) {
      const Walk one = walk(matcher, random, i % 2 == 0 ? Draw::kUniform : Draw::kBigram, 25, 600, {"\"city\":", "\"a\":"});
      EXPECT_FALSE(one.empty_mask) << schema << " after " << one.text;
      EXPECT_TRUE(one.finished) << schema << " after " << one.text;
      EXPECT_TRUE(is_json(one.text)) << one.text;
      matcher.rollback(matcher.n_accepted());
    }
  }
}

TEST(MatcherTest, ControlTokensAreNeverAllowedAndTextCannotForgeThem) {
  Matcher matcher(grammar_of(R"({"type": "string"})"), trie());
  ASSERT_TRUE(matcher.accept_text("\""));
  const TokenMask& mask = matcher.mask();
  for (const auto& [spelling, id] : o200k().specials()) EXPECT_FALSE(has_token(mask, id)) << spelling;
  for (const Token token : o200k().encode("<|call|>\"")) EXPECT_TRUE(matcher.accept(token));
  EXPECT_TRUE(matcher.at_end());
}

TEST(MatcherTest, ForcedTextIsWhatMustCome) {
  Matcher matcher(
      grammar_of(R"({"type": "object", "properties": {"location": {"const": "Paris"}}, "required": ["location"], "additionalProperties": false})"),
      trie()
  );
  ASSERT_TRUE(matcher.accept_text("{\"location\":\"P"));
  EXPECT_EQ("aris\"", matcher.forced_text());
  // An escape that stands for another character is a choice, one that stands for this one is none.
  for (const auto& [schema, begin, forced] : std::vector<std::array<std::string, 3>>{
           {R"({"enum": ["a\nb", "ab"]})", "\"a", ""},
           {R"({"enum": ["a\nb", "a\tb"]})", "\"a", "\\"},
           {R"({"enum": ["a\u0001b", "acb"]})", "\"a", ""},
           {R"({"enum": ["a", "a\"b"]})", "\"a", ""},
           {R"({"enum": ["a/b"]})", "\"a", "/b\""},
           {R"({"enum": ["a\\b"]})", "\"a", "\\"},
           {R"({"enum": ["aéb"]})", "\"a", ""}}) {
    Matcher one(grammar_of(schema), trie());
    ASSERT_TRUE(one.accept_text(begin)) << schema;
    EXPECT_EQ(forced, one.forced_text()) << schema;
  }
  Matcher text(*Grammar::from_literals({"abc!", "abd!"}), trie());
  EXPECT_EQ("ab", text.forced_text());
  ASSERT_TRUE(text.accept_text("abc"));
  EXPECT_EQ("!", text.forced_text());
}

TEST(MatcherTest, RegexGrammarsMatchWholeTexts) {
  Matcher matcher(*Grammar::from_regex("(yes|no)!*"), trie());
  EXPECT_FALSE(matcher.at_end());
  for (const Token token : o200k().encode("yes!!")) EXPECT_TRUE(matcher.accept(token));
  EXPECT_TRUE(matcher.at_end());
  EXPECT_FALSE(matcher.accept_text("?"));
}

}  // namespace
}  // namespace toccata::grammar
