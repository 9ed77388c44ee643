#include "agent/loop/log_edit.h"

#include <algorithm>

namespace toccata::agent {
namespace {

using Kind = LogMessage::Kind;

std::span<const Token> part(std::span<const Token> log, std::int64_t begin, std::int64_t end) {
  return log.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

Kind kind_of(const std::string& header) {
  if (header.starts_with("system") || header.starts_with("developer")) return Kind::kInstructions;
  if (header.starts_with("user")) return Kind::kUser;
  if (!header.starts_with("assistant")) return Kind::kResult;
  if (header.find(" to=") != std::string::npos) return Kind::kCall;
  if (header.ends_with("<|channel|>analysis")) return Kind::kReasoning;
  if (header.ends_with("<|channel|>final")) return Kind::kFinal;
  return Kind::kOther;
}

// What becomes of each message; joined to an edit at the first one that changes.
class Draft {
 public:
  Draft(std::span<const Token> log, const harmony::Renderer& renderer)
      : log_(log), renderer_(renderer), messages_(read_log(log, renderer)) {
    changes_.resize(messages_.size());
    n_tokens_ = std::ssize(log);
  }
  const std::vector<LogMessage>& messages() const { return messages_; }
  std::int64_t n_tokens() const { return n_tokens_; }
  bool is_dropped(std::size_t i) const { return changes_[i].has_value() && changes_[i]->empty(); }

  void drop(std::size_t i) { change(i, {}); }
  // Keeps the header.
  void replace_content(std::size_t i, const std::string& text) {
    const LogMessage& message = messages_[i];
    Tokens tokens(log_.begin() + message.begin, log_.begin() + message.content);
    renderer_.tokenizer().encode_into(text, tokenizer::Specials::kNone, tokens);
    tokens.push_back(renderer_.control().end);
    if (std::ssize(tokens) < message.end - message.begin) change(i, std::move(tokens));
  }

  std::optional<LogEdit> edit(std::string what) const {
    const auto first = std::find_if(changes_.begin(), changes_.end(), [](const auto& change) {
      return change.has_value();
    });
    if (first == changes_.end()) return std::nullopt;
    auto i = static_cast<std::size_t>(first - changes_.begin());
    LogEdit edit{messages_[i].begin, {}, std::move(what)};
    for (; i < messages_.size(); ++i) {
      const auto kept = part(log_, messages_[i].begin, messages_[i].end);
      const auto& change = changes_[i];
      if (change) edit.tail.insert(edit.tail.end(), change->begin(), change->end());
      if (!change) edit.tail.insert(edit.tail.end(), kept.begin(), kept.end());
    }
    return edit;
  }

 private:
  void change(std::size_t i, Tokens tokens) {
    const std::int64_t now = changes_[i] ? std::ssize(*changes_[i]) : messages_[i].end - messages_[i].begin;
    n_tokens_ += std::ssize(tokens) - now;
    changes_[i] = std::move(tokens);
  }

  std::span<const Token> log_;
  const harmony::Renderer& renderer_;
  std::vector<LogMessage> messages_;
  std::vector<std::optional<Tokens>> changes_;  // none: stays
  std::int64_t n_tokens_ = 0;
};

std::vector<std::size_t> indices_of(const Draft& draft, Kind kind) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < draft.messages().size(); ++i) {
    if (draft.messages()[i].kind == kind) indices.push_back(i);
  }
  return indices;
}

std::string left_out(int call, std::int64_t n_tokens, const std::optional<std::string>& recall) {
  std::string text = "[This output of about " + std::to_string(n_tokens) + " tokens was left out to save room";
  if (recall) text += "; " + *recall + " {\"call\": " + std::to_string(call) + "} shows it";
  return text + ".]";
}

}  // namespace

std::vector<LogMessage> read_log(std::span<const Token> log, const harmony::Renderer& renderer) {
  const harmony::ControlTokens& control = renderer.control();
  std::vector<LogMessage> messages;
  for (std::int64_t at = 0; at < std::ssize(log);) {
    LogMessage message;
    message.begin = at;
    const auto next = std::find(log.begin() + at + 1, log.end(), control.start);
    message.end = next - log.begin();
    const auto body = std::find(log.begin() + at, next, control.message);
    message.content = std::min(message.end, std::int64_t{body - log.begin()} + 1);
    if (log[static_cast<std::size_t>(at)] == control.start && body != next) {
      const auto header = renderer.tokenizer().decode_bytes(part(log, at + 1, body - log.begin()));
      if (header) message.kind = kind_of(*header);
    }
    messages.push_back(message);
    at = message.end;
  }
  return messages;
}

std::optional<LogEdit> drop_finished_reasoning(
    std::span<const Token> log, const harmony::Renderer& renderer
) {
  Draft draft(log, renderer);
  const std::vector<std::size_t> finals = indices_of(draft, Kind::kFinal);
  if (finals.empty()) return std::nullopt;
  for (const std::size_t i : indices_of(draft, Kind::kReasoning)) {
    if (i < finals.back()) draft.drop(i);
  }
  return draft.edit(
      "reasoning of finished turns left out: " + std::to_string(std::ssize(log) - draft.n_tokens()) + " tokens"
  );
}

std::optional<LogEdit> compact(
    std::span<const Token> log, const harmony::Renderer& renderer, const Compaction& rule
) {
  Draft draft(log, renderer);
  const auto too_long = [&] { return draft.n_tokens() > rule.target; };
  std::vector<std::size_t> results = indices_of(draft, Kind::kResult);
  const auto n_results = static_cast<int>(results.size());
  const int n_old = std::max(0, n_results - rule.n_recent);
  for (int n = 0; n < n_old && too_long(); ++n) {
    const std::size_t i = results[static_cast<std::size_t>(n)];
    const LogMessage& message = draft.messages()[i];
    const int call = rule.n_calls - n_results + n + 1;
    draft.replace_content(i, left_out(call, message.end - message.content, rule.recall));
  }
  // Reasoning up to the newest results that stay.
  const std::size_t recent = n_old < n_results ? results[static_cast<std::size_t>(n_old)] : draft.messages().size();
  for (const std::size_t i : indices_of(draft, Kind::kReasoning)) {
    if (i < recent && too_long()) draft.drop(i);
  }
  int n_dropped = 0;
  for (int n = 0; n < n_old && too_long(); ++n) {
    const std::size_t i = results[static_cast<std::size_t>(n)];
    std::size_t call = i;  // the nearest before it that is still there
    while (call > 0 && (draft.messages()[call].kind != Kind::kCall || draft.is_dropped(call))) --call;
    if (draft.messages()[call].kind != Kind::kCall) continue;
    draft.drop(call);
    draft.drop(i);
    ++n_dropped;
  }
  std::string what = "the log was shortened from " + std::to_string(std::ssize(log)) + " to " +
                     std::to_string(draft.n_tokens()) + " tokens";
  if (n_dropped > 0) what += ", " + std::to_string(n_dropped) + " old calls left out";
  return draft.edit(std::move(what));
}

}  // namespace toccata::agent
