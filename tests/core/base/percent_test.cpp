#include "core/base/percent.h"

#include <gtest/gtest.h>

namespace toccata {
namespace {

TEST(Percent, EncodesAllButTheUnreservedCharacters) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("/a b?&=#%\n"), "%2Fa%20b%3F%26%3D%23%25%0A");
  EXPECT_EQ(percent_encoded("/Gr\xC3\xB6\xC3\x9F" "e", "/"), "/Gr%C3%B6%C3%9Fe");
  EXPECT_EQ(percent_encoded(std::string(1, '\0')), "%00");
}

TEST(Percent, DecodesWhatIsEncodedAndLeavesTheRest) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
  EXPECT_EQ(percent_decoded("%2f%2F"), "//");
  EXPECT_EQ(percent_decoded("%2525"), "%25") << "once";
  for (const char* text : {"%", "%2", "%g0", "%0g", "100%", "a%%b"}) EXPECT_EQ(percent_decoded(text), text);
}

TEST(Percent, KnowsHexadecimalDigitsAlone) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string_view digits = "0123456789abcdef";
    const auto at = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    EXPECT_EQ(hex_value(c), at == std::string_view::npos ? -1 : static_cast<int>(at)) << byte;
  }
}

}  // namespace
}  // namespace toccata
