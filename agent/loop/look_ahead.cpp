#include "agent/loop/look_ahead.h"

#include <functional>
#include <system_error>
#include <thread>
#include <utility>

namespace toccata::agent {

class LookAhead::Watch {
 public:
  Watch(LookAhead& owner, harmony::Message stub, Watchdog& watchdog)
      : owner_(owner),
        stub_(std::move(stub)),
        due_(Watchdog::Clock::now() + owner.config_.look_ahead.after),
        watch_(watchdog.watch(due_)),
        due_callback_(std::in_place, watch_.token(), [this] { begin(); }) {}
  ~Watch() { due_callback_.reset(); }  // from here on nothing begins; the thread is stopped and waited for

 private:
  // On the watchdog's thread, or on that which stops the run.
  void begin() {
    if (Watchdog::Clock::now() < due_) return;
    try {
      thread_ = std::jthread([this](const std::stop_token& stop) { owner_.look(std::move(stub_), stop); });
    } catch (const std::system_error&) {  // no thread to spare: nobody looks ahead
    }
  }

  LookAhead& owner_;
  harmony::Message stub_;
  const Watchdog::Clock::time_point due_;
  std::jthread thread_;
  const Watchdog::Watch watch_;
  std::optional<std::stop_callback<std::function<void()>>> due_callback_;
};

LookAhead::LookAhead(
    const TokenLog& log,
    const harmony::Renderer& renderer,
    const AgentConfig& config,
    Budget& budget,
    Dispatcher& dispatcher,
    std::vector<std::string> recipients,
    bool has_functions
)
    : log_(log),
      renderer_(renderer),
      config_(config),
      budget_(budget),
      dispatcher_(dispatcher),
      recipients_(std::move(recipients)),
      has_functions_(has_functions) {
  if (config_.constraint) constraint_.emplace(config_.constraint);
}

std::shared_ptr<void> LookAhead::watch(harmony::Message stub, Watchdog& watchdog) {
  return std::make_shared<Watch>(*this, std::move(stub), watchdog);
}

void LookAhead::look(harmony::Message stub, const std::stop_token& stop) {
  n_left_ = config_.look_ahead.tokens_max;
  try {
    Result<std::unique_ptr<TokenSession>> fork = log_.copy_behind_message();
    while (fork && !stop.stop_requested()) {
      Result<Tokens> tokens = renderer_.message(stub, has_functions_, harmony::RenderConfig::live());
      if (!tokens) return;
      for (const Token token : renderer_.opening(harmony::Role::kAssistant)) tokens->push_back(token);
      if (!append(**fork, *tokens)) return;
      const auto call = next_call(**fork, stop);
      if (!call || stop.stop_requested()) return;
      auto next_stub = dispatcher_.guess(*call);
      if (!next_stub) return;
      stub = std::move(*next_stub);
    }
  } catch (const std::exception&) {  // of guessing nothing depends on, not even whether it works
  }
}

std::optional<MessageStream::Done> LookAhead::next_call(TokenSession& fork, const std::stop_token& stop) {
  harmony::Parser parser(renderer_, {.role = harmony::Role::kAssistant, .strict = false, .tools = recipients_});
  if (constraint_) constraint_->begin();
  std::vector<harmony::ParseEvent> parsed;
  Tokens said;
  for (;;) {
    said = constraint_ ? constraint_->forced() : Tokens();
    if (!said.empty()) {
      if (!append(fork, said)) return std::nullopt;
    } else {
      if (!admit(0, 1)) return std::nullopt;
      const Result<Sampled> sampled = fork.sample(config_.sampling, constraint_ ? constraint_->mask() : std::nullopt, stop);
      if (!sampled) return std::nullopt;
      said.push_back(sampled->token);
    }
    for (const Token token : said) {
      if (constraint_) constraint_->observe(token);
      parsed.clear();
      if (!parser.push(token, parsed)) return std::nullopt;
      for (const harmony::ParseEvent& event : parsed) {
        if (const auto* begun = std::get_if<harmony::MessageStarted>(&event)) {
          const bool answers = begun->channel.value_or("") != "analysis" && begun->channel.value_or("") != "commentary";
          if (begun->role != harmony::Role::kAssistant || (answers && !asks_for_tool(begun->recipient))) return std::nullopt;
        } else if (const auto* done = std::get_if<harmony::MessageDone>(&event)) {
          if (asks_for_tool(done->message.recipient)) return MessageStream::Done{done->message, done->end};
        }
      }
      if (log_.is_stop(token)) return std::nullopt;
    }
  }
}

bool LookAhead::append(TokenSession& fork, const Tokens& tokens) {
  return admit(std::ssize(tokens), 0) && fork.append(tokens).ok();
}

bool LookAhead::admit(std::int64_t n_read, std::int64_t n_sampled) {
  if (n_left_ < n_sampled || !budget_.admit_guess(n_read, n_sampled)) return false;
  n_left_ -= n_sampled;
  n_tokens_ += n_read + n_sampled;
  return true;
}

}  // namespace toccata::agent
