// From what the user typed after -m to a model.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/environment.h"
#include "agent/model/token_model.h"
#include "core/base/sampling_params.h"

namespace toccata::cli {

struct ChosenModel {
  std::shared_ptr<agent::TokenModel> model;
  SamplingParams sampling;  // the model's own defaults (generation_config.json), else temperature 1
};

// nano                 the embedded model
// /path, ./path        a folder with a checkpoint (Hugging Face or original/ layout)
// owner/name           the same in the Hugging Face cache; 20b, gpt-oss-20b, ... are short for openai's
// http(s)://...        an OpenAI-compatible completions server that takes token ids; `#name` names its model
// script:FILE          forced completions from a JSON file
// Throws Exception: kNotFound lists where was looked; kUnavailable for a URL when `offline`.
// `precision`: auto (f32 on the CPU), f32 or fast. `device`: auto, cpu or cuda, for the built-in engine; auto keeps nano on the CPU, which is faster for its size.
struct GpuTuning {
  bool graphs = true;
  std::size_t device_bytes = 0;  // 0: what is free
};
ChosenModel choose_model(
    const std::string& spec, const std::string& device, const std::string& precision, bool offline, const Environment& env,
    const GpuTuning& gpu = {}
);

// The model was found but cannot be used: exit code 7.
class ModelError : public Exception {
 public:
  using Exception::Exception;
};

}  // namespace toccata::cli
