// A model that says what it was told to say: drives any transcript through the real parser, loop,
// tools and ledger.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/token_model.h"

namespace toccata::agent {

// What happens at one sampling turn (everything between two append() calls).
struct ScriptedCompletion {
  // Harmony text with control tokens spelled out, as the model would go on after
  // `<|start|>assistant`:
  // "<|channel|>final<|message|>4<|return|>".
  std::string text;
  // After the text: nothing more was scripted (the next sample is a model error), the text again
  // for ever, an error of the model, or a wait until `stop` is requested.
  enum class Then { kEnd, kRepeat, kError, kHang } then = Then::kEnd;
  std::string error = {};                    // message of kError
  std::chrono::microseconds token_delay{0};  // before each token; for tests that kill the process
};

struct ScriptedOptions {
  std::string name = "scripted";
  std::int64_t n_context = 1 << 20;
};

class ScriptedModel : public TokenModel {
 public:
  ScriptedModel(
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
      std::vector<ScriptedCompletion> completions,
      ScriptedOptions options = {}
  );

  // {"completions": ["<|channel|>...", {"text": "...", "then": "repeat|error|hang", "error": "...",
  //  "token_delay_us": 0}, ...], "name": "...", "n_context": n}. Unknown keys are refused by name.
  static Result<std::unique_ptr<ScriptedModel>> from_json(
      std::string_view json, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
  );
  static Result<std::unique_ptr<ScriptedModel>> from_file(
      const std::filesystem::path& path, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
  );

  const std::string& name() const override { return options_.name; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override { return tokenizer_; }
  // Each session starts at the first completion. The model must outlive its sessions.
  Result<std::unique_ptr<TokenSession>> open_session() override;

  // One completion, tokenized.
  struct Line {
    Tokens tokens;
    ScriptedCompletion::Then then = ScriptedCompletion::Then::kEnd;
    std::string error;
    std::chrono::microseconds token_delay{0};
  };
  const std::vector<Line>& lines() const { return lines_; }

 private:
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::vector<Line> lines_;
  ScriptedOptions options_;
  Capabilities capabilities_;
};

}  // namespace toccata::agent
