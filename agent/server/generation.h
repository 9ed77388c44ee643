// One model call, told as it happens to whoever speaks the client's protocol.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/harmony/constraint.h"
#include "agent/harmony/parser.h"
#include "agent/harmony/renderer.h"
#include "agent/loop/citation.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/served_turn.h"
#include "agent/loop/shown_pages.h"
#include "agent/server/conversation.h"
#include "agent/server/metrics.h"
#include "agent/server/penalties.h"
#include "agent/server/session_pool.h"

namespace toccata::server {

enum class MessageKind { kReasoning, kPreamble, kFinal, kCall };

struct TokenLogprob {
  std::string bytes;
  float logprob = 0;
  std::vector<TokenLogprob> top = {};  // the likeliest in its place, best first, if they were asked for
};
// A token of the model with its bytes, and those of the likeliest.
TokenLogprob token_logprob(const tokenizer::Tokenizer& tokenizer, const agent::Sampled& sampled);

// Calls come in the order of the text; a message's text lies between its started() and done().
class StepListener {
 public:
  virtual ~StepListener() = default;
  // First: the prompt's length, and how much of it was read for earlier requests.
  virtual void begun(std::int64_t /*n_prompt*/, std::int64_t /*n_cached*/) {}
  // `recipient`: of a call, resolved to a declared name where it can be.
  virtual void started(MessageKind kind, const std::string& recipient) = 0;
  // Whole characters. `logprobs` only for kFinal, and only when the model gives them.
  virtual void text(
      MessageKind kind, std::string_view delta, const std::vector<TokenLogprob>& logprobs
  ) = 0;
  // Before the text() of a link that stands in an answer where the model wrote a citation. `link`: what cites, without
  // the blank that may come before it.
  virtual void cited(const agent::Citation& /*citation*/, std::string_view /*link*/) {}
  // `whole`: the model ended the message itself; false where a limit or a failure cut it off.
  virtual void done(MessageKind kind, const std::string& text, bool whole) = 0;
  // After the done() of a call that the server makes: it begins, what it prints, what came of it; for each call once,
  // whether it was made or refused.
  virtual void tool(const agent::Event& /*event*/) {}
};

struct StepOptions {
  std::string traceparent = {};  // W3C trace context of the request; for models and tools that are asked by requests
  SamplingParams sampling;
  Penalties penalties;  // on ordinary tokens; those of the format are never less likely
  std::int64_t max_tokens = 0;            // sampled tokens; 0: what the context holds
  std::vector<std::string> stop_strings;  // in what the user sees; cut off before the first of them
  std::vector<std::string> recipients;    // declared tools
  std::set<std::string> made_here = {};   // those of them that the server calls itself; empty: none
  // After its reasoning the model must call a tool: this function, "python" or "browser" where they are made here, or
  // with "" any.
  std::optional<std::string> must_call;
  // Masks for what is written (TurnMasks); null: the model writes what it likes.
  std::shared_ptr<const harmony::ConstraintPlan> constraint;
  // The same for the steps behind the first, which need not call.
  std::shared_ptr<const harmony::ConstraintPlan> later_constraint = {};
  // What an answer may cite: its markers become links. Null: an answer is shown as it is written.
  std::shared_ptr<const tools::CitablePages> pages;

  // Whether a call is the server's, which then ends the step: any but a function's, once there are some; of a tool that
  // there is not, the model is told so.
  bool makes_call(std::string_view recipient) const { return !made_here.empty() && !recipient.starts_with("functions."); }
};

struct StepOutcome {
  enum class Finish { kStop, kCalls, kLength, kStopString, kCancelled, kFailed } finish = Finish::kStop;
  AssistantStep step;  // as seen by the client
  std::vector<agent::MessageStream::Done> calls;
  std::string stop_string;  // of kStopString: the one that was met
  const char* limit = "max_output_tokens";  // of kLength
  Tokens tokens;  // sampled and forced, as they stand in the session
  std::int64_t n_reasoning = 0;
  double prefill_s = 0, decode_s = 0;
  Error error;  // of kFailed
};

// Samples from `lease`, whose timeline ends in `<|start|>assistant`, until a stop token or a limit.
StepOutcome run_step(
    SessionPool::Lease& lease,
    const harmony::Renderer& renderer,
    const StepOptions& options,
    StepListener& listener,
    const std::stop_token& stop
);

// What the browser tool showed in this conversation; null: nothing.
std::shared_ptr<const agent::ShownPages> pages_of(const ChatRequest& request);

// "([example.org](https://example.org/page))": what stands in an answer for a citation.
std::string link_of(const agent::Citation& citation);

// Finds the first of some strings in a text that comes in pieces, and holds back what may be its beginning.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}
  // What may be shown now. After a match: what stood before it, and then nothing more.
  std::string push(std::string_view piece);
  // What was held back, when the text has ended without a match.
  std::string rest();
  bool matched() const { return matched_; }
  // The string that was met; empty without a match.
  const std::string& match() const { return match_; }

 private:
  std::vector<std::string> strings_;
  std::string held_, match_;
  bool matched_ = false;
};

}  // namespace toccata::server
