#include "agent/loop/served_turn.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/harmony/parser.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/events_json.h"
#include "agent/loop/prompt.h"
#include "agent/loop/watchdog.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;
using Verdict = CallOutcome::Verdict;

// A tool of the conversation, for this turn.
class Lent final : public tools::Tool {
 public:
  explicit Lent(tools::Tool& tool) : tool_(tool) {}
  const tools::ToolSpec& spec() const override { return tool_.spec(); }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override { return tool_.call(call, std::move(stop)); }
  const tools::CitablePages* citable_pages() const override { return tool_.citable_pages(); }

 private:
  tools::Tool& tool_;
};

bool is_offered(const tools::ToolSpec& spec, const std::set<std::string>& offered) {
  if (spec.functions.empty()) return offered.contains(spec.name_space);
  return std::any_of(spec.functions.begin(), spec.functions.end(), [&](const tools::FunctionSpec& function) {
    return offered.contains(spec.name_space + "." + function.name);
  });
}

tools::Registry lend(const tools::Registry& from, const std::set<std::string>& offered) {
  tools::Registry lent;
  for (const auto& tool : from.tools()) {
    if (is_offered(tool->spec(), offered)) lent.add(std::make_unique<Lent>(*tool));
  }
  return lent;
}

// Of a result that stands in the history, all that is known is who gave it.
tools::Provenance provenance_of(const std::string& author) {
  const bool is_own = author == "python" || author.starts_with("functions.");
  if (is_own) return {};
  return {true, author.substr(0, author.find('.'))};
}

}  // namespace

class ServedTurn::Impl {
 public:
  Impl(const tools::Registry& tools, store::Ledger& ledger, ServedRun& run, const harmony::Renderer& renderer, bool has_functions, Options options)
      : renderer_(renderer),
        has_functions_(has_functions),
        options_(std::move(options)),
        tools_(lend(tools, options_.offered)),
        pages_(tools_),
        ledger_(ledger),
        run_(run),
        watchdog_(options_.stop) {}

  ~Impl() {
    if (!writer_ || finished_) return;
    try {
      finish({130, "stopped", "the response was cut off"}, "", {});
    } catch (const store::LedgerError&) {  // the run then shows as interrupted
    }
  }

  void begin(std::span<const Token> prompt) {
    const std::size_t n_known = go_on(prompt);
    if (n_known == 0) begin_run();
    events_.emplace(*writer_, options_.sink);
    dispatcher_.emplace(tools_, *writer_, *events_, options_.config, budget_);
    const std::size_t n_opening = read(prompt, n_known);
    // A resumed run looks for the user's message by its segment.
    put(SegmentKind::kPrompt, prompt.subspan(n_known, std::max(n_opening, n_known) - n_known));
    put(SegmentKind::kUser, prompt.subspan(std::max(n_opening, n_known)));
    writer_->commit();
  }

  void begin_step() { writer_->begin_step(++run_.n_steps); }

  void end_step(std::span<const Token> opening, std::span<const Token> said, std::int64_t prefilled, const char* end) {
    put(SegmentKind::kForced, opening);
    put(SegmentKind::kSampled, said);
    harmony::Parser parser(renderer_, {.role = harmony::Role::kAssistant, .tools = {}});
    std::vector<harmony::ParseEvent> parsed;
    for (const Token token : said) (void)parser.push(token, parsed);
    (void)parser.finish(parsed);
    for (const harmony::ParseEvent& event : parsed) {
      if (const auto* done = std::get_if<harmony::MessageDone>(&event)) writer_->add_message(row_of(done->message));
    }
    writer_->finish_step(prefilled, std::ssize(said), end);
    writer_->commit();
  }

  Answer answer(const MessageStream::Done& call) {
    const CallOutcome outcome = dispatcher_->dispatch(call, watchdog_, std::nullopt);
    if (outcome.verdict == Verdict::kOverBudget) return refuse(call, outcome.reason, false);
    if (outcome.verdict == Verdict::kWaits) return refuse(call, "it needs approval, and nobody can be asked here", true);
    Answer answer = take(outcome.answer);
    const std::string name = call.message.recipient.value_or("");
    if (outcome.verdict == Verdict::kDenied) answer.ending = Ending{5, outcome.reason, outcome.answer.text()};
    if (outcome.verdict == Verdict::kStopsRun) answer.ending = Ending{6, outcome.reason, outcome.answer.text()};
    if (outcome.verdict == Verdict::kRepeated) answer.ending = Ending{1, "repeated_calls", "the model keeps making the same call to " + name};
    n_malformed_ = outcome.malformed ? n_malformed_ + 1 : 0;
    if (outcome.malformed && n_malformed_ >= options_.config.limits.malformed_max) {
      answer.ending = Ending{1, "malformed", std::to_string(n_malformed_) + " unusable calls in a row, the last: " + outcome.answer.text()};
    }
    return answer;
  }

  Answer refuse(const MessageStream::Done& call, const std::string& why, bool asked) {
    return take(dispatcher_->refuse(call, why, asked).answer);
  }

  void close(std::span<const Token> tokens, bool in_place) {
    if (in_place) take_back_last();
    put(SegmentKind::kForced, tokens);
  }

  void finish(const Ending& ending, const std::string& final, const TokenUsage& usage) {
    finished_ = true;
    writer_->finish(
        {.exit_code = ending.exit_code,
         .terminal_reason = ending.reason,
         .message = ending.message,
         .final = final,
         .usage = json_text(to_json(usage))}
    );
  }

  const RunPages& pages() const { return pages_; }
  const std::string& run_id() const { return run_.id; }

 private:
  // How much of the prompt stands in the run already; 0: another run must be begun.
  std::size_t go_on(std::span<const Token> prompt) {
    Tokens& log = run_.timeline;
    if (run_.id.empty() || log.empty() || prompt.size() < log.size()) return 0;
    const std::size_t n_body = log.size() - 1;
    if (!std::equal(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(n_body), prompt.begin())) return 0;
    const bool same_end = log.back() == prompt[n_body];
    // A closing `<|return|>` is `<|end|>` in a history.
    if (!same_end && log.back() != renderer_.control().return_) return 0;
    // Somebody may have gone on with it otherwise, as the page can.
    const auto recorded = ledger_.load_run(run_.id);
    if (!recorded || recorded->timeline() != log) return 0;
    auto writer = ledger_.open_run(run_.id);
    if (!writer) return 0;
    writer_.emplace(std::move(*writer));
    writer_->reopen();
    if (!same_end) take_back_last();
    return log.size();
  }

  void begin_run() {
    writer_.emplace(ledger_.create_run(options_.info));
    run_ = {writer_->id(), {}, 0};
  }

  // Reads the whole prompt for what it shows and whose words it holds, and records what is new. Where the first message
  // of the user begins.
  std::size_t read(std::span<const Token> prompt, std::size_t n_known) {
    harmony::Parser parser(renderer_, {.role = std::nullopt, .tools = {}});
    std::vector<harmony::ParseEvent> parsed;
    std::size_t begins = 0;
    std::optional<std::size_t> first_user;
    for (std::size_t i = 0; i < prompt.size(); ++i) {
      parsed.clear();
      (void)parser.push(prompt[i], parsed);
      for (const harmony::ParseEvent& event : parsed) {
        const auto* done = std::get_if<harmony::MessageDone>(&event);
        if (done == nullptr) continue;
        if (!first_user && done->message.role == harmony::Role::kUser) first_user = begins;
        take_in(done->message);
        if (begins >= n_known) writer_->add_message(row_of(done->message));
        begins = i + 1;
      }
    }
    return first_user.value_or(prompt.size());
  }

  void take_in(const harmony::Message& message) {
    const std::string text = message.text();
    if (message.role == harmony::Role::kTool) {
      const std::string author = message.name.value_or("");
      pages_.show(author, text);
      dispatcher_->trust().read(provenance_of(author), text, "");
    } else if (message.role != harmony::Role::kAssistant) {
      dispatcher_->trust().tell(text);
    }
  }

  Answer take(const harmony::Message& message) {
    Answer answer;
    answer.tokens = renderer_.message(message, has_functions_, harmony::RenderConfig::live()).value_or_throw();
    put(SegmentKind::kTool, answer.tokens);
    writer_->add_message(row_of(message));
    pages_.show(message.name.value_or(""), message.text());
    events_->flush();
    return answer;
  }

  void take_back_last() {
    writer_->rollback(std::span(&run_.timeline.back(), 1));
    run_.timeline.pop_back();
  }

  void put(SegmentKind kind, std::span<const Token> tokens) {
    if (tokens.empty()) return;
    writer_->append_tokens(kind, tokens);
    run_.timeline.insert(run_.timeline.end(), tokens.begin(), tokens.end());
  }

  const harmony::Renderer& renderer_;
  const bool has_functions_;
  const Options options_;
  const tools::Registry tools_;
  RunPages pages_;
  store::Ledger& ledger_;
  ServedRun& run_;
  Watchdog watchdog_;
  Budget budget_{options_.config.limits};
  std::optional<store::RunWriter> writer_;
  std::optional<EventQueue> events_;
  std::optional<Dispatcher> dispatcher_;
  int n_malformed_ = 0;
  bool finished_ = false;
};

ServedTurn::ServedTurn(
    const tools::Registry& tools, store::Ledger& ledger, ServedRun& run, const harmony::Renderer& renderer, bool has_functions, Options options
)
    : impl_(std::make_unique<Impl>(tools, ledger, run, renderer, has_functions, std::move(options))), pages_(impl_->pages()) {}
ServedTurn::~ServedTurn() = default;

void ServedTurn::begin(std::span<const Token> prompt) { impl_->begin(prompt); }
const std::string& ServedTurn::run_id() const { return impl_->run_id(); }
void ServedTurn::begin_step() { impl_->begin_step(); }
void ServedTurn::end_step(std::span<const Token> opening, std::span<const Token> said, std::int64_t prefilled, const char* end) {
  impl_->end_step(opening, said, prefilled, end);
}
ServedTurn::Answer ServedTurn::answer(const MessageStream::Done& call) { return impl_->answer(call); }
ServedTurn::Answer ServedTurn::refuse(const MessageStream::Done& call, const std::string& why) { return impl_->refuse(call, why, false); }
void ServedTurn::close(std::span<const Token> tokens, bool in_place) { impl_->close(tokens, in_place); }
void ServedTurn::finish(const Ending& ending, const std::string& final, const TokenUsage& usage) { impl_->finish(ending, final, usage); }

}  // namespace toccata::agent
