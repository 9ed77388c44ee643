#include "agent/model/scripted_model.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/json.h"
#include "core/base/mapped_file.h"

namespace toccata::agent {
namespace {

using Then = ScriptedCompletion::Then;

// Sleeps until `stop` is requested or the time is over; true when stopped.
bool wait_for_stop(const std::stop_token& stop, std::optional<std::chrono::microseconds> time) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  const auto never = [] { return false; };
  if (time) {
    changed.wait_for(lock, stop, *time, never);
  } else {
    changed.wait(lock, stop, never);
  }
  return stop.stop_requested();
}

class ScriptedSession : public TokenSession {
 public:
  explicit ScriptedSession(const ScriptedModel& model) : model_(model) {}

  Result<void> append(std::span<const Token> tokens) override {
    if (n_tokens() + std::ssize(tokens) > model_.capabilities().n_context) return full();
    timeline_.insert(timeline_.end(), tokens.begin(), tokens.end());
    usage_.appended += std::ssize(tokens);
    to_prefill_ += std::ssize(tokens);
    mid_line_ = false;
    return {};
  }

  Result<void> prefill(std::stop_token) override {
    usage_.prefilled += std::exchange(to_prefill_, 0);
    return {};
  }
  bool has_further_call() const override {
    if (!has_next()) return false;
    const std::span<const Token> left = std::span(lines()[static_cast<std::size_t>(next_line_ - 1)].tokens).subspan(position_);
    const Tokens& opening = model_.opening();
    return left.size() > opening.size() && std::equal(opening.begin(), opening.end(), left.begin());
  }

  Result<Sampled> sample(const SamplingParams& params, std::optional<TokenMask>, std::stop_token stop)
      override {
    if (stop.stop_requested()) return stopped();
    if (n_tokens() + 1 > model_.capabilities().n_context) return full();
    usage_.prefilled += std::exchange(to_prefill_, 0);
    if (lines_ == nullptr) {
      lines_ = &model_.lines_for(timeline_, params.seed);
      skip_what_was_said();
    }
    if (!mid_line_) {
      next_line_ += 1;
      position_ = 0;
      mid_line_ = true;
    }
    if (next_line_ > std::ssize(lines())) return ended();
    const ScriptedModel::Line& line = lines()[static_cast<std::size_t>(next_line_ - 1)];
    if (position_ == line.tokens.size()) {
      if (line.then == Then::kEnd) return ended();
      if (line.then == Then::kError) return Error{ErrorCode::kUnavailable, line.error};
      if (line.then == Then::kHang) return hang(stop);
      position_ = 0;
    }
    if (line.tokens.empty()) return ended();
    if (line.token_delay.count() > 0 && wait_for_stop(stop, line.token_delay)) return stopped();
    timeline_.push_back(line.tokens[position_++]);
    usage_.decoded += 1;
    return Sampled{timeline_.back(), 0.0F};
  }

  bool has_next() const override {
    if (!mid_line_ || next_line_ > std::ssize(lines())) return false;
    const ScriptedModel::Line& line = lines()[static_cast<std::size_t>(next_line_ - 1)];
    return position_ < line.tokens.size() && line.token_delay.count() == 0;
  }

  Result<std::unique_ptr<TokenSession>> fork() override {
    return std::unique_ptr<TokenSession>(std::make_unique<ScriptedSession>(*this));
  }
  Result<Checkpoint> checkpoint() override { return Checkpoint{n_tokens(), 0}; }
  Result<void> rollback(const Checkpoint& checkpoint) override {
    if (checkpoint.n_tokens < 0 || checkpoint.n_tokens > n_tokens()) {
      return Error{
          ErrorCode::kInvalidArgument,
          "rollback to " + std::to_string(checkpoint.n_tokens) + " of " +
              std::to_string(n_tokens()) + " tokens"};
    }
    timeline_.resize(static_cast<std::size_t>(checkpoint.n_tokens));
    return {};
  }
  std::int64_t n_tokens() const override { return std::ssize(timeline_); }
  const Usage& usage() const override { return usage_; }

 private:
  const std::vector<ScriptedModel::Line>& lines() const { return lines_ != nullptr ? *lines_ : model_.lines(); }

  // What a session was given before it first speaks may be the log of a recorded run: it then goes on behind the
  // completions that stand there, in the middle of the last one where that was cut off.
  void skip_what_was_said() {
    auto at = timeline_.begin();
    while (next_line_ < std::ssize(lines())) {
      const Tokens& line = lines()[static_cast<std::size_t>(next_line_)].tokens;
      if (line.size() < 2) return;
      // Its closing token may be gone: a settled log has another in its place.
      const auto found = std::search(at, timeline_.end(), line.begin(), line.end() - 1);
      if (found == timeline_.end()) break;
      at = found + (std::ssize(line) - 1);
      if (at != timeline_.end()) ++at;
      ++next_line_;
      position_ = line.size() - (at == timeline_.end() && timeline_.back() != line.back() ? 1 : 0);
      mid_line_ = at == timeline_.end();
    }
    if (next_line_ == std::ssize(lines())) return;
    const Tokens& line = lines()[static_cast<std::size_t>(next_line_)].tokens;
    for (std::size_t n = line.size() - 1; n > 0; --n) {
      const auto left = static_cast<std::size_t>(timeline_.end() - at);
      if (n > left || !std::equal(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(n),
                                  timeline_.end() - static_cast<std::ptrdiff_t>(n))) {
        continue;
      }
      ++next_line_;
      position_ = n;
      mid_line_ = true;
      return;
    }
  }

  static Error stopped() { return Error{ErrorCode::kCancelled, "sampling was stopped"}; }
  Error full() const {
    return Error{
        ErrorCode::kResourceExhausted,
        "the context of " + std::to_string(model_.capabilities().n_context) + " tokens is full"};
  }
  Error ended() const {
    return Error{
        ErrorCode::kUnavailable,
        "the script of model '" + model_.name() + "' has ended: " +
            std::to_string(lines().size()) + " completions, and more was sampled"};
  }
  static Error hang(const std::stop_token& stop) {
    if (stop.stop_possible()) wait_for_stop(stop, std::nullopt);
    return stopped();
  }

  const ScriptedModel& model_;
  Tokens timeline_;
  Usage usage_;
  std::int64_t to_prefill_ = 0;
  const std::vector<ScriptedModel::Line>* lines_ = nullptr;  // chosen by the first sample()
  std::ptrdiff_t next_line_ = 0;  // 1-based number of the completion being said
  std::size_t position_ = 0;
  bool mid_line_ = false;
};

Result<Then> then_from(const std::string& name) {
  if (name == "end") return Then::kEnd;
  if (name == "repeat") return Then::kRepeat;
  if (name == "error") return Then::kError;
  if (name == "hang") return Then::kHang;
  return Error{
      ErrorCode::kInvalidArgument, "unknown \"then\": \"" + name + "\" (end, repeat, error, hang)"};
}

Result<ScriptedCompletion> completion_from(const nlohmann::json& value) {
  ScriptedCompletion completion;
  if (value.is_string()) {
    completion.text = value.get<std::string>();
    return completion;
  }
  if (!value.is_object()) {
    return Error{
        ErrorCode::kInvalidArgument, "a completion is a text or an object, not " + json_text(value)};
  }
  for (const auto& [key, field] : value.items()) {
    if (key == "text") {
      completion.text = field.get<std::string>();
    } else if (key == "then") {
      Result<Then> then = then_from(field.get<std::string>());
      if (!then) return then.error();
      completion.then = *then;
    } else if (key == "error") {
      completion.error = field.get<std::string>();
    } else if (key == "token_delay_us") {
      completion.token_delay = std::chrono::microseconds(field.get<std::int64_t>());
    } else {
      return Error{ErrorCode::kInvalidArgument, "unknown key \"" + key + "\" in a completion"};
    }
  }
  return completion;
}

Result<std::vector<ScriptedCompletion>> completions_from(const nlohmann::json& list) {
  std::vector<ScriptedCompletion> completions;
  for (const nlohmann::json& entry : list) {
    Result<ScriptedCompletion> completion = completion_from(entry);
    if (!completion) return completion.error();
    completions.push_back(std::move(*completion));
  }
  return completions;
}

Result<ScriptedBranch> branch_from(const nlohmann::json& value) {
  ScriptedBranch branch;
  for (const auto& [key, field] : value.items()) {
    if (key == "when") {
      branch.when = field.get<std::string>();
    } else if (key == "seed") {
      branch.seed = field.get<std::uint64_t>();
    } else if (key == "completions") {
      Result<std::vector<ScriptedCompletion>> completions = completions_from(field);
      if (!completions) return completions.error();
      branch.completions = std::move(*completions);
    } else {
      return Error{ErrorCode::kInvalidArgument, "unknown key \"" + key + "\" in a branch"};
    }
  }
  return branch;
}

}  // namespace

ScriptedModel::ScriptedModel(
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
    std::vector<ScriptedCompletion> completions,
    ScriptedOptions options,
    std::vector<ScriptedBranch> branches
)
    : tokenizer_(std::move(tokenizer)), opening_(tokenizer_->encode("<|start|>assistant", tokenizer::Specials::kAll)), options_(std::move(options)) {
  lines_ = lines_of(std::move(completions));
  for (ScriptedBranch& branch : branches) {
    branches_.push_back({std::move(branch.when), branch.seed, lines_of(std::move(branch.completions))});
  }
  capabilities_.fork = true;
  capabilities_.n_vocab = tokenizer_->n_vocab();
  capabilities_.n_context = options_.n_context;
}

std::vector<ScriptedModel::Line> ScriptedModel::lines_of(std::vector<ScriptedCompletion> completions) const {
  std::vector<Line> lines;
  for (ScriptedCompletion& completion : completions) {
    lines.push_back(
        {tokenizer_->encode(completion.text, tokenizer::Specials::kAll),
         completion.then,
         std::move(completion.error),
         completion.token_delay}
    );
  }
  return lines;
}

const std::vector<ScriptedModel::Line>& ScriptedModel::lines_for(std::span<const Token> timeline, std::uint64_t seed) const {
  if (branches_.empty()) return lines_;
  std::string text = tokenizer_->decode_bytes(timeline).value_or_throw();
  text.erase(0, text.find("<|start|>user"));
  text.resize(std::min(text.size(), text.find("<|end|>")));
  for (const Branch& branch : branches_) {
    if (branch.seed && *branch.seed != seed) continue;
    if (text.find(branch.when) != std::string::npos) return branch.lines;
  }
  return lines_;
}

Result<std::unique_ptr<TokenSession>> ScriptedModel::open_session() {
  return std::unique_ptr<TokenSession>(std::make_unique<ScriptedSession>(*this));
}

Result<std::unique_ptr<ScriptedModel>> ScriptedModel::from_json(
    std::string_view json, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
) {
  try {
    const nlohmann::json script = json_from_valid<nlohmann::json>(json);
    std::vector<ScriptedCompletion> completions;
    std::vector<ScriptedBranch> branches;
    ScriptedOptions options;
    for (const auto& [key, value] : script.items()) {
      if (key == "name") {
        options.name = value.get<std::string>();
      } else if (key == "n_context") {
        options.n_context = value.get<std::int64_t>();
      } else if (key == "completions") {
        Result<std::vector<ScriptedCompletion>> read = completions_from(value);
        if (!read) return read.error();
        completions = std::move(*read);
      } else if (key == "branches") {
        for (const nlohmann::json& entry : value) {
          Result<ScriptedBranch> branch = branch_from(entry);
          if (!branch) return branch.error();
          branches.push_back(std::move(*branch));
        }
      } else {
        return Error{ErrorCode::kInvalidArgument, "unknown key \"" + key + "\" in the script"};
      }
    }
    return std::make_unique<ScriptedModel>(
        std::move(tokenizer), std::move(completions), std::move(options), std::move(branches)
    );
  } catch (const nlohmann::json::exception& failure) {
    return Error{
        ErrorCode::kInvalidArgument,
        std::string("a script is {\"completions\": [\"<|channel|>...\", ...]}: ") + failure.what()};
  }
}

Result<std::unique_ptr<ScriptedModel>> ScriptedModel::from_file(
    const std::filesystem::path& path, std::shared_ptr<const tokenizer::Tokenizer> tokenizer
) {
  Result<std::string> text = read_text_file(path);
  if (!text) return text.error();
  Result<std::unique_ptr<ScriptedModel>> model = from_json(*text, std::move(tokenizer));
  if (!model) return Error{model.error().code, path.string() + ": " + model.error().message};
  return model;
}

}  // namespace toccata::agent
