#include "core/hub/names.h"

#include <gtest/gtest.h>

namespace toccata::hub {
namespace {

TEST(NamesTest, ShortNamesStandForOpenAisRepositories) {
  EXPECT_EQ(*repo_of("20b"), "openai/gpt-oss-20b");
  EXPECT_EQ(*repo_of("gpt-oss-120b"), "openai/gpt-oss-120b");
  EXPECT_EQ(*repo_of("ggml-org/gpt-oss-20b-GGUF"), "ggml-org/gpt-oss-20b-GGUF");
  EXPECT_EQ(gguf_repo_of("openai/gpt-oss-20b"), "ggml-org/gpt-oss-20b-GGUF");
  EXPECT_EQ(gguf_repo_of("unsloth/gpt-oss-20b-GGUF"), std::nullopt);
}

TEST(NamesTest, WhatIsNoRepositoryIsRefused) {
  for (const char* name : {"", "21b", "a/b/c", "../x", "a/..", "a/.hidden", "a b/c", "a--b/c", "/etc", "a/", "/b", "a/b?c"}) {
    const auto repo = repo_of(name);
    ASSERT_FALSE(repo) << name;
    EXPECT_EQ(repo.error().code, ErrorCode::kInvalidArgument) << name;
  }
}

TEST(NamesTest, PathsThatLeadOutAreRefused) {
  const std::string long_part(201, 'a');
  for (const std::string& path :
       {std::string(), std::string("/a"), std::string(".."), std::string("a/../b"), std::string("a//b"), std::string("a/"),
        std::string("./a"), std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), long_part}) {
    EXPECT_TRUE(defect_of_path(path)) << path;
  }
  for (const char* path : {"a", "a/b.c", ".gitattributes", "..a", "a..", "original/model--00001-of-00007.safetensors", "\xc3\xa9"}) {
    EXPECT_FALSE(defect_of_path(path)) << path;
  }
}

TEST(NamesTest, UrlsAreEncoded) {
  EXPECT_EQ(encode_path("a b/c#d?%"), "a%20b/c%23d%3F%25");
  EXPECT_EQ(encode_component("refs/pr/1"), "refs%2Fpr%2F1");
}

}  // namespace
}  // namespace toccata::hub
