// From what the user typed after -m to a model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/cli/environment.h"
#include "agent/model/token_model.h"
#include "core/base/sampling_params.h"

namespace toccata::cli {

// Of the built-in engine.
struct Computation {
  std::string device = "auto";     // auto, cpu or cuda; auto keeps nano on the CPU, which is faster for its size
  std::string precision = "auto";  // auto (f32 on the CPU), f32 or fast
  std::string kv = "auto";         // keys and values on the CPU: f32, f16, q8; auto: f32, and f16 when fast
  int prefix_mib = 0;              // of these, kept for sessions that begin alike; 0: none
  std::filesystem::path prefix_folder = {};  // and on disk, for later processes; empty: none
  bool graphs = true;                        // on a GPU, passes of few tokens are recorded once and played back
  std::size_t device_bytes = 0;              // of a GPU's memory that may be used; 0: what is free
};

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
ChosenModel choose_model(const std::string& spec, const Computation& how, bool offline, const Environment& env);

// The model was found but cannot be used: exit code 7.
class ModelError : public Exception {
 public:
  using Exception::Exception;
};

}  // namespace toccata::cli
