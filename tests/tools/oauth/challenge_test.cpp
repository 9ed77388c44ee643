#include "tools/oauth/challenge.h"

#include <gtest/gtest.h>

#include <random>

namespace toccata::tools::oauth {
namespace {

using Parameters = std::map<std::string, std::string>;

TEST(Challenges, AreReadAsServersWriteThem) {
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"realm", "a, b"}, {"scope", "x y"}, {"resource_metadata", "https://s/.well-known/r"}}}}),
            parse_challenges(R"(Bearer realm="a, b", scope="x y",resource_metadata="https://s/.well-known/r")"));
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"error", "insufficient_scope"}, {"scope", "a"}}}}),
            parse_challenges("BEARER Error=insufficient_scope , ,  SCOPE = \"a\" ,"));
  EXPECT_EQ((std::vector<Challenge>{{"basic", {{"realm", R"(say "hi")"}}}, {"bearer", {{"scope", "m"}}}, {"negotiate"}}),
            parse_challenges(R"(Basic realm="say \"hi\"", Bearer scope=m, Negotiate)"));
  EXPECT_EQ((std::vector<Challenge>{{"negotiate", {}, "YII=="}, {"dpop", {{"algs", "ES256 RS256"}}}}),
            parse_challenges(R"(Negotiate YII==, DPoP algs="ES256 RS256")"));
  EXPECT_EQ((std::vector<Challenge>{{"bearer"}}), parse_challenges("Bearer"));
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"a", "1"}}}}), parse_challenges("Bearer a=1, a=2")) << "the first of two";
}

TEST(Challenges, EndAtTheFirstThingThatIsNone) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges(" , ,\t").empty());
  EXPECT_TRUE(parse_challenges("\"Bearer\"").empty());
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"a", "1"}}}}), parse_challenges("Bearer a=1, b=\"open"));
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"a", "1"}}}}), parse_challenges("Bearer a=1, \x01 b=2"));
  EXPECT_EQ((std::vector<Challenge>{{"bearer", {{"a", "1"}}}}), parse_challenges("Bearer a=1, b=, c=3"));
}

TEST(Challenges, OfSeveralHeadersTheBearerOneCounts) {
  EXPECT_EQ("x", bearer_challenge({"Basic realm=a", "Digest b=c, Bearer scope=x"}).parameter("scope"));
  EXPECT_EQ(Challenge{}, bearer_challenge({"Basic realm=a"}));
  EXPECT_EQ("", bearer_challenge({"Bearer"}).parameter("scope"));
}

TEST(Challenges, AreBounded) {
  std::string many = "Bearer ";
  for (int i = 0; i < 1000; ++i) many += "p" + std::to_string(i) + "=1,";
  const auto challenges = parse_challenges(many);
  ASSERT_EQ(1U, challenges.size());
  EXPECT_EQ(32U, challenges[0].parameters.size());
  std::string schemes;
  for (int i = 0; i < 1000; ++i) schemes += "S" + std::to_string(i) + ",";
  EXPECT_EQ(16U, parse_challenges(schemes).size());
  EXPECT_EQ(1U, parse_challenges("Bearer a=\"" + std::string(1 << 20, 'x') + "\"").size());
}

// Any bytes give a list whose parts stand in the text; what is cut off at its end never reads beyond it.
TEST(Challenges, AnyBytesGiveAList) {
  std::mt19937 random(7);
  const std::string alphabet = "Bearer=\"\\, \t\x01\xffscope-/+.AZ09";
  const std::string sound = R"(Bearer realm="a\"b", scope="x y", Negotiate abc==, Basic realm=z)";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    if (round % 2 == 0) {
      for (std::size_t n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    } else {
      text = sound.substr(0, random() % sound.size());
      for (int n = 0; n < 3 && !text.empty(); ++n) text[random() % text.size()] = static_cast<char>(random());
    }
    for (const Challenge& challenge : parse_challenges(text)) {
      ASSERT_FALSE(challenge.scheme.empty());
      for (const auto& [name, value] : challenge.parameters) {
        ASSERT_FALSE(name.empty());
        ASSERT_LE(value.size(), text.size());
      }
      ASSERT_TRUE(challenge.token68.empty() || text.find(challenge.token68) != std::string::npos);
    }
  }
}

TEST(Scopes, AreThoseOfTheText) {
  using Scopes = std::vector<std::string>;
  EXPECT_EQ((Scopes{"a", "b:c"}), parse_scopes("  a b:c  a "));
  EXPECT_EQ((Scopes{"ok"}), parse_scopes("q\"uote back\\slash \x01 ok \xc3\xa9"));
  EXPECT_TRUE(parse_scopes("").empty());
  std::string many;
  for (int i = 0; i < 200; ++i) many += "s" + std::to_string(i) + " ";
  EXPECT_EQ(64U, parse_scopes(many).size());
  EXPECT_EQ("a b", join_scopes(with_scopes({"a"}, {"a", "b"})));
  EXPECT_TRUE(has_scopes({"a", "b"}, {"b"}));
  EXPECT_FALSE(has_scopes({"a"}, {"a", "b"}));
}

}  // namespace
}  // namespace toccata::tools::oauth
