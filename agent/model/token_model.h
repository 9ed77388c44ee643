// A model as the agent sees it: a session over token ids. The engine, a remote completions server and the scripted
// model all stand behind this seam.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/harmony/message.h"
#include "core/base/error.h"
#include "core/base/op_time.h"
#include "core/base/sampling_params.h"
#include "core/base/token.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {

struct Capabilities {
  bool constraint = false;  // sample() honours a mask
  bool fork = false;
  bool logprobs = false;
  bool logit_changes = false;  // sample() honours logit_bias, repetition, typical_p and n_top
  int n_vocab = 0;            // columns of the logits
  std::int64_t n_context = 0;  // most tokens a session may hold
};

// Counters of one session. Over a run, prefilled == appended: nothing is ever read twice.
struct Usage {
  std::int64_t appended = 0;   // tokens given to append()
  std::int64_t prefilled = 0;  // tokens the model ran through prefill, for this session or for another that began alike
  std::int64_t decoded = 0;    // tokens sampled
  friend bool operator==(const Usage&, const Usage&) = default;
};

struct Likely {
  Token token = 0;
  float logprob = 0.0F;
};

struct Sampled {
  Token token = 0;
  float logprob = 0.0F;  // natural log of its probability before temperature and cuts; 0 when not known
  std::vector<Likely> top = {};  // the SamplingParams::n_top likeliest, best first
};

// One bit per column of the logits, 32 to a word, least significant first; a clear bit forbids the token.
using TokenMask = std::span<const std::uint32_t>;

// A position to come back to.
struct Checkpoint {
  std::int64_t n_tokens = 0;
  std::uint64_t handle = 0;  // the model's own
};

// One timeline of tokens. One thread at a time.
class TokenSession {
 public:
  virtual ~TokenSession() = default;
  // The system and developer messages that stand at the head of the log, as values: for models that are told of
  // instructions and tools in another form than tokens. Before the first sample(); changes nothing in the log.
  virtual void introduce(std::span<const harmony::Message> /*opening*/) {}
  // A W3C traceparent, "" = none: requests for the samples to come carry it, where the model is asked by requests.
  virtual void trace(const std::string& /*traceparent*/) {}
  // Adds tokens the model did not sample. May do nothing until the next sample().
  // kResourceExhausted when the context is full: nothing is added then.
  virtual Result<void> append(std::span<const Token> tokens) = 0;
  // Chooses the next token and adds it to the timeline. kCancelled when `stop` was requested.
  virtual Result<Sampled> sample(
      const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop
  ) = 0;
  // Runs what was appended through the model now, rather than with the next sample(): copies made from here on share it.
  // kCancelled when `stop` was requested. Models that cannot leave it for later.
  virtual Result<void> prefill(std::stop_token /*stop*/) { return {}; }
  // Behind the call that has just ended the same answer holds another one, which sample() gives next.
  virtual bool has_further_call() const { return false; }
  // The next sample() waits for nothing: its token is there already, as when several came at once.
  virtual bool has_next() const { return false; }
  // An independent copy, whose counters go on from here. kUnsupported where capabilities().fork is false.
  virtual Result<std::unique_ptr<TokenSession>> fork() = 0;
  virtual Result<Checkpoint> checkpoint() = 0;
  // Forgets every token after the checkpoint. {n_tokens() - 1, 0} takes back the last sampled token without a
  // checkpoint, right after sample(): the loop replaces a closing `<|return|>` so.
  virtual Result<void> rollback(const Checkpoint& checkpoint) = 0;
  virtual std::int64_t n_tokens() const = 0;
  virtual const Usage& usage() const = 0;
};

// Tokens that each expert of each layer has worked on so far.
struct ExpertLoad {
  int n_layers = 0, n_experts = 0;
  std::vector<std::int64_t> tokens = {};  // [n_layers, n_experts]; empty where that is not known
};

struct Profile {
  std::vector<OpTime> operations;
  // What bounds them where they ran; 0: not known.
  double bytes_per_second = 0, flops_per_second = 0;
};

// Shared by many sessions and threads.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual const std::string& name() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  virtual std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const = 0;
  virtual Result<std::unique_ptr<TokenSession>> open_session() = 0;
  // Of all sessions; empty for models that run elsewhere.
  virtual ExpertLoad expert_load() const { return {}; }
  // Where its weights stand and how it runs, in a sentence; empty where there is nothing to say.
  virtual std::string whereabouts() const { return {}; }
  // What every operation took between the two calls, which are made while no session samples. False, and nothing then,
  // where that is not known.
  virtual bool start_profile() { return false; }
  virtual Profile stop_profile() { return {}; }
};

}  // namespace toccata::agent
