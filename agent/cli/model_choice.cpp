#include "agent/cli/model_choice.h"

#include <nlohmann/json.hpp>

#include "agent/cli/hub_cache.h"
#include "agent/model/engine_model.h"
#include "agent/model/message_model.h"
#include "agent/model/nano.h"
#include "agent/model/remote_model.h"
#include "agent/model/scripted_model.h"
#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "core/hub/names.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;

// A bad checkpoint or server is the model's failure (exit 7), whatever the layer below called it.
[[noreturn]] void model_failure(const Error& error) { throw ModelError(error); }

template <class T>
T model_or_throw(Result<T> result) {
  if (!result) model_failure(result.error());
  return std::move(*result);
}

// Sampling a checkpoint asks for in generation_config.json. OpenAI's recommendation, temperature 1 and top_p 1, is what
// an absent or unreadable file means.
SamplingParams sampling_defaults(std::string_view generation_config) {
  SamplingParams params;
  const auto config = json_from<nlohmann::json>(generation_config);
  if (!config.is_object()) return params;
  const auto number = [&](const char* key, float fallback) {
    const auto value = config.find(key);
    return value != config.end() && value->is_number() ? value->get<float>() : fallback;
  };
  params.temperature = number("temperature", 1.0F);
  params.top_p = number("top_p", 1.0F);
  if (const auto sample = config.find("do_sample"); sample != config.end() && *sample == false) {
    params.temperature = 0;
  }
  return params;
}

ChosenModel from_folder(const fs::path& folder, const agent::EngineOptions& engine) {
  ChosenModel chosen;
  chosen.model = model_or_throw(agent::load_engine_model(folder, engine));
  if (const auto text = read_text_file(folder / "generation_config.json", 1 << 20)) {
    chosen.sampling = sampling_defaults(*text);
  }
  return chosen;
}

// The endpoint that a URL ends in, where it takes messages; others take token ids.
std::optional<agent::MessageApi> message_api_of(std::string_view url) {
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.ends_with("/chat/completions")) return agent::MessageApi::kChat;
  if (url.ends_with("/responses")) return agent::MessageApi::kResponses;
  return std::nullopt;
}

ChosenModel from_url(const std::string& spec, bool offline, const Environment& env) {
  if (offline) {
    throw Exception(ErrorCode::kUnavailable, "--offline forbids the model at " + spec);
  }
  const std::size_t hash = spec.find('#');
  agent::RemoteOptions options;
  options.base_url = spec.substr(0, hash);
  if (hash != std::string::npos) options.model = spec.substr(hash + 1);
  options.api_key = env.api_key.value_or("");
  const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
  ChosenModel chosen;
  if (const auto api = message_api_of(options.base_url)) {
    chosen.model = model_or_throw(agent::MessageModel::make(*api, std::move(options), tokenizer));
  } else {
    chosen.model = model_or_throw(agent::RemoteModel::make(std::move(options), tokenizer));
  }
  return chosen;
}

bool names_a_folder(const std::string& spec) {
  std::error_code none;
  return spec.starts_with('/') || spec.starts_with('.') || spec.ends_with(".gguf") || fs::is_directory(spec, none);
}

}  // namespace

ChosenModel choose_model(const std::string& spec, const Computation& how, bool offline, const Environment& env) {
  agent::EngineOptions engine;
  engine.fast = how.precision == "fast";
  engine.exact = how.precision == "f32";
  if (how.kv != "auto") engine.kv = how.kv;
  engine.prefix_bytes = static_cast<std::size_t>(how.prefix_mib) << 20;
  engine.prefix_folder = how.prefix_folder;
  engine.graphs = how.graphs;
  engine.device_bytes = how.device_bytes;
  if (how.device == "cpu" || (how.device == "auto" && spec == "nano")) engine.device = agent::EngineDevice::kCpu;
  if (how.device == "cuda") engine.device = agent::EngineDevice::kCuda;
  if (spec == "nano") {
    ChosenModel chosen;
    chosen.model = model_or_throw(agent::load_nano(engine));
    chosen.sampling = sampling_defaults(agent::nano_generation_config());
    return chosen;
  }
  if (spec.starts_with("script:")) {
    ChosenModel chosen;
    chosen.model = std::shared_ptr<agent::TokenModel>(
        agent::ScriptedModel::from_file(spec.substr(7), tokenizer::Tokenizer::o200k_harmony())
            .value_or_throw()
    );
    return chosen;
  }
  if (spec.starts_with("http://") || spec.starts_with("https://")) {
    return from_url(spec, offline, env);
  }
  if (names_a_folder(spec)) return from_folder(spec, engine);
  const auto known = hub::repo_of_short_name(spec);
  if (known || spec.find('/') != std::string::npos) {
    return from_folder(find_cached_model(env.hub_cache, known.value_or(spec)).value_or_throw(), engine);
  }
  throw Exception(
      ErrorCode::kNotFound,
      "unknown model '" + spec +
          "': expected nano, a folder with a checkpoint, a Hugging Face id such as openai/gpt-oss-20b or its short name gpt-oss-20b, the URL of "
          "a server (.../v1, .../v1/chat/completions or .../v1/responses), or script:FILE"
  );
}

}  // namespace toccata::cli
