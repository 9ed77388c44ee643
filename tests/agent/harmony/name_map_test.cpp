#include "agent/harmony/name_map.h"

#include <gtest/gtest.h>

namespace toccata::harmony {
namespace {

TEST(NameMapTest, IdentifiersLookLikeTheName) {
  EXPECT_EQ(identifier("get-weather"), "get_weather");
  EXPECT_EQ(identifier("a b.c"), "a_b_c");
  EXPECT_EQ(identifier("2fa!"), "_2fa");
  EXPECT_EQ(identifier("größe"), "gre");
  EXPECT_EQ(identifier("日本"), "tool");
}

TEST(NameMapTest, Shape50HyphensComeBackAsTheModelNeverSawThem) {
  NameMap names;
  EXPECT_EQ(names.add("functions.get-weather"), "functions.get_weather");
  EXPECT_EQ(names.add("functions.get_weather"), "functions.get_weather_2");
  EXPECT_EQ(names.add("functions.get-weather"), "functions.get_weather");
  EXPECT_EQ(names.add("python"), "python");
  EXPECT_EQ(names.original("functions.get_weather"), "functions.get-weather");
  EXPECT_EQ(names.original("functions.get_weather_2"), "functions.get_weather");
  EXPECT_EQ(names.shown("functions.get-weather"), "functions.get_weather");
  EXPECT_EQ(names.original("functions.other"), std::nullopt);
  EXPECT_EQ(names.all_shown(), (std::vector<std::string>{"functions.get_weather", "functions.get_weather_2", "python"}));
}

}  // namespace
}  // namespace toccata::harmony
