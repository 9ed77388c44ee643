#include "agent/cli/dev_logits.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/exit_code.h"
#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "core/engine/session.h"

namespace toccata::cli {
namespace {

Tokens read_tokens(const std::filesystem::path& file, int n_vocab) {
  const std::string text = read_text_file(file).value_or_throw();
  const auto json = json_from<nlohmann::json>(text);
  if (!json.is_array() || json.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, file.string() + ": expected a JSON list of token ids");
  }
  Tokens tokens;
  for (const auto& id : json) {
    if (!id.is_number_integer() || id < 0 || id >= n_vocab) {
      throw Exception(
          ErrorCode::kInvalidArgument,
          file.string() + ": " + json_text(id) + " is no token of a vocabulary of " + std::to_string(n_vocab)
      );
    }
    tokens.push_back(id.get<Token>());
  }
  return tokens;
}

// Appends the numbers with nine significant digits, enough to give each float back.
void append_numbers(std::string& line, std::span<const float> values) {
  char text[32];
  line += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::snprintf(text, sizeof text, "%s%.9g", i ? "," : "", static_cast<double>(values[i]));
    line += text;
  }
  line += ']';
}

std::shared_ptr<const engine::Model> load(const DevLogitsOptions& options) {
  engine::Options engine_options;
  if (options.device == "cuda") engine_options.device = ops::Device::kCuda;
  engine_options.exact = options.precision == "f32";
  if (options.kv != "auto") engine_options.kv = ops::kv_type_named(options.kv);
  return engine::Model::load(
      model::open_checkpoint(options.model).value_or_throw(), engine_options
  );
}

int print_logits(const DevLogitsOptions& options, const engine::Model& loaded, engine::Session& session, std::ostream& out) {
  const Tokens tokens = read_tokens(options.tokens, loaded.config().n_vocab);
  std::string line = "{\"rows\":{";
  std::vector<int> rows = options.rows;
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::size_t at = 0;
  for (const int row : rows) {
    if (row < 0 || row >= static_cast<int>(tokens.size())) {
      throw Exception(
          ErrorCode::kInvalidArgument,
          "--rows " + std::to_string(row) + " is outside the " + std::to_string(tokens.size()) + " tokens"
      );
    }
    const auto end = static_cast<std::size_t>(row) + 1;
    session.append(std::span(tokens).subspan(at, end - at)).value_or_throw();
    at = end;
    line += (line.back() == '{' ? "\"" : ",\"") + std::to_string(row) + "\":";
    append_numbers(line, session.logits().value_or_throw());
  }
  session.append(std::span(tokens).subspan(at)).value_or_throw();
  line += "},\"greedy\":[";
  const SamplingParams greedy{.temperature = 0};
  for (int i = 0; i < options.greedy; ++i) {
    const auto draw = session.sample(greedy, std::nullopt, loaded.config().n_vocab, {}).value_or_throw();
    line += (i ? "," : "") + std::to_string(draw.token);
  }
  out << line << "]}\n" << std::flush;
  return kExitDone;
}

}  // namespace

int dev_logits(const DevLogitsOptions& options, std::ostream& out, std::ostream& err) {
  std::shared_ptr<const engine::Model> loaded;
  try {
    loaded = load(options);
  } catch (const Exception& e) {
    err << "toccata: " << e.what() << '\n';
    return kExitModel;
  }
  engine::Session session(loaded);
  return print_logits(options, *loaded, session, out);
}

}  // namespace toccata::cli
