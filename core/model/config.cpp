#include "core/model/config.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"

namespace toccata::model {
namespace {

using nlohmann::json;

// Looks values up under any of several spellings, and says which key of which file is wrong.
class Reader {
 public:
  Reader(const json& object, std::string file) : object_(object), file_(std::move(file)) {}

  const json* find(std::initializer_list<const char*> keys) const {
    for (const char* key : keys) {
      if (const auto it = object_.find(key); it != object_.end() && !it->is_null()) return &*it;
    }
    return nullptr;
  }

  int positive(std::initializer_list<const char*> keys) const {
    const json* value = find(keys);
    if (value == nullptr) fail(std::string("no '") + *keys.begin() + "'");
    if (!value->is_number_integer() || *value <= 0 || *value > std::numeric_limits<int>::max() / 4) {
      fail(std::string("'") + *keys.begin() + "' is " + json_text(*value) + ", expected a positive number");
    }
    return value->get<int>();
  }

  double number(std::initializer_list<const char*> keys, double fallback) const {
    constexpr double kMost = 1e9;  // above any real one, and still an int
    const json* value = find(keys);
    if (value == nullptr) return fallback;
    if (!value->is_number() || !(value->get<double>() > 0 && value->get<double>() <= kMost)) {
      fail(std::string("'") + *keys.begin() + "' is " + json_text(*value) + ", expected a number above 0, at most 1e9");
    }
    return value->get<double>();
  }

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kCorrupt) const {
    throw Exception(code, file_ + ": " + what);
  }

 private:
  const json& object_;
  std::string file_;
};

void read_rope(const Reader& top, const std::string& file, Config& config) {
  config.rope_theta = top.number({"rope_theta"}, 150000);
  config.initial_context = static_cast<int>(top.number({"initial_context_length"}, 4096));
  config.rope_factor = top.number({"rope_scaling_factor"}, 1);
  config.rope_alpha = top.number({"rope_ntk_alpha"}, 1);
  config.rope_beta = top.number({"rope_ntk_beta"}, 32);
  const json* scaling = top.find({"rope_scaling", "rope_parameters"});
  if (scaling == nullptr) return;
  if (!scaling->is_object()) top.fail("'rope_scaling' is not an object");
  const Reader rope(*scaling, file + " (rope_scaling)");
  const std::string type = scaling->value("rope_type", scaling->value("type", std::string("default")));
  config.rope_theta = rope.number({"rope_theta"}, config.rope_theta);
  if (type == "default") return;
  if (type != "yarn") {
    rope.fail("rope_type is '" + type + "', expected 'yarn'", ErrorCode::kUnsupported);
  }
  if (scaling->value("truncate", false)) {
    rope.fail("'truncate' is true: rounded YaRN bounds are not gpt-oss", ErrorCode::kUnsupported);
  }
  config.rope_factor = rope.number({"factor"}, 1);
  config.rope_alpha = rope.number({"beta_slow"}, 1);
  config.rope_beta = rope.number({"beta_fast"}, 32);
  config.initial_context = static_cast<int>(
      rope.number({"original_max_position_embeddings"}, config.initial_context)
  );
}

void check_layer_types(const Reader& top, const Config& config) {
  const json* types = top.find({"layer_types"});
  if (types == nullptr) return;
  if (!types->is_array() || types->size() != static_cast<std::size_t>(config.n_layers)) {
    top.fail("'layer_types' does not have one entry a layer");
  }
  for (int layer = 0; layer < config.n_layers; ++layer) {
    const char* expected = config.windowed(layer) ? "sliding_attention" : "full_attention";
    const json& found = (*types)[static_cast<std::size_t>(layer)];
    if (!found.is_string() || found.get_ref<const std::string&>() != expected) {
      top.fail(
          "layer " + std::to_string(layer) + " is " + json_text(found) + ", expected " + expected +
              " (gpt-oss alternates, starting with sliding)",
          ErrorCode::kUnsupported
      );
    }
  }
}

void read_eos(const Reader& top, Config& config) {
  const json* eos = top.find({"eos_token_id"});
  if (eos == nullptr) return;
  if (eos->is_number_integer()) config.eos.push_back(eos->get<Token>());
  if (!eos->is_array()) return;
  for (const json& id : *eos) {
    if (id.is_number_integer()) config.eos.push_back(id.get<Token>());
  }
}

void check_consistency(const Reader& top, const Config& c) {
  if (c.n_heads % c.n_kv_heads != 0) {
    top.fail(
        std::to_string(c.n_heads) + " query heads cannot share " + std::to_string(c.n_kv_heads) +
        " key heads evenly"
    );
  }
  if (c.head_dim % 2 != 0) top.fail("head_dim is odd");
  if (std::int64_t{c.n_heads} * c.head_dim > std::numeric_limits<int>::max() / 4) {
    top.fail(std::to_string(c.n_heads) + " heads of " + std::to_string(c.head_dim) + " are impossibly wide");
  }
  if (c.n_experts_per_token > c.n_experts) top.fail("more experts per token than experts");
  if (c.hidden % 32 != 0 || c.intermediate % 32 != 0) {
    top.fail("hidden_size and intermediate_size must be multiples of 32, the MXFP4 block");
  }
}

}  // namespace

Result<Config> parse_config(std::string_view json_text, const std::string& file) {
  if (json_depth(json_text) > 32) return Error{ErrorCode::kCorrupt, file + ": nested more than 32 deep"};
  const json object = json_from<json>(json_text);
  if (!object.is_object()) return Error{ErrorCode::kCorrupt, file + ": not a JSON object"};
  try {
    const Reader top(object, file);
    if (const json* type = top.find({"model_type"}); type != nullptr && *type != "gpt_oss") {
      top.fail("model_type is " + toccata::json_text(*type) + ", expected \"gpt_oss\"", ErrorCode::kUnsupported);
    }
    Config c;
    c.n_layers = top.positive({"num_hidden_layers"});
    c.n_experts = top.positive({"num_local_experts", "num_experts"});
    c.n_experts_per_token = top.positive({"num_experts_per_tok", "experts_per_token"});
    c.hidden = top.positive({"hidden_size"});
    c.intermediate = top.positive({"intermediate_size"});
    c.n_heads = top.positive({"num_attention_heads"});
    c.n_kv_heads = top.positive({"num_key_value_heads"});
    c.head_dim = top.positive({"head_dim"});
    c.n_vocab = top.positive({"vocab_size"});
    c.sliding_window = top.positive({"sliding_window"});
    c.swiglu_limit = static_cast<float>(top.number({"swiglu_limit"}, 7.0));
    c.norm_eps = static_cast<float>(top.number({"rms_norm_eps"}, 1e-5));
    read_rope(top, file, c);
    c.max_context = static_cast<std::int64_t>(
        top.number({"max_position_embeddings"}, c.initial_context * c.rope_factor)
    );
    check_layer_types(top, c);
    read_eos(top, c);
    check_consistency(top, c);
    return c;
  } catch (const Exception& e) {
    return e.error();
  } catch (const json::exception& e) {
    return Error{ErrorCode::kCorrupt, file + ": " + e.what()};
  }
}

}  // namespace toccata::model
