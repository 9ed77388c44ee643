#include "agent/model/nano.h"

#include "agent/model/engine_model.h"

// The files of examples/nano/weights, embedded by CMakeLists.txt.
extern "C" const unsigned char nano_config_begin[], nano_config_end[];
extern "C" const unsigned char nano_generation_config_begin[], nano_generation_config_end[];
extern "C" const unsigned char nano_tokenizer_begin[], nano_tokenizer_end[];
extern "C" const unsigned char nano_weights_begin[], nano_weights_end[];

namespace toccata::agent {
namespace {

std::string_view text(const unsigned char* begin, const unsigned char* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

}  // namespace

Result<std::unique_ptr<TokenModel>> load_nano(const EngineOptions& options) {
  const auto* weights = reinterpret_cast<const std::byte*>(nano_weights_begin);
  const EmbeddedModel files = {
      .name = "nano",
      .config_json = text(nano_config_begin, nano_config_end),
      .safetensors = {weights, nano_bytes()},
      .tokenizer_json = text(nano_tokenizer_begin, nano_tokenizer_end)};
  return load_engine_model(files, options);
}

std::string_view nano_generation_config() {
  return text(nano_generation_config_begin, nano_generation_config_end);
}

std::size_t nano_bytes() { return static_cast<std::size_t>(nano_weights_end - nano_weights_begin); }

}  // namespace toccata::agent
