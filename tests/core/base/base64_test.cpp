#include "core/base/base64.h"

#include <gtest/gtest.h>

namespace toccata {
namespace {

TEST(Base64, BytesSurviveAndBrokenTextsDoNot) {
  for (const std::string text : {"", "a", "ab", "abc", "Hello", "\xff\x01"}) EXPECT_EQ(text, from_base64(base64(text)));
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(all, from_base64(base64(all)));
  EXPECT_EQ("SGVsbG8=", base64("Hello"));
  EXPECT_EQ("+/+/", base64("\xfb\xff\xbf"));
  EXPECT_EQ("-_-_", base64url("\xfb\xff\xbf"));
  EXPECT_EQ("SGVsbG8", base64url("Hello"));
  for (const char* broken : {"SGVsbG8", "SGVs!!!bG8=", "SGVs bG8", "=", "====", "SG=s", "SGVs\n", "SGVsbG-_"}) {
    EXPECT_EQ(std::nullopt, from_base64(broken)) << broken;
  }
}

}  // namespace
}  // namespace toccata
