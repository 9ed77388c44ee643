// Every quantised block format against values from an independent implementation (tests/data/gguf), and as matrices of a file.
#include "core/model/gguf_quants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/json.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_blocks.h"

namespace toccata::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using toccata::testing::GgufMatrix;
using toccata::testing::GgufQuant;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyGguf;

std::vector<std::byte> from_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::string outcome(std::span<const std::byte> bytes) {
  try {
    load_weights(gguf_in_memory("tiny.gguf", bytes).value_or_throw());
    return "loaded";
  } catch (const Exception& e) {
    return e.what();
  }
}

TEST(GgufQuantsTest, BlocksHaveTheValuesThatAnotherImplementationReads) {
  std::stringstream text;
  text << std::ifstream(TOCCATA_SOURCE_DIR "/tests/data/gguf/blocks.json").rdbuf();
  const auto known = json_from_valid<nlohmann::json>(text.str());
  for (const GgufQuant& quant : toccata::testing::gguf_quants()) {
    const std::string name = to_string(quant.type);
    ASSERT_TRUE(known.contains(name)) << name;
    const auto blocks = from_hex(known[name]["blocks"].get<std::string>());
    const auto wanted = known[name]["values"].get<std::vector<float>>();
    const GgufBlock block = *block_of(quant.type);
    ASSERT_EQ(blocks.size() / block.bytes * static_cast<std::size_t>(block.values), wanted.size()) << name;
    std::vector<float> got(wanted.size());
    dequantize(quant.type, blocks.data(), got.size(), got.data());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], wanted[i]) << name << ", value " << i;
  }
}

TEST(GgufQuantsTest, OnlyTheTypesOfTheTableAreQuantized) {
  std::size_t n = 0;
  for (std::uint32_t type = 0; type < 64; ++type) n += is_quantized(static_cast<GgufType>(type));
  EXPECT_EQ(n, toccata::testing::gguf_quants().size());
}

// Large enough for more than one thread.
TEST(GgufQuantsTest, ManyThreadsMakeTheSameMatrix) {
  const TinyCheckpoint source({.layers = 1, .experts = 2, .hidden = 256, .vocab = 5000});
  const auto bytes = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
  const auto wanted_bytes = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/true)).bytes();
  const auto wanted = load_weights(gguf_in_memory("tiny.gguf", wanted_bytes).value_or_throw());
  for (const int n_threads : {1, 3}) {
    const auto got = load_weights(gguf_in_memory("tiny.gguf", bytes).value_or_throw(), n_threads);
    EXPECT_EQ(got->unembedding.type, DenseType::kBf16);
    EXPECT_TRUE(std::ranges::equal(got->embedding, wanted->embedding));
    EXPECT_TRUE(std::ranges::equal(got->unembedding.weight, wanted->unembedding.weight));
  }
}

TEST(GgufQuantsTest, RowsThatAreNoWholeBlocksAreRefused) {
  const TinyCheckpoint source;  // rows of 32
  const auto bytes = TinyGguf(source, [](const std::vector<float>& values, int) {
                       return GgufMatrix{12, std::vector<std::byte>(values.size())};
                     }).bytes();
  EXPECT_THAT(outcome(bytes), AllOf(HasSubstr("token_embd.weight (Q4_K)"), HasSubstr("no multiple of its block of 256")));
}

TEST(GgufQuantsTest, AScaleThatIsNoNumberIsFound) {
  const TinyCheckpoint source(toccata::testing::kQuantizedShape);
  for (const std::uint16_t half : {0x7C00, 0xFE00}) {  // infinity, NaN
    auto bytes = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
    const auto parsed = parse_gguf(bytes, "x").value_or_throw();
    const GgufTensor& tensor = parsed.tensors.at("output.weight");
    ASSERT_EQ(tensor.type, GgufType::kQ4_K);
    std::memcpy(bytes.data() + (tensor.data.data() - bytes.data()) + 2 * 144, &half, sizeof half);
    EXPECT_THAT(outcome(bytes), AllOf(HasSubstr("output.weight (Q4_K)"), HasSubstr("row 2 is infinite or NaN"))) << half;
  }
}

TEST(GgufQuantsTest, ExpertsInOtherTypesThanMxfp4AreRefused) {
  const TinyCheckpoint source(toccata::testing::kQuantizedShape);
  auto bytes = TinyGguf(source).bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string name = "blk.0.ffn_gate_exps.weight";
  bytes[text.find(name) + name.size() + 4 + 3 * 8] = std::byte{10};  // of fewer bits: it fits in its place
  EXPECT_THAT(outcome(bytes), AllOf(HasSubstr(name + " is Q2_K"), HasSubstr("expected MXFP4")));
}

}  // namespace
}  // namespace toccata::model
