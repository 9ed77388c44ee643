#include "core/hub/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<HubFile> files(const std::vector<std::string>& paths) {
  std::vector<HubFile> all;
  for (const std::string& path : paths) all.push_back({path});
  return all;
}

std::vector<std::string> chosen(const std::vector<std::string>& paths, const Selection& selection) {
  std::vector<std::string> names;
  for (const HubFile& file : select_files(files(paths), selection).value_or_throw()) names.push_back(file.path);
  return names;
}

std::string refusal(const std::vector<std::string>& paths, const Selection& selection) {
  const auto result = select_files(files(paths), selection);
  return result ? "" : result.error().message;
}

const std::vector<std::string> kRepository = {
    ".gitattributes", "LICENSE", "README.md", "chat_template.jinja", "config.json", "metal/model.bin",
    "model-00000-of-00001.safetensors", "original/config.json", "original/model.safetensors", "tokenizer.json"};

const std::vector<std::string> kGguf = {
    "README.md", "m-F16.gguf", "m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf"};

TEST(SelectionTest, TheDefaultIsWhatTheEngineReads) {
  EXPECT_THAT(
      chosen(kRepository, {}),
      ElementsAre("LICENSE", "chat_template.jinja", "config.json", "model-00000-of-00001.safetensors", "tokenizer.json")
  );
}

TEST(SelectionTest, OriginalIncludeAndExclude) {
  EXPECT_THAT(chosen(kRepository, {.original = true}), ElementsAre("original/config.json", "original/model.safetensors"));
  EXPECT_THAT(chosen(kRepository, {.include = {"*.json"}, .exclude = {"original/"}}), ElementsAre("config.json", "tokenizer.json"));
  EXPECT_THAT(refusal(kRepository, {.include = {"*.gguf"}}), HasSubstr("tokenizer.json"));
  EXPECT_THAT(refusal(kRepository, {.exclude = {"*"}}), HasSubstr("not excluded"));
}

TEST(SelectionTest, AllPartsOfOneGgufModel) {
  EXPECT_THAT(
      chosen(kGguf, {.gguf = "q4_k"}), ElementsAre("m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf")
  );
  EXPECT_THAT(chosen(kGguf, {.gguf = "*F16*"}), ElementsAre("m-F16.gguf"));
  EXPECT_THAT(refusal(kGguf, {.gguf = ""}), HasSubstr("m-F16.gguf, m-Q4_K_M.gguf"));
  EXPECT_THAT(refusal(kGguf, {}), HasSubstr("2 GGUF models"));
  EXPECT_THAT(refusal(kGguf, {.gguf = "Q9"}), HasSubstr("fits 'Q9'"));
}

TEST(SelectionTest, AmongGgufModelsTheOneInTheTrainedFormatIsTheDefault) {
  EXPECT_THAT(chosen({"m-Q8_0.gguf", "m-mxfp4.gguf"}, {}), ElementsAre("m-mxfp4.gguf"));
}

TEST(SelectionTest, ARepositoryWithoutAModelIsRefused) {
  EXPECT_THAT(refusal({"README.md", "config.json"}, {}), HasSubstr("a model"));
  EXPECT_THAT(refusal({}, {}), HasSubstr("it has none"));
}

}  // namespace
}  // namespace toccata::hub
