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

std::string traceparent_of(const HttpRequest& request) {
  const std::string_view named = request.header("traceparent");
  return agent::parse_traceparent(named) ? std::string(named) : std::string();
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

namespace {

// Steps of one prompt, one after another in one session.
class PromptRunner {
 public:
  PromptRunner(Services& services, const Prompt& prompt, const StepOptions& options, StepListener& listener, Counts& counts, agent::ServedTurn* tools)
      : services_(services), prompt_(prompt), options_(options), listener_(listener), counts_(counts), tools_(tools), opening_(services.renderer.opening(harmony::Role::kAssistant)) {}

  StepOutcome run(const std::stop_token& stop) {
    auto lease = services_.pool.acquire(prompt_.tokens);
    if (!lease) throw api_error(lease.error());
    lease->introduce(prompt_.opening);
    lease->trace(options_.traceparent);
    std::int64_t n_read = std::ssize(prompt_.tokens) - lease->n_cached();
    listener_.begun(std::ssize(prompt_.tokens), lease->n_cached());
    if (tools_ != nullptr) tools_->begin(std::span(prompt_.tokens).first(prompt_.tokens.size() - opening_.size()));
    for (int n_steps = 1;; ++n_steps) {
      StepOutcome step = take_step(*lease, n_read, stop);
      const bool goes_on = step.finish == Finish::kCalls && tools_ != nullptr && answer_calls(*lease, step.calls, stop, n_read);
      join(std::move(step));
      if (!goes_on) break;
      if (n_steps == services_.options.steps_max) {
        whole_.finish = Finish::kLength;
        whole_.limit = "max_steps";
        break;
      }
      if (!open_next(*lease, n_read)) {
        whole_.finish = Finish::kLength;
        break;
      }
    }
    const auto begin = lease->timeline().begin() + std::ssize(prompt_.tokens);
    whole_.tokens.assign(begin, lease->timeline().end());
    if (tools_ != nullptr) tools_->finish(ending(), whole_.step.text, usage());
    return std::move(whole_);
  }

 private:
  using Finish = StepOutcome::Finish;

  StepOutcome take_step(SessionPool::Lease& lease, std::int64_t n_read, const std::stop_token& stop) {
    if (tools_ != nullptr) tools_->begin_step();
    const std::int64_t n_prompt = std::ssize(lease.timeline());
    StepOutcome step = run_step(lease, services_.renderer, options_, listener_, stop);
    counts_.add(n_prompt, n_prompt - n_read, step);
    services_.metrics.step_done(
        {.prompt_tokens = n_prompt,
         .cached_tokens = n_prompt - n_read,
         .output_tokens = std::ssize(step.tokens),
         .prefill_s = step.prefill_s,
         .decode_s = step.decode_s,
         .cancelled = step.finish == Finish::kCancelled}
    );
    if (tools_ != nullptr) tools_->end_step(opening_, step.tokens, n_read, name_of(step.finish));
    if (step.finish == Finish::kFailed) throw api_error(step.error);
    if (step.finish == Finish::kCancelled) throw ApiError(503, "the request was cancelled", "cancelled");
    if (limited_) options_.max_tokens = std::max<std::int64_t>(options_.max_tokens - std::ssize(step.tokens), 0);
    options_.must_call.reset();
    if (options_.constraint) options_.constraint = options_.later_constraint;
    return step;
  }

  static const char* name_of(Finish finish) {
    switch (finish) {
      case Finish::kCalls:
        return "call";
      case Finish::kLength:
        return "step_tokens";
      case Finish::kCancelled:
        return "stopped";
      case Finish::kFailed:
        return "model_error";
      case Finish::kStop:
      case Finish::kStopString:
        break;
    }
    return "stop";
  }

  agent::Ending ending() const {
    if (whole_.finish == Finish::kCalls) return {0, "client_call", "the client makes the calls that follow"};
    if (whole_.finish == Finish::kLength) return {4, whole_.limit, "the response reached its limit"};
    return {0, "final", ""};
  }

  // Makes those of the calls that are the server's. False where the step is the last: the client is to make the others.
  bool answer_calls(
      SessionPool::Lease& lease, const std::vector<agent::MessageStream::Done>& calls, const std::stop_token& stop, std::int64_t& n_read
  ) {
    const std::int64_t n_before = std::ssize(lease.timeline());
    bool all_made = true;
    for (const agent::MessageStream::Done& call : calls) {
      if (!options_.makes_call(call.message.recipient.value_or(""))) {
        all_made = false;
        continue;
      }
      settle_log(lease);
      const auto answer = tools_->answer(call);
      if (stop.stop_requested()) throw ApiError(503, "the request was cancelled", "cancelled");
      if (answer.ending) {
        tools_->finish(*answer.ending, "", usage());
        throw ApiError(500, answer.ending->message, answer.ending->reason);
      }
      append(lease, answer.tokens);
    }
    n_read = std::ssize(lease.timeline()) - n_before;
    return all_made;
  }

  // Something follows what the model said last: `<|return|>` becomes `<|end|>`, an open message is closed.
  void settle_log(SessionPool::Lease& lease) {
    Tokens settled{lease.timeline()};
    settle(settled, services_.renderer.control());
    const std::size_t n = lease.timeline().size();
    if (settled.size() == n && settled.back() == lease.timeline().back()) return;
    const bool in_place = settled.size() == n;
    const Tokens closing(settled.begin() + static_cast<std::ptrdiff_t>(n) - (in_place ? 1 : 0), settled.end());
    // A session that cannot go back keeps the token: off the form, but better than no next step.
    if (in_place && !lease.take_back(1)) return;
    append(lease, closing);
    tools_->close(closing, in_place);
  }

  bool open_next(SessionPool::Lease& lease, std::int64_t& n_read) {
    if (limited_ && options_.max_tokens == 0) return false;
    const std::int64_t n_context = services_.model.capabilities().n_context;
    if (n_context > 0 && std::ssize(lease.timeline()) + std::ssize(opening_) >= n_context) return false;
    append(lease, opening_);
    n_read += std::ssize(opening_);
    return true;
  }

  static void append(SessionPool::Lease& lease, const Tokens& tokens) {
    if (Result<void> appended = lease.append(tokens); !appended) throw api_error(appended.error());
  }

  static void join_text(std::string& to, const std::string& text) {
    if (!to.empty() && !text.empty()) to += "\n\n";
    to += text;
  }

  void join(StepOutcome step) {
    whole_.finish = step.finish;
    whole_.stop_string = step.stop_string;
    join_text(whole_.step.reasoning, step.step.reasoning);
    join_text(whole_.step.text, step.step.text);
    for (Call& call : step.step.calls) {
      if (!options_.makes_call(call.recipient)) whole_.step.calls.push_back(std::move(call));
    }
    for (agent::MessageStream::Done& call : step.calls) {
      if (!options_.makes_call(call.message.recipient.value_or(""))) whole_.calls.push_back(std::move(call));
    }
    whole_.n_reasoning += step.n_reasoning;
    whole_.prefill_s += step.prefill_s;
    whole_.decode_s += step.decode_s;
  }

  agent::TokenUsage usage() const { return {counts_.prompt, counts_.cached, counts_.output, counts_.reasoning}; }

  Services& services_;
  const Prompt& prompt_;
  StepOptions options_;
  StepListener& listener_;
  Counts& counts_;
  agent::ServedTurn* const tools_;
  const Tokens opening_;
  const bool limited_ = options_.max_tokens > 0;
  StepOutcome whole_;
};

}  // namespace

StepOutcome run_prompt(
    Services& services,
    const Prompt& prompt,
    const StepOptions& options,
    StepListener& listener,
    const std::stop_token& stop,
    Counts& counts,
    agent::ServedTurn* tools
) {
  StepOutcome outcome = PromptRunner(services, prompt, options, listener, counts, tools).run(stop);
  // A text cut at a stop string has more tokens than its reader saw.
  if (outcome.finish != StepOutcome::Finish::kStopString) {
    services.memory.remember(step_key(prompt, outcome.step), outcome.tokens);
  }
  return outcome;
}

}  // namespace toccata::server
