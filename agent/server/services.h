// What every endpoint shares.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/harmony/renderer.h"
#include "agent/model/token_model.h"
#include "agent/server/api_error.h"
#include "agent/server/generation.h"
#include "agent/server/http_server.h"
#include "agent/server/job_queue.h"
#include "agent/server/metrics.h"
#include "agent/server/response_store.h"
#include "agent/server/run_desk.h"
#include "agent/server/session_pool.h"
#include "agent/server/step_memory.h"
#include "agent/server/tool_desk.h"
#include "agent/server/token_seal.h"
#include "agent/server/turn_masks.h"

namespace toccata::server {

struct ServiceOptions {
  std::string model_id;                  // what clients are told; empty: the model's name
  bool strict_model = false;             // another name in a request is an error
  SamplingParams sampling;               // where a request says nothing
  harmony::ReasoningEffort effort = harmony::ReasoningEffort::kMedium;
  bool today = true;                     // the date stands in the system message
  bool hide_reasoning = false;
  std::string reasoning_field = "reasoning";  // of Chat Completions: "reasoning", "reasoning_content" or "both"
  bool constrain = true;                 // masks, where the model takes them
  int steps_max = 50;                    // of one response in which the server makes calls
  int n_workers = 8;                     // requests served at once
  std::size_t waiting_max = 512;
  PoolOptions pool;
  std::filesystem::path ledger = {};        // whose runs are shown; empty: none are
  std::shared_ptr<RunHost> host = nullptr;  // runs agents; null: none run here
  std::shared_ptr<ToolHost> tools = nullptr;  // built-in tools of requests; null: none are offered
  ContainerLimits containers = {};
  std::filesystem::path archive = {};       // ledger that stored responses and conversations stand in; empty: memory only
  std::filesystem::path seal_key = {};      // file of the key for encrypted_content; empty: one that ends with the process
};

// null for an empty path. Throw LedgerError.
std::unique_ptr<store::ResponseArchive> open_archive(const std::filesystem::path& path);
std::unique_ptr<store::ConversationArchive> open_conversations(const std::filesystem::path& path);

struct Services {
  Services(agent::TokenModel& served, harmony::Renderer its_renderer, ServiceOptions given)
      : model(served),
        renderer(std::move(its_renderer)),
        options(std::move(given)),
        seal(options.seal_key.empty() ? TokenSeal() : TokenSeal::from_file(options.seal_key).value_or_throw()),
        memory([this](const std::string& key) { return responses.find_step(key); }),
        masks(model, renderer, options.constrain),
        pool(model, options.pool),
        responses({}, open_archive(options.archive)),
        conversations(open_conversations(options.archive)),
        desk(options.ledger, options.host, model.tokenizer()),
        tools(options.tools, options.containers),
        queue(options.n_workers, options.waiting_max) {
    if (options.model_id.empty()) options.model_id = model.name();
  }

  agent::TokenModel& model;
  const harmony::Renderer renderer;
  ServiceOptions options;
  Metrics metrics;
  const TokenSeal seal;
  StepMemory memory;
  const TurnMasks masks;
  SessionPool pool;
  ResponseStore responses;
  const std::unique_ptr<store::ConversationArchive> conversations;  // null: none are kept
  RunDesk desk;
  ToolDesk tools;
  JobQueue queue;  // last: its threads end before what they use
};

// Runs `work` on a worker. A full queue is 429; an ApiError it throws is the answer, or the last event of a stream that
// has begun (`stream_error` makes that event).
void submit(
    Services& services,
    const std::shared_ptr<Exchange>& exchange,
    std::function<void()> work,
    std::function<std::string(const ApiError&)> stream_error = {}
);

// The request's W3C "traceparent"; "" when there is none that can be read.
std::string traceparent_of(const HttpRequest& request);

// "chatcmpl-5f0c...": `prefix` and 24 random hexadecimal digits.
std::string make_id(const std::string& prefix);
std::int64_t unix_time();

// Counts of one or several model calls.
struct Counts {
  std::int64_t prompt = 0, cached = 0, output = 0, reasoning = 0;
  double prefill_s = 0, decode_s = 0;
  void add(std::int64_t n_prompt, std::int64_t n_cached, const StepOutcome& outcome);
};

// Throws ApiError "context_length_exceeded" for a prompt that leaves no room for an answer: before a stream begins.
void check_fits(const Services& services, const Prompt& prompt);

// A prompt, sampled: finds a session, runs the step, counts it and remembers what was said. With `tools`, of which
// options.made_here are calls, steps follow each other until an answer, a call of the client's or a limit, and the
// outcome is all of them as one.
// Throws ApiError when the prompt does not fit, or the model or a tool fails.
StepOutcome run_prompt(
    Services& services,
    const Prompt& prompt,
    const StepOptions& options,
    StepListener& listener,
    const std::stop_token& stop,
    Counts& counts,
    agent::ServedTurn* tools = nullptr
);

}  // namespace toccata::server
