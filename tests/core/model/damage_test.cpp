// Checkpoints that were damaged on purpose, thousands of times, in all three formats: an error that names the file (and
// the tensor whose entry was spoilt), never a crash, and no more memory than the file justifies. Run under sanitizers too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <random>

#include "core/base/json.h"
#include "core/model/gguf.h"
#include "core/model/gguf_checkpoint.h"
#include "core/model/weights.h"
#include "tests/support/gguf_blocks.h"

namespace {
std::atomic<std::size_t> allocated_bytes;  // by every operator new since the test last set it to zero
}

// Not inlined, or the compiler sees malloc meet delete and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocated_bytes += size;
  if (void* p = std::malloc(std::max<std::size_t>(size, 1))) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace toccata::model {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyGguf;
using Bytes = std::vector<std::byte>;
using Json = nlohmann::ordered_json;

enum class Format { kHuggingFace, kOriginal, kGguf, kQuantizedGguf };
constexpr const char* kFormatNames[] = {"HuggingFace", "Original", "Gguf", "QuantizedGguf"};

Bytes as_bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

// A safetensors file from its two parts.
Bytes safetensors(std::string header, const Bytes& data) {
  while (header.size() % 8 != 0) header += ' ';
  Bytes file(8);
  const std::uint64_t size = header.size();
  std::memcpy(file.data(), &size, 8);
  const Bytes text = as_bytes(header);
  file.insert(file.end(), text.begin(), text.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

// The same weights under the names of OpenAI's original/, query, key and value in one matrix.
void make_original(const TinyCheckpoint& from, Json& header, Bytes& data) {
  const auto add = [&](const std::string& name, const Json& entry, std::vector<std::string> parts) {
    header[name] = entry;
    const std::size_t begin = data.size();
    for (const std::string& part : parts) {
      const auto bytes = from.bytes(part);
      data.insert(data.end(), bytes.begin(), bytes.end());
    }
    header[name]["data_offsets"] = {begin, data.size()};
  };
  const Json& hf = const_cast<TinyCheckpoint&>(from).header();
  const auto copy = [&](const std::string& name, const std::string& of) { add(name, hf.at(of), {of}); };
  copy("embedding.weight", "model.embed_tokens.weight");
  copy("unembedding.weight", "lm_head.weight");
  copy("norm.scale", "model.norm.weight");
  for (int n = 0; n < from.shape().layers; ++n) {
    const std::string ours = "block." + std::to_string(n) + ".", theirs = "model.layers." + std::to_string(n) + ".";
    copy(ours + "attn.norm.scale", theirs + "input_layernorm.weight");
    copy(ours + "mlp.norm.scale", theirs + "post_attention_layernorm.weight");
    copy(ours + "attn.sinks", theirs + "self_attn.sinks");
    for (const std::string part : {"weight", "bias"}) {
      const auto projection = [&](const char* name) { return theirs + "self_attn." + name + "_proj." + part; };
      Json entry = hf.at(projection("q"));
      entry["shape"][0] = (from.shape().heads + 2 * from.shape().kv_heads) * from.shape().head_dim;
      add(ours + "attn.qkv." + part, entry, {projection("q"), projection("k"), projection("v")});
      copy(ours + "attn.out." + part, theirs + "self_attn.o_proj." + part);
      copy(ours + "mlp.gate." + part, theirs + "mlp.router." + part);
    }
    for (const auto& [mlp, name] : {std::pair("mlp1", "gate_up_proj"), std::pair("mlp2", "down_proj")}) {
      const std::string experts = theirs + "mlp.experts." + name;
      copy(ours + "mlp." + mlp + "_weight.blocks", experts + "_blocks");
      copy(ours + "mlp." + mlp + "_weight.scales", experts + "_scales");
      copy(ours + "mlp." + mlp + "_bias", experts + "_bias");
    }
  }
}

class DamageTest : public ::testing::TestWithParam<Format> {
 protected:
  DamageTest() {
    switch (GetParam()) {
      case Format::kHuggingFace:
        header_ = source_.header();
        data_ = source_.data();
        break;
      case Format::kOriginal: make_original(source_, header_, data_); break;
      case Format::kGguf: intact_ = TinyGguf(source_).bytes(); return;
      case Format::kQuantizedGguf:
        intact_ = TinyGguf(wide_, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
        return;
    }
    intact_ = safetensors(json_text(header_), data_);
  }

  // What loading says, "loaded" when it works. A failed CHECK or any other exception fails the test.
  std::string outcome(const Bytes& bytes) const { return outcome(bytes, config_); }
  static std::string outcome(const Bytes& bytes, const Bytes& config) {
    allocated_bytes = 0;
    const std::string said = load(bytes, config);
    // Parsed JSON takes some tens of bytes a character; vectors of a GGUF are copied.
    EXPECT_LT(allocated_bytes, 200 * (bytes.size() + config.size()) + (1U << 20)) << said;
    return said;
  }
  static std::string load(const Bytes& bytes, const Bytes& config) {
    try {
      std::shared_ptr<CheckpointFiles> files;
      if (is_gguf()) {
        files = gguf_in_memory("/m/tiny", bytes).value_or_throw();
      } else {
        files = checkpoint_in_memory("/m/tiny", {{"config.json", config}, {"model.safetensors", bytes}});
      }
      load_weights(files);
      return "loaded";
    } catch (const Exception& e) {
      return e.what();
    }
  }

  // Where damage is likelier to matter: what stands before the tensors' data.
  std::size_t header_size() const {
    return intact_.size() - data_.size() > 8 && !data_.empty() ? intact_.size() - data_.size() : intact_.size() / 8;
  }

  static bool is_gguf() { return GetParam() == Format::kGguf || GetParam() == Format::kQuantizedGguf; }

  TinyCheckpoint source_{{.layers = 1, .experts = 2}};
  // Rows of 256 and of 32 values.
  TinyCheckpoint wide_{{.layers = 1, .experts = 1, .experts_per_token = 1, .hidden = 256, .intermediate = 32, .heads = 2, .vocab = 16}};
  Bytes config_ = as_bytes(source_.config());
  Json header_;  // of the safetensors formats
  Bytes data_;
  Bytes intact_;
};

// One of many ways to spoil a file.
Bytes damaged(Bytes bytes, std::size_t header, std::mt19937& rng) {
  const auto below = [&](std::size_t n) { return rng() % std::max<std::size_t>(n, 1); };
  switch (rng() % 6) {
    case 0: bytes.resize(below(rng() % 2 == 0 ? header : bytes.size())); break;
    case 1:
      for (std::size_t i = 1 + below(8); i > 0; --i) bytes[below(header)] ^= static_cast<std::byte>(1U << below(8));
      break;
    case 2: {
      constexpr std::uint64_t kNumbers[] = {0, 1, 255, 1U << 31, UINT32_MAX, 1ULL << 48, 1ULL << 63, UINT64_MAX, UINT64_MAX - 7};
      std::memcpy(bytes.data() + below(header - 8), &kNumbers[below(std::size(kNumbers))], 8);
      break;
    }
    case 3: {
      const std::size_t n = 1 + below(40), from = below(header - n), to = below(header - n);
      std::memmove(bytes.data() + to, bytes.data() + from, n);
      break;
    }
    case 4: {
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(below(header - 40));
      bytes.erase(begin, begin + 1 + static_cast<std::ptrdiff_t>(below(40)));
      break;
    }
    default: {  // a character that means something to one of the formats
      constexpr std::string_view kCharacters = "{}[]\",:0-9e\\/n\xff\x80";
      for (std::size_t i = 1 + below(3); i > 0; --i) {
        bytes[below(header)] = static_cast<std::byte>(kCharacters[below(kCharacters.size())]);
      }
    }
  }
  return bytes;
}

TEST_P(DamageTest, AnyDamageEndsInAnErrorThatNamesTheFileOrIsHarmless) {
  ASSERT_EQ(outcome(intact_), "loaded");
  int refused = 0;
  for (unsigned seed = 0; seed < 2500; ++seed) {
    std::mt19937 rng(seed);
    const std::string said = outcome(damaged(intact_, header_size(), rng));
    if (said == "loaded") continue;
    ++refused;
    EXPECT_THAT(said, HasSubstr("/m/tiny")) << "seed " << seed;
  }
  EXPECT_GT(refused, 1000);
}

TEST_P(DamageTest, AFileCutAnywhereInItsDataIsRefused) {
  for (std::size_t n = header_size(); n < intact_.size() - 31; n += 1 + intact_.size() / 300) {
    const std::string said = outcome(Bytes(intact_.begin(), intact_.begin() + static_cast<std::ptrdiff_t>(n)));
    ASSERT_THAT(said, AllOf(HasSubstr("/m/tiny"), HasSubstr(": tensor "))) << n << " of " << intact_.size();
  }
}

// Every tensor of a safetensors file, its entry made wrong in each of these ways.
TEST_P(DamageTest, AnEntryThatLiesIsRefusedByTheTensorsName) {
  if (is_gguf()) GTEST_SKIP() << "GGUF has no JSON header";
  const std::vector<std::function<void(Json&)>> lies = {
      [](Json& e) { e["dtype"] = "F32"; },
      [](Json& e) { e["dtype"] = "F64"; },
      [](Json& e) { e["dtype"] = e["dtype"] == "U8" ? "BF16" : "U8"; },
      [](Json& e) { e["dtype"] = 7; },
      [](Json& e) { e.erase("dtype"); },
      [](Json& e) { e["shape"] = "x"; },
      [](Json& e) { e["shape"].push_back(2); },
      [](Json& e) { e["shape"][0] = e["shape"][0].get<int>() + 1; },
      [](Json& e) { e["shape"][0] = -1; },
      [](Json& e) { e["shape"][0] = 1.5; },
      [](Json& e) { e["shape"] = {std::uint64_t{1} << 40, std::uint64_t{1} << 40}; },
      [](Json& e) { e["shape"] = Json::array(); },
      [](Json& e) { e["data_offsets"][1] = UINT64_MAX; },
      [](Json& e) { e["data_offsets"][1] = e["data_offsets"][0]; },
      [](Json& e) { std::swap(e["data_offsets"][0], e["data_offsets"][1]); },
      [](Json& e) { e["data_offsets"] = {0}; },
      [](Json& e) { e = nullptr; },
  };
  for (const auto& [name, entry] : header_.items()) {
    for (std::size_t i = 0; i < lies.size(); ++i) {
      Json header = header_;
      lies[i](header[name]);
      const std::string said = outcome(safetensors(json_text(header), data_));
      EXPECT_THAT(said, HasSubstr(name)) << "lie " << i;
      EXPECT_THAT(said, HasSubstr("/m/tiny")) << "lie " << i;
    }
    Json header = header_;
    header.erase(name);
    if (name == "embedding.weight") continue;  // it tells the two layouts apart
    EXPECT_THAT(outcome(safetensors(json_text(header), data_)), HasSubstr("no tensor " + name));
  }
}

// The same for GGUF, where an entry is: name, rank, dimensions (innermost first), type, offset.
TEST_P(DamageTest, AGgufEntryThatLiesIsRefusedByTheTensorsName) {
  if (!is_gguf()) GTEST_SKIP() << "JSON headers have a test of their own";
  const auto parsed = parse_gguf(intact_, "x").value_or_throw();
  for (const auto& [name, tensor] : parsed.tensors) {
    std::string needle(8, '\0');
    const std::uint64_t size = name.size();
    std::memcpy(needle.data(), &size, 8);
    const Bytes pattern = as_bytes(needle + name);
    const auto found = std::search(intact_.begin(), intact_.end(), pattern.begin(), pattern.end());
    const auto rank = static_cast<std::size_t>(found - intact_.begin()) + pattern.size();
    const std::size_t type = rank + 4 + 8 * tensor.shape.size(), offset = type + 4;
    const auto with = [&](std::size_t at, auto value) {
      Bytes bytes = intact_;
      std::memcpy(bytes.data() + at, &value, sizeof value);
      return bytes;
    };
    const std::vector<Bytes> lies = {
        with(rank, std::uint32_t{5}),
        with(rank + 4, std::uint64_t{0}),
        with(rank + 4, std::uint64_t{1} << 39),
        with(rank + 4, UINT64_MAX),
        with(rank + 4, static_cast<std::uint64_t>(tensor.shape.back()) + 32),
        with(type, std::uint32_t{15}),
        with(type, std::uint32_t{77}),
        with(type, tensor.type == GgufType::kMxfp4 ? std::uint32_t{0} : std::uint32_t{39}),
        with(offset, std::uint64_t{8}),
        with(offset, UINT64_MAX - 31),
        with(rank - 1, 'X'),
    };
    for (std::size_t i = 0; i < lies.size(); ++i) {
      const std::string said = outcome(lies[i]);
      EXPECT_THAT(said, HasSubstr(name)) << "lie " << i;
      EXPECT_THAT(said, HasSubstr("/m/tiny")) << "lie " << i;
    }
  }
}

// Values of every key that no model has: refused, or of no consequence to loading.
TEST_P(DamageTest, ImpossibleNumbersInTheConfigAreSurvived) {
  if (is_gguf()) GTEST_SKIP() << "the random damage covers GGUF's keys";
  const Json config = json_from_valid<Json>(source_.config());
  const std::vector<Json> values = {-1, 0, 1e300, -1e300, INT32_MAX, INT64_MAX, UINT64_MAX, INT32_MAX / 4, 0.5, "x", true, nullptr, Json::array(), Json::object()};
  const auto survives = [&](const Json& spoilt, const std::string& key) {
    const std::string said = outcome(intact_, as_bytes(json_text(spoilt)));
    EXPECT_THAT(said, AnyOf("loaded", HasSubstr("/m/tiny"))) << key << " in " << json_text(spoilt);
  };
  for (const auto& [key, value] : config.items()) {
    for (const Json& wrong : values) {
      Json spoilt = config;
      spoilt[key] = wrong;
      survives(spoilt, key);
    }
  }
  for (const auto& [key, value] : config["rope_scaling"].items()) {
    for (const Json& wrong : values) {
      Json spoilt = config;
      spoilt["rope_scaling"][key] = wrong;
      survives(spoilt, key);
    }
  }
}

TEST_P(DamageTest, NestingWithoutEndIsRefused) {
  if (is_gguf()) GTEST_SKIP() << "GGUF has no JSON";
  const std::string open(300'000, '['), close(300'000, ']');
  const std::string deep = R"({"a":{"dtype":"U8","shape":)" + open + close + R"(,"data_offsets":[0,0]}})";
  EXPECT_THAT(outcome(safetensors(deep, {})), HasSubstr("nested"));
  EXPECT_THAT(outcome(intact_, as_bytes(R"({"model_type":)" + open + close + "}")), HasSubstr("nested"));
  const Bytes index = as_bytes(R"({"weight_map":{"a":)" + open + close + "}}");
  const std::shared_ptr<CheckpointFiles> files = checkpoint_in_memory(
      "/m/tiny", {{"config.json", config_}, {"model.safetensors.index.json", index}, {"model.safetensors", intact_}}
  );
  EXPECT_THROW(load_weights(files), Exception);
}

INSTANTIATE_TEST_SUITE_P(
    Formats, DamageTest, ::testing::Values(Format::kHuggingFace, Format::kOriginal, Format::kGguf, Format::kQuantizedGguf),
    [](const auto& test) { return std::string(kFormatNames[static_cast<int>(test.param)]); }
);

}  // namespace
}  // namespace toccata::model
