// A broken checkpoint is refused with the tensor, the file, what was found and what was expected.
#include "core/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/model/safetensors.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using toccata::testing::TinyCheckpoint;

std::string refusal(TinyCheckpoint& checkpoint) {
  try {
    load_weights(checkpoint.files());
  } catch (const Exception& e) {
    return e.what();
  }
  return "loaded";
}

TEST(WeightsTest, AnIntactCheckpointLoadsInPlace) {
  TinyCheckpoint checkpoint;
  const auto files = checkpoint.files();
  const auto weights = load_weights(files);
  EXPECT_EQ(weights->layers.size(), 2U);
  const auto bytes = *files->read("model.safetensors");
  const auto* embedding = reinterpret_cast<const std::byte*>(weights->embedding.data());
  EXPECT_TRUE(embedding >= bytes.data() && embedding < bytes.data() + bytes.size()) << "a copy was made";
}

TEST(WeightsTest, AMissingTensorIsNamedWithItsExpectedShape) {
  TinyCheckpoint checkpoint;
  checkpoint.header().erase("model.layers.1.self_attn.sinks");
  EXPECT_THAT(refusal(checkpoint), AllOf(HasSubstr("model.layers.1.self_attn.sinks"), HasSubstr("[4] BF16")));
}

TEST(WeightsTest, AWrongShapeIsNamedWithBothShapes) {
  TinyCheckpoint checkpoint;
  checkpoint.header()["lm_head.weight"]["shape"] = {32, 50};
  EXPECT_THAT(
      refusal(checkpoint),
      AllOf(HasSubstr("lm_head.weight"), HasSubstr("[32, 50]"), HasSubstr("[50, 32]"), HasSubstr("tiny/model.safetensors"))
  );
}

TEST(WeightsTest, AWrongTypeIsNamed) {
  TinyCheckpoint checkpoint;
  auto& scales = checkpoint.header()["model.layers.0.mlp.experts.down_proj_scales"];
  scales["dtype"] = "BF16";
  scales["shape"] = {4, 32, 1};
  EXPECT_THAT(refusal(checkpoint), HasSubstr("down_proj_scales"));
}

TEST(WeightsTest, AScaleThatIsNotANumberIsRefused) {
  TinyCheckpoint checkpoint;
  const auto begin =
      checkpoint.header()["model.layers.0.mlp.experts.down_proj_scales"]["data_offsets"][0].get<std::size_t>();
  checkpoint.data()[begin + 3] = std::byte{255};
  EXPECT_THAT(refusal(checkpoint), AllOf(HasSubstr("down_proj"), HasSubstr("255")));
}

TEST(WeightsTest, UnpackedExpertsAreRefusedByName) {
  TinyCheckpoint checkpoint;
  auto& header = checkpoint.header();
  header["model.layers.0.mlp.experts.gate_up_proj"] = header["model.layers.0.mlp.experts.gate_up_proj_blocks"];
  header.erase("model.layers.0.mlp.experts.gate_up_proj_blocks");
  EXPECT_THAT(refusal(checkpoint), HasSubstr("unpacked experts"));
}

TEST(WeightsTest, ConfigurationsThatAreNotGptOssAreRefused) {
  for (const auto& [from, to, word] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"gpt_oss", "llama", "model_type"},
           {"\"num_hidden_layers\":2", "\"num_hidden_layers\":-2", "num_hidden_layers"},
           {"\"truncate\":false", "\"truncate\":true", "truncate"},
           {"yarn", "linear", "linear"},
           {"\"head_dim\":16", "\"head_dim\":\"x\"", "head_dim"},
           {"\"hidden_size\":32", "\"hidden_size\":33", "multiples of 32"},
           {"{\"model_type\"", "{", "config.json"}}) {
    TinyCheckpoint checkpoint;
    auto& config = checkpoint.config();
    config.replace(config.find(from), from.size(), to);
    EXPECT_THAT(refusal(checkpoint), HasSubstr(word)) << from << " -> " << to;
  }
}

// Every prefix of a file, and every one-byte change of its header, either loads or is refused in words.
TEST(SafetensorsTest, DamageIsAlwaysAnErrorOrHarmless) {
  const auto whole = TinyCheckpoint({.layers = 1, .experts = 2}).safetensors();
  for (std::size_t size = 0; size < whole.size(); size += size < 4096 ? 1 : 997) {
    const auto parsed = parse_safetensors(std::span(whole).first(size), "f");
    EXPECT_FALSE(parsed) << "the first " << size << " bytes of " << whole.size();
  }
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, whole.data(), 8);
  for (std::size_t at = 0; at < 8 + header_size; ++at) {
    auto spoilt = whole;
    spoilt[at] ^= std::byte{0x15};
    const auto parsed = parse_safetensors(spoilt, "f");
    EXPECT_TRUE(parsed.ok() || !parsed.error().message.empty());
  }
}

TEST(SafetensorsTest, HostileHeadersAreRefused) {
  const auto file = [](const std::string& header, std::size_t n_data) {
    std::vector<std::byte> bytes(8 + header.size() + n_data);
    const std::uint64_t size = header.size();
    std::memcpy(bytes.data(), &size, 8);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    return bytes;
  };
  for (const auto& [header, word] : std::vector<std::pair<std::string, std::string>>{
           {R"([])", "object"},
           {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,8]}})", "does not fill"},
           {R"({"a":{"dtype":"BF16","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "does not fill"},
           {R"({"a":{"dtype":"BF16","shape":[281474976710656,281474976710656],"data_offsets":[0,0]}})", "does not fill"},
           {R"({"a":{"dtype":"BF16","shape":[-2],"data_offsets":[0,4]}})", "shape"},
           {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[4,0]}})", "data_offsets"},
           {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,99]}})", "truncated"},
           {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
            "overlap"},
           {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", "data_offsets"},
           {R"({"a":7})", "dtype"}}) {
    const auto parsed = parse_safetensors(file(header, 8), "f");
    ASSERT_FALSE(parsed) << header;
    EXPECT_THAT(parsed.error().message, HasSubstr(word)) << header;
  }
}

}  // namespace
}  // namespace toccata::model
