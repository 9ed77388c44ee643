#include "agent/loop/step.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;

void add_line(std::string& to, const std::string& text) {
  if (!to.empty()) to += '\n';
  to += text;
}

// By recipient first, then by channel.
void sort_messages(const std::vector<MessageStream::Done>& messages, StepResult& result) {
  std::string without_channel;  // counts only when nothing better is there
  for (const MessageStream::Done& done : messages) {
    const std::string text = done.message.text();
    const std::string channel = done.message.channel.value_or("");
    if (asks_for_tool(done.message.recipient)) {
      result.calls.push_back(done);
    } else if (text.empty() || channel == "analysis") {
      continue;
    } else if (channel == "commentary") {
      add_line(result.preamble, text);
    } else if (channel == "final") {
      add_line(result.final, text);
    } else if (channel.empty()) {
      add_line(without_channel, text);
    }  // an unknown channel is kept in the ledger and shown to nobody
  }
  if (result.final.empty()) result.final = without_channel;
}

const char* name_of_end(const StepResult& result) {
  if (result.cancelled) return "stopped";
  if (result.ending) return result.ending->reason.c_str();
  return result.calls.empty() ? "stop" : "call";
}

}  // namespace

Ending ending_for(const Error& error) {
  if (error.code == ErrorCode::kResourceExhausted) return {4, "context_full", error.message};
  return {7, "model_error", error.message};
}

std::optional<Ending> over_budget(const TokenLog& log, Budget& budget, std::int64_t n_read, std::int64_t n_sampled) {
  auto why = budget.admit(log.usage(), n_read, n_sampled);
  if (!why) return std::nullopt;
  return Ending{4, "budget", std::move(*why)};
}

// Parser, message stream and masks of one step. The lenient parser never fails.
struct Step::Reader {
  harmony::Parser parser;
  MessageStream stream;
  harmony::Constraint* constraint;  // may be null

  void push(Token token) {
    if (constraint != nullptr) constraint->observe(token);
    if (const auto parsed = parser.push(token)) stream.take(*parsed);
  }
  void push_again(Token token) {
    if (constraint != nullptr) constraint->observe(token);
    if (const auto parsed = parser.push(token)) stream.take_again(*parsed);
  }
  void finish() {
    if (const auto parsed = parser.finish()) stream.take(*parsed);
    stream.finish();
  }
};

Step::Step(
    TokenLog& log,
    const harmony::Renderer& renderer,
    store::RunWriter& writer,
    EventQueue& events,
    const AgentConfig& config,
    Budget& budget,
    std::vector<std::string> recipients,
    const tools::CitablePages& pages
)
    : log_(log),
      renderer_(renderer),
      writer_(writer),
      events_(events),
      config_(config),
      budget_(budget),
      recipients_(std::move(recipients)),
      pages_(pages) {
  if (config_.constraint) constraint_.emplace(config_.constraint);
}

Step::Reader Step::make_reader() {
  const harmony::ParserOptions options{
      .role = harmony::Role::kAssistant, .strict = false, .tools = recipients_};
  if (constraint_) constraint_->begin();
  begin_ = ModelCall::Clock::now();
  if (config_.trace) log_.trace(config_.trace->traceparent(config_.trace->span_of_step(writer_.id(), n_)));
  first_token_.reset();
  return Reader{
      harmony::Parser(renderer_, options), MessageStream(writer_, events_, pages_), constraint_ ? &*constraint_ : nullptr};
}

StepResult Step::take(bool force_final, const std::stop_token& stop, TokenUsage& usage) {
  const Usage before = log_.usage();
  writer_.begin_step(++n_);
  Reader reader = make_reader();
  StepResult result;
  result.ending = open_message(force_final, reader);
  const std::int64_t n_prompt = log_.n_tokens();
  if (!result.ending) sample(reader, 0, stop, usage, result);
  return finish(reader, std::move(result), before, n_prompt, usage);
}

StepResult Step::go_on(
    int number, std::span<const Token> said, const std::stop_token& stop, TokenUsage& usage
) {
  const Usage before = log_.usage();
  n_ = number;
  writer_.continue_step(number);
  Reader reader = make_reader();
  bool ended = false;
  for (const Token token : said) {
    const std::size_t n_before = reader.stream.messages().size();
    reader.push_again(token);
    ended = ended || ends_step(token, n_before, reader.stream);
  }
  StepResult result;
  const std::int64_t n_prompt = log_.n_tokens();
  if (!ended) sample(reader, std::ssize(said), stop, usage, result);
  return finish(reader, std::move(result), before, n_prompt, usage);
}

std::vector<MessageStream::Done> Step::calls_in(int number, std::span<const Token> said) {
  n_ = number;
  writer_.continue_step(number);
  harmony::Parser parser = make_reader().parser;
  std::vector<harmony::ParseEvent> parsed;
  for (const Token token : said) (void)parser.push(token, parsed);
  (void)parser.finish(parsed);
  std::vector<MessageStream::Done> calls;
  for (const harmony::ParseEvent& event : parsed) {
    const auto* done = std::get_if<harmony::MessageDone>(&event);
    if (done == nullptr || done->message.role != harmony::Role::kAssistant) continue;
    if (asks_for_tool(done->message.recipient)) calls.push_back({done->message, done->end});
  }
  return calls;
}

StepResult Step::finish(
    Reader& reader,
    StepResult result,
    const Usage& before,
    std::int64_t n_prompt,
    TokenUsage& usage
) {
  reader.finish();
  sort_messages(reader.stream.messages(), result);

  const std::int64_t prefilled = log_.usage().prefilled - before.prefilled;
  const std::int64_t decoded = log_.usage().decoded - before.decoded;
  if (prefilled + decoded > 0) {  // else the model was not reached
    usage.input_tokens += n_prompt;
    usage.cached_input_tokens += n_prompt - prefilled;
    usage.output_tokens += decoded;
  }
  writer_.finish_step(prefilled, decoded, name_of_end(result));
  if (config_.on_model_call) {
    config_.on_model_call(
        {writer_.id(), n_, begin_, ModelCall::Clock::now(), first_token_, n_prompt, prefilled, decoded, name_of_end(result)}
    );
  }
  return result;
}

std::optional<Ending> Step::open_message(bool force_final, Reader& reader) {
  Tokens opening = renderer_.opening(harmony::Role::kAssistant);
  const std::size_t n_known = opening.size();  // the parser begins behind them
  if (force_final) {
    opening.push_back(renderer_.control().channel);
    renderer_.tokenizer().encode_into("final", tokenizer::Specials::kNone, opening);
    opening.push_back(renderer_.control().message);
  }
  if (auto ending = over_budget(std::ssize(opening))) return ending;
  Result<void> appended = log_.append(SegmentKind::kForced, opening);
  if (!appended) return ending_for(appended.error());
  for (const Token token : std::span(opening).subspan(n_known)) reader.push(token);
  return std::nullopt;
}

std::optional<Ending> Step::force_answer(Reader& reader) {
  Tokens forced{renderer_.control().end};
  for (const Token token : renderer_.opening(harmony::Role::kAssistant)) forced.push_back(token);
  forced.push_back(renderer_.control().channel);
  renderer_.tokenizer().encode_into("final", tokenizer::Specials::kNone, forced);
  forced.push_back(renderer_.control().message);
  if (auto ending = over_budget(std::ssize(forced))) return ending;
  Result<void> appended = log_.append(SegmentKind::kForced, forced);
  if (!appended) return ending_for(appended.error());
  writer_.note("notice", "reasoning was cut at " + std::to_string(config_.limits.reasoning_tokens_max) + " tokens");
  for (const Token token : forced) reader.push(token);
  return std::nullopt;
}

void Step::sample(
    Reader& reader,
    std::int64_t n_sampled,
    const std::stop_token& stop,
    TokenUsage& usage,
    StepResult& result
) {
  const MessageStream& stream = reader.stream;
  std::int64_t n_reasoning = 0;
  for (;; ++n_sampled) {
    result.ending = limit_reached(n_sampled);
    if (result.ending) return;
    const bool reasoning = stream.in_reasoning();
    n_reasoning += reasoning ? 1 : 0;
    const std::int64_t reasoning_max = config_.limits.reasoning_tokens_max;
    if (reasoning && reasoning_max > 0 && n_reasoning > reasoning_max) {
      result.ending = force_answer(reader);
      if (result.ending) return;
      n_reasoning = 0;
      continue;
    }
    if (const std::int64_t n_forced = write_forced(reader, result); n_forced > 0) {
      if (result.ending || (constraint_ && constraint_->at_end())) return;
      n_sampled += n_forced - 1;
      continue;
    }
    if (!log_.has_next()) reader.stream.show_first();
    const std::size_t n_before = stream.messages().size();
    Result<Token> token = log_.sample(config_.sampling, constraint_ ? constraint_->mask() : std::nullopt, stop);
    if (!token) {
      result.cancelled = token.error().code == ErrorCode::kCancelled;
      if (!result.cancelled) result.ending = ending_for(token.error());
      return;
    }
    if (reasoning) ++usage.reasoning_output_tokens;
    writer_.first_token();
    if (config_.on_model_call && !first_token_) first_token_ = ModelCall::Clock::now();
    reader.push(*token);
    if (ends_step(*token, n_before, stream)) return;
    if (call_ended_ && stream.messages().size() > n_before) call_ended_(stream.messages());
  }
}

std::int64_t Step::write_forced(Reader& reader, StepResult& result) {
  if (!constraint_) return 0;
  const Tokens forced = constraint_->forced();
  const std::int64_t n = std::ssize(forced);
  if (n == 0) return 0;
  result.ending = over_budget(n);
  if (result.ending) return n;
  if (Result<void> appended = log_.append(SegmentKind::kForced, forced); !appended) {
    result.ending = ending_for(appended.error());
    return n;
  }
  for (const Token token : forced) reader.push(token);
  return n;
}

// A call closed by `<|end|>` is a call; what would follow is the model's own idea of the result.
bool Step::ends_step(
    Token token, std::size_t n_messages_before, const MessageStream& stream
) const {
  if (stream.foreign_role()) return true;
  const bool message_ended = stream.messages().size() > n_messages_before;
  const bool call_ended = message_ended && asks_for_tool(stream.messages().back().message.recipient);
  if (call_ended && log_.has_further_call()) return false;
  return call_ended || log_.is_stop(token);
}

std::optional<Ending> Step::limit_reached(std::int64_t n_sampled) const {
  const Limits& limits = config_.limits;
  if (n_sampled >= limits.step_tokens_max) {
    return Ending{
        4,
        "step_tokens",
        "the model did not stop within " + std::to_string(limits.step_tokens_max) +
            " tokens of one step"};
  }
  return agent::over_budget(log_, budget_, 0, 1);
}

std::optional<Ending> Step::over_budget(std::int64_t n_read) const {
  return agent::over_budget(log_, budget_, n_read);
}

}  // namespace toccata::agent
