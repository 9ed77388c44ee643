#include "core/base/image_type.h"

#include <gtest/gtest.h>

namespace toccata {
namespace {

TEST(ImageType, IsToldByTheFirstBytes) {
  EXPECT_EQ("image/png", image_type("\x89PNG\r\n\x1a\nrest"));
  EXPECT_EQ("image/jpeg", image_type("\xff\xd8\xff\xe0rest"));
  EXPECT_EQ("image/gif", image_type("GIF89a"));
  EXPECT_EQ("image/webp", image_type(std::string("RIFF\0\0\0\0WEBPVP8", 15)));
  for (const char* other : {"", "RIFF", "GIF", "\x89PNG", "<svg xmlns=", "<html>"}) EXPECT_EQ("", image_type(other)) << other;
}

}  // namespace
}  // namespace toccata
