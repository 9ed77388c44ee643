#include "agent/server/services.h"

#include <ctime>
#include <random>

namespace toccata::server {

namespace {

constexpr int kDaysKept = 30;  // as OpenAI keeps them

}  // namespace

std::unique_ptr<store::ResponseArchive> open_archive(const std::filesystem::path& path) {
  return path.empty() ? nullptr : store::ResponseArchive::open(path, kDaysKept).value_or_throw();
}

std::unique_ptr<store::ConversationArchive> open_conversations(const std::filesystem::path& path) {
  return path.empty() ? nullptr : store::ConversationArchive::open(path).value_or_throw();
}

void submit(
    Services& services,
    const std::shared_ptr<Exchange>& exchange,
    std::function<void()> work,
    std::function<std::string(const ApiError&)> stream_error
) {
  auto fail = [exchange, stream_error](const ApiError& error) {
    // Whichever of the two does not apply does nothing.
    if (stream_error) exchange->send(stream_error(error));
    exchange->reply(error_reply(exchange->request(), error));
    exchange->finish();
  };
  const bool taken = services.queue.push([exchange, work = std::move(work), fail] {
    try {
      if (exchange->stop().stop_requested()) throw ApiError(503, "cancelled", "cancelled");
      work();
    } catch (const std::exception&) {
      fail(current_api_error());
    }
  });
  if (!taken) {
    exchange->reply(error_reply(
        exchange->request(),
        ApiError(429, "too many requests are waiting; try again later", "rate_limit_exceeded")
    ));
  }
}

std::string make_id(const std::string& prefix) {
  thread_local std::mt19937_64 random(
      (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()
  );
  std::string id = prefix;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = random();
    for (int i = 0; i < 12; ++i, bits >>= 4) id += "0123456789abcdef"[bits & 15];
  }
  return id;
}

std::int64_t unix_time() { return static_cast<std::int64_t>(std::time(nullptr)); }

void Counts::add(std::int64_t n_prompt, std::int64_t n_cached, const StepOutcome& outcome) {
  prompt += n_prompt;
  cached += n_cached;
  output += static_cast<std::int64_t>(outcome.tokens.size());
  reasoning += outcome.n_reasoning;
  prefill_s += outcome.prefill_s;
  decode_s += outcome.decode_s;
}

void check_fits(const Services& services, const Prompt& prompt) {
  const std::int64_t n_context = services.model.capabilities().n_context;
  const auto n_prompt = static_cast<std::int64_t>(prompt.tokens.size());
  if (n_context <= 0 || n_prompt < n_context) return;
  throw ApiError(
      400,
      "the request has " + std::to_string(n_prompt) + " tokens, and the model's context holds " + std::to_string(n_context),
      "context_length_exceeded"
  );
}

StepOutcome run_prompt(
    Services& services,
    const Prompt& prompt,
    const StepOptions& options,
    StepListener& listener,
    const std::stop_token& stop,
    Counts& counts
) {
  auto lease = services.pool.acquire(prompt.tokens);
  if (!lease) throw api_error(lease.error());
  lease->introduce(prompt.opening);
  const auto n_prompt = static_cast<std::int64_t>(prompt.tokens.size());
  listener.begun(n_prompt, lease->n_cached());
  StepOutcome outcome = run_step(*lease, services.renderer, options, listener, stop);
  counts.add(n_prompt, lease->n_cached(), outcome);
  services.metrics.step_done(
      {.prompt_tokens = n_prompt,
       .cached_tokens = lease->n_cached(),
       .output_tokens = static_cast<std::int64_t>(outcome.tokens.size()),
       .prefill_s = outcome.prefill_s,
       .decode_s = outcome.decode_s,
       .cancelled = outcome.finish == StepOutcome::Finish::kCancelled}
  );
  if (outcome.finish == StepOutcome::Finish::kFailed) throw api_error(outcome.error);
  if (outcome.finish == StepOutcome::Finish::kCancelled) {
    throw ApiError(503, "the request was cancelled", "cancelled");
  }
  // A text cut at a stop string has more tokens than its reader saw.
  if (outcome.finish != StepOutcome::Finish::kStopString) {
    services.memory.remember(step_key(prompt, outcome.step), outcome.tokens);
  }
  return outcome;
}

}  // namespace toccata::server
