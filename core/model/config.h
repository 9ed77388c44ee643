#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::model {

// The shape of a gpt-oss model. Names as in the field; a checkpoint's own spelling stays in config.cpp.
struct Config {
  int n_layers = 0;
  int n_experts = 0;
  int n_experts_per_token = 0;
  int hidden = 0;        // residual width
  int intermediate = 0;  // inner width of an expert
  int n_heads = 0;       // of queries
  int n_kv_heads = 0;
  int head_dim = 0;
  int n_vocab = 0;        // rows of the embedding, columns of the logits
  int sliding_window = 0;  // keys a windowed layer sees, the query's own included; even layers are windowed
  float swiglu_limit = 7.0F;
  float norm_eps = 1e-5F;
  double rope_theta = 150000;
  double rope_factor = 1;  // YaRN; 1 = plain RoPE
  double rope_alpha = 1;   // beta_slow
  double rope_beta = 32;   // beta_fast
  int initial_context = 4096;
  std::int64_t max_context = 0;  // tokens the model was made for
  Tokens eos;                    // from config.json; empty when it does not say

  bool windowed(int layer) const { return layer % 2 == 0; }
  int q_size() const { return n_heads * head_dim; }
  int kv_size() const { return n_kv_heads * head_dim; }
};

// Reads config.json of either layout: Hugging Face (`model_type: gpt_oss`, rope_scaling or rope_parameters) and
// OpenAI's original/. `file` is what messages call it. kCorrupt for what is no config of a gpt-oss model, kUnsupported
// for one whose arithmetic we do not have (rounded YaRN bounds, another layer pattern).
Result<Config> parse_config(std::string_view json_text, const std::string& file);

}  // namespace toccata::model
