// A model that says what it was told to say: drives any transcript through the real parser, loop,
// tools and ledger.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
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

// What is said instead in a session that begins otherwise: runs that a run makes speak to the same model.
struct ScriptedBranch {
  std::string when = {};                    // a part of the first user message; empty: anything
  std::optional<std::uint64_t> seed = {};   // sampled with; none: any
  std::vector<ScriptedCompletion> completions;
};

class ScriptedModel : public TokenModel {
 public:
  ScriptedModel(
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
      std::vector<ScriptedCompletion> completions,
      ScriptedOptions options = {},
      std::vector<ScriptedBranch> branches = {}  // the first that fits is taken; none: `completions`
  );

  // {"completions": ["<|channel|>...", {"text": "...", "then": "repeat|error|hang", "error": "...",
  //  "token_delay_us": 0}, ...], "branches": [{"when": "...", "seed": n, "completions": [...]}, ...], "name": "...",
  //  "n_context": n}. Unknown keys are refused by name.
  static Result<std::unique_ptr<ScriptedModel>> from_json(
      std::string_view json, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
  );
  static Result<std::unique_ptr<ScriptedModel>> from_file(
      const std::filesystem::path& path, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
  );

  const std::string& name() const override { return options_.name; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override { return tokenizer_; }
  const Tokens& opening() const { return opening_; }  // `<|start|>assistant`
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
  // Those of the first branch that fits a session that begins so.
  const std::vector<Line>& lines_for(std::span<const Token> timeline, std::uint64_t seed) const;

 private:
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  Tokens opening_;
  struct Branch {
    std::string when;
    std::optional<std::uint64_t> seed;
    std::vector<Line> lines;
  };
  std::vector<Line> lines_of(std::vector<ScriptedCompletion> completions) const;
  std::vector<Line> lines_;
  std::vector<Branch> branches_;
  ScriptedOptions options_;
  Capabilities capabilities_;
};

}  // namespace toccata::agent
