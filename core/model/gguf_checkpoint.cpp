#include "core/model/gguf_checkpoint.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "core/model/gguf.h"

namespace toccata::model {
namespace {

using nlohmann::json;

// How tokenizer.json spells the splitting pattern that GGUF calls "gpt-4o". Source: openai/tiktoken, o200k_base.
constexpr const char* kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// tokenizer.ggml.token_type
constexpr std::int64_t kControl = 3;
constexpr std::int64_t kUserDefined = 4;
constexpr std::int64_t kUnused = 5;

class GgufFiles : public CheckpointFiles {
 public:
  GgufFiles(std::string name, std::span<const std::byte> bytes, std::optional<MappedFile> mapped)
      : name_(std::move(name)), mapped_(std::move(mapped)), bytes_(bytes) {
    const Gguf gguf = parse_gguf(bytes, name_).value_or_throw();
    check_kind(gguf);
    config_ = json_text(make_config(gguf));
    tokenizer_ = make_tokenizer(gguf);
  }

  const std::string& name() const override { return name_; }
  bool has(const std::string& file) const override {
    return file == kGgufFile || file == "config.json" || (file == "tokenizer.json" && !tokenizer_.empty());
  }
  Result<std::span<const std::byte>> read(const std::string& file) override {
    if (file == kGgufFile) return bytes_;
    if (file == "config.json") return std::as_bytes(std::span(config_));
    if (has(file)) return std::as_bytes(std::span(tokenizer_));
    return Error{ErrorCode::kNotFound, name_ + " (GGUF) has no " + file};
  }

 private:
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kCorrupt) const {
    throw Exception(code, name_ + ": " + what);
  }

  template <typename T>
  const T* find(const Gguf& gguf, std::string_view key, const char* expected) const {
    const auto found = gguf.metadata.find(key);
    if (found == gguf.metadata.end()) return nullptr;
    const T* value = std::get_if<T>(&found->second);
    if (value == nullptr) fail("key " + std::string(key) + " is not " + expected);
    return value;
  }

  void check_kind(const Gguf& gguf) const {
    const auto* kind = find<std::string_view>(gguf, "general.architecture", "text");
    if (kind == nullptr || *kind != "gpt-oss") {
      fail(
          "general.architecture is '" + std::string(kind ? *kind : "missing") + "', expected 'gpt-oss'",
          ErrorCode::kUnsupported
      );
    }
    const auto* parts = find<std::int64_t>(gguf, "split.count", "a number");
    if (parts != nullptr && *parts > 1) {
      fail(
          "is one of " + std::to_string(*parts) + " parts; join them first (llama-gguf-split --merge)",
          ErrorCode::kUnsupported
      );
    }
  }

  // The keys under our names; parse_config checks the values.
  json make_config(const Gguf& gguf) const {
    json config = {{"model_type", "gpt_oss"}};
    const auto integer = [&](const char* ours, const std::string& key) {
      const auto* value = find<std::int64_t>(gguf, "gpt-oss." + key, "a whole number");
      if (value == nullptr) fail("no key gpt-oss." + key);
      config[ours] = *value;
    };
    integer("num_hidden_layers", "block_count");
    integer("max_position_embeddings", "context_length");
    integer("hidden_size", "embedding_length");
    integer("intermediate_size", "expert_feed_forward_length");
    integer("num_local_experts", "expert_count");
    integer("num_experts_per_tok", "expert_used_count");
    integer("num_attention_heads", "attention.head_count");
    integer("num_key_value_heads", "attention.head_count_kv");
    integer("head_dim", "attention.key_length");
    integer("sliding_window", "attention.sliding_window");
    const auto embedding = gguf.tensors.find("token_embd.weight");
    if (embedding == gguf.tensors.end() || embedding->second.shape.empty()) fail("no tensor token_embd.weight");
    config["vocab_size"] = embedding->second.shape.front();
    const auto number = [&](json& object, const char* ours, const std::string& key) {
      if (const auto* value = find<double>(gguf, "gpt-oss." + key, "a floating-point number")) object[ours] = *value;
    };
    number(config, "rms_norm_eps", "attention.layer_norm_rms_epsilon");
    number(config, "rope_theta", "rope.freq_base");
    if (const auto* type = find<std::string_view>(gguf, "gpt-oss.rope.scaling.type", "text")) {
      json rope = {{"rope_type", *type == "none" ? "default" : std::string(*type)}};
      number(rope, "factor", "rope.scaling.factor");
      number(rope, "beta_fast", "rope.scaling.yarn_beta_fast");
      number(rope, "beta_slow", "rope.scaling.yarn_beta_slow");
      const auto* original =
          find<std::int64_t>(gguf, "gpt-oss.rope.scaling.original_context_length", "a whole number");
      if (original != nullptr) rope["original_max_position_embeddings"] = *original;
      config["rope_scaling"] = rope;
    }
    if (const auto* eos = find<std::int64_t>(gguf, "tokenizer.ggml.eos_token_id", "a whole number")) {
      config["eos_token_id"] = *eos;
    }
    return config;
  }

  // Empty when the file has no vocabulary.
  std::string make_tokenizer(const Gguf& gguf) const {
    const auto* tokens = find<GgufArray>(gguf, "tokenizer.ggml.tokens", "a list");
    if (tokens == nullptr) return "";
    const auto* kind = find<std::string_view>(gguf, "tokenizer.ggml.model", "text");
    if (kind == nullptr || *kind != "gpt2") {
      fail("tokenizer.ggml.model is not 'gpt2' (byte-level BPE)", ErrorCode::kUnsupported);
    }
    const auto* types = find<GgufArray>(gguf, "tokenizer.ggml.token_type", "a list");
    const auto* merges = find<GgufArray>(gguf, "tokenizer.ggml.merges", "a list");
    if (types == nullptr || types->integers.size() != tokens->strings.size() || merges == nullptr) {
      fail("tokenizer.ggml.token_type or .merges is missing, or not as long as .tokens");
    }
    json vocab = json::object();
    json added = json::array();
    for (std::size_t id = 0; id < tokens->strings.size(); ++id) {
      const std::string spelling(tokens->strings[id]);
      const std::int64_t type = types->integers[id];
      if (type == kUnused) continue;
      if (type == kControl || type == kUserDefined) {
        added.push_back({{"id", id}, {"content", spelling}, {"special", type == kControl}});
      } else {
        vocab[spelling] = id;
      }
    }
    json merge_list = json::array();
    for (const std::string_view merge : merges->strings) merge_list.push_back(std::string(merge));
    const auto* pre = find<std::string_view>(gguf, "tokenizer.ggml.pre", "text");
    const std::string pattern = pre == nullptr ? "" : *pre == "gpt-4o" ? kO200kPattern : std::string(*pre);
    const json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    const json file = {
        {"model", {{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", std::move(merge_list)}}},
        {"added_tokens", std::move(added)},
        {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}}}};
    return json_text(file);
  }

  std::string name_;
  std::optional<MappedFile> mapped_;
  std::span<const std::byte> bytes_;
  std::string config_, tokenizer_;
};

Result<std::unique_ptr<CheckpointFiles>> make(
    std::string name, std::span<const std::byte> bytes, std::optional<MappedFile> mapped
) {
  try {
    return std::unique_ptr<CheckpointFiles>(
        std::make_unique<GgufFiles>(std::move(name), bytes, std::move(mapped))
    );
  } catch (const Exception& e) {
    return e.error();
  }
}

}  // namespace

Result<std::unique_ptr<CheckpointFiles>> gguf_in_memory(std::string name, std::span<const std::byte> bytes) {
  return make(std::move(name), bytes, std::nullopt);
}

Result<std::unique_ptr<CheckpointFiles>> open_gguf(const std::filesystem::path& file) {
  auto mapped = MappedFile::open(file);
  if (!mapped) return mapped.error();
  const auto bytes = mapped->bytes();
  return make(file.string(), bytes, std::move(*mapped));
}

}  // namespace toccata::model
