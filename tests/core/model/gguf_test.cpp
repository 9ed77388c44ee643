// GGUF files: what is read, what is refused and how it is named, and that no damage gets further than an error.
#include "core/base/json.h"
#include "core/model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/temp_folder.h"

namespace toccata::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using toccata::testing::GgufWriter;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyGguf;

// What loading says, "loaded" when it works.
std::string outcome(std::span<const std::byte> bytes) {
  try {
    std::shared_ptr<CheckpointFiles> files = gguf_in_memory("tiny.gguf", bytes).value_or_throw();
    load_weights(files);
    return "loaded";
  } catch (const Exception& e) {
    return e.what();
  }
}

std::string parse_error(std::span<const std::byte> bytes) {
  const auto parsed = parse_gguf(bytes, "tiny.gguf");
  return parsed ? "parsed" : parsed.error().message;
}

// The bytes up to the first tensor's data.
std::size_t header_size(std::span<const std::byte> bytes) {
  const auto parsed = parse_gguf(bytes, "tiny.gguf").value_or_throw();
  const std::byte* first = bytes.data() + bytes.size();
  for (const auto& [name, tensor] : parsed.tensors) first = std::min(first, tensor.data.data());
  return static_cast<std::size_t>(first - bytes.data());
}

TEST(GgufTest, WeightsArriveByRoleAndInPlace) {
  const TinyCheckpoint source;
  const auto bytes = TinyGguf(source).bytes();
  const auto weights = load_weights(gguf_in_memory("tiny.gguf", bytes).value_or_throw());
  EXPECT_EQ(weights->config.n_experts, 4);
  EXPECT_EQ(weights->config.sliding_window, 8);
  EXPECT_DOUBLE_EQ(weights->config.rope_beta, 8);
  EXPECT_EQ(weights->config.max_context, 512);
  const auto* embedding = reinterpret_cast<const std::byte*>(weights->embedding.data());
  EXPECT_TRUE(embedding >= bytes.data() && embedding < bytes.data() + bytes.size()) << "a copy was made";
  const auto wanted = source.values("model.layers.1.mlp.experts.gate_up_proj_bias");
  const auto& bias = weights->layers[1].gate_up.bias;
  ASSERT_EQ(bias.size(), wanted.size());
  for (std::size_t i = 0; i < bias.size(); ++i) EXPECT_EQ(to_f32(bias[i]), wanted[i]);
}

TEST(GgufTest, AFileOnDiskIsOpenedByItsPath) {
  const TinyCheckpoint source;
  const auto bytes = TinyGguf(source).bytes();
  const toccata::testing::TempFolder folder;
  const auto path = folder.path() / "tiny.gguf";
  {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  EXPECT_EQ(load_weights(open_checkpoint(path).value_or_throw())->layers.size(), 2U);
}

TEST(GgufTest, AnUnknownTensorTypeIsRefusedByName) {
  const TinyCheckpoint source;
  TinyGguf gguf(source);
  auto bytes = gguf.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t at = text.find("output.weight") + std::strlen("output.weight") + 4 + 16;
  bytes[at] = std::byte{15};
  EXPECT_THAT(outcome(bytes), AllOf(HasSubstr("output.weight"), HasSubstr("Q8_K"), HasSubstr("expected BF16")));
}

TEST(GgufTest, AnotherArchitectureIsRefused) {
  GgufWriter writer;
  writer.text("general.architecture", "llama");
  EXPECT_THAT(outcome(writer.bytes()), AllOf(HasSubstr("'llama'"), HasSubstr("expected 'gpt-oss'")));
}

TEST(GgufTest, AMissingKeyIsNamed) {
  GgufWriter writer;
  writer.text("general.architecture", "gpt-oss");
  EXPECT_THAT(outcome(writer.bytes()), HasSubstr("gpt-oss.block_count"));
}

TEST(GgufTest, ASplitFileIsRefused) {
  const TinyCheckpoint source;
  TinyGguf gguf(source);
  gguf.writer().u32("split.count", 3);
  EXPECT_THAT(outcome(gguf.bytes()), HasSubstr("one of 3 parts"));
}

TEST(GgufTest, ANanScaleIsFound) {
  const TinyCheckpoint source;
  auto bytes = TinyGguf(source).bytes();
  const auto parsed = parse_gguf(bytes, "x").value_or_throw();
  const auto& tensor = parsed.tensors.at("blk.1.ffn_down_exps.weight");
  bytes[static_cast<std::size_t>(tensor.data.data() - bytes.data()) + 17] = std::byte{255};
  EXPECT_THAT(outcome(bytes), AllOf(HasSubstr("blk.1.ffn_down_exps.weight"), HasSubstr("block 1 is 255")));
}

TEST(GgufTest, TheVocabularyBecomesATokenizerJson) {
  const TinyCheckpoint source;
  TinyGguf gguf(source);
  gguf.writer().text("tokenizer.ggml.model", "gpt2");
  gguf.writer().text("tokenizer.ggml.pre", "gpt-4o");
  gguf.writer().texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<|start|>", "[PAD4]"});
  gguf.writer().i32s("tokenizer.ggml.token_type", {1, 1, 1, 3, 5});
  gguf.writer().texts("tokenizer.ggml.merges", {"a b"});
  const auto bytes = gguf.bytes();
  const auto files = gguf_in_memory("tiny.gguf", bytes).value_or_throw();
  ASSERT_TRUE(files->has("tokenizer.json"));
  const auto raw = *files->read("tokenizer.json");
  const auto json = json_from_valid<nlohmann::json>(std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size()));
  EXPECT_EQ(json["model"]["vocab"], nlohmann::json({{"a", 0}, {"b", 1}, {"ab", 2}}));
  EXPECT_EQ(json["model"]["merges"], nlohmann::json({"a b"}));
  EXPECT_EQ(json["added_tokens"][0]["content"], "<|start|>");
  EXPECT_EQ(json["added_tokens"][0]["special"], true);
  EXPECT_EQ(json["added_tokens"].size(), 1U);
}

TEST(GgufTest, HugeCountsAllocateNothing) {
  for (const std::size_t at : {8U, 16U}) {  // tensors, keys
    auto bytes = GgufWriter().bytes();
    const std::uint64_t huge = UINT64_MAX / 2;
    std::memcpy(bytes.data() + at, &huge, sizeof huge);
    EXPECT_THAT(parse_error(bytes), HasSubstr("truncated or damaged"));
  }
}

TEST(GgufTest, EveryTruncationIsAnError) {
  const TinyCheckpoint source;
  const auto bytes = TinyGguf(source).bytes();
  const std::size_t header = header_size(bytes);
  for (std::size_t n = 0; n < header; n += 7) {
    EXPECT_NE(parse_error(std::span(bytes).first(n)), "parsed") << n << " bytes";
  }
  EXPECT_NE(outcome(std::span(bytes).first(bytes.size() - 64)), "loaded");
}

// Every byte of the header set to several values: an error or a load, never a crash (run under sanitizers).
TEST(GgufTest, NoDamagedHeaderByteGetsFurtherThanAnError) {
  const TinyCheckpoint source;
  const auto intact = TinyGguf(source).bytes();
  const std::size_t header = header_size(intact);
  int refused = 0;
  auto bytes = intact;
  for (std::size_t at = 0; at < header; ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      bytes[at] = intact[at] ^ static_cast<std::byte>(flip);
      refused += outcome(bytes) != "loaded";
    }
    bytes[at] = intact[at];
  }
  EXPECT_GT(refused, static_cast<int>(header));
}

}  // namespace
}  // namespace toccata::model
