#include "agent/loop/dispatcher.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/harmony/arguments.h"
#include "agent/harmony/parser.h"
#include "agent/loop/call_items.h"
#include "agent/loop/prompt.h"
#include "agent/loop/recall_tool.h"
#include "agent/loop/subagent_tool.h"
#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {
namespace {

using Verdict = CallOutcome::Verdict;
using tools::ToolResult;
using tools::ToolStatus;

constexpr std::size_t kShownNameMax = 100;
constexpr const char* kStateLost =
    "[The run was interrupted and resumed: what earlier calls left in memory is gone.]\n";
constexpr const char* kStateLostFilesKept =
    "[The run was interrupted and resumed: what earlier calls left in memory is gone; files in /mnt/data, of up to 16 MiB "
    "each, are there again.]\n";
constexpr const char* kOutcomeUnknown =
    "The program was stopped while this call was running. Whether it took effect is not known, so "
    "it was not repeated. Find out before you do it again.";

const char* to_string(tools::Effect effect) {
  switch (effect) {
    case tools::Effect::kPure:
      return "pure";
    case tools::Effect::kKeyed:
      return "keyed";
    case tools::Effect::kEffectful:
      return "effectful";
  }
  return "effectful";
}

const char* to_string(ToolStatus status) {
  switch (status) {
    case ToolStatus::kOk:
      return "ok";
    case ToolStatus::kFailed:
      return "failed";
    case ToolStatus::kStopsRun:
      return "stops_run";
    case ToolStatus::kUnfinished:
      return "unfinished";
  }
  return "failed";
}

bool says_denied(const ToolResult& result) {
  const auto metadata = json_from<nlohmann::json>(result.metadata);
  return metadata.is_object() && metadata.value("denied", nlohmann::json()) == true;
}

// Known to others as long as it stands.
struct Lent {
  Lent(Crew*& slot, Crew& crew) : slot_(slot) { slot = &crew; }
  ~Lent() { slot_ = nullptr; }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  Crew*& slot_;
};

CallOutcome over_budget(std::string why) {
  CallOutcome outcome;
  outcome.verdict = Verdict::kOverBudget;
  outcome.reason = std::move(why);
  return outcome;
}

}  // namespace

std::size_t Dispatcher::hash_of(const std::string& recipient, const std::string& arguments) {
  const std::size_t hash = std::hash<std::string>{}(arguments);
  return std::hash<std::string>{}(recipient) * 31 + hash;
}

Dispatcher::Dispatcher(
    const tools::Registry& registry,
    store::RunWriter& writer,
    EventQueue& events,
    const AgentConfig& config,
    Budget& budget
)
    : registry_(registry),
      writer_(writer),
      events_(events),
      config_(config),
      budget_(budget),
      guesses_(config.look_ahead.calls_max) {}

const harmony::NameMap& Dispatcher::names() const {
  const std::size_t n_tools = registry_.tools().size();
  if (!names_ || n_tools != n_tools_named_) names_ = tool_names(registry_);
  n_tools_named_ = n_tools;
  return *names_;
}

Dispatcher::Target Dispatcher::find(const std::string& written) const {
  if (tools::Tool* tool = registry_.find(written)) return {written, tool};
  const harmony::NameMap& names = this->names();
  const auto shown = harmony::resolve_tool(written, names.all_shown());
  if (!shown) return {written, nullptr};
  const std::string own = names.original(*shown).value();
  return {own, registry_.find(own)};
}

std::string Dispatcher::unknown_tool(const std::string& recipient) const {
  std::string text = "Unknown tool " + shorten(recipient, kShownNameMax) + ". Available: ";
  const std::vector<std::string>& names = this->names().all_shown();
  if (names.empty()) return text + "none. Answer without tools.";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text + ".";
}

std::string Dispatcher::unusable_because(const Target& target, const MessageStream::Done& call)
    const {
  using End = harmony::MessageDone::End;
  if (call.end == End::kImplied || call.end == End::kEos) {
    return "The call to " + target.recipient +
           " was cut off before its end and did not run. Send it again, whole.";
  }
  if (target.tool->spec().functions.empty()) return {};  // the body is raw text
  const auto arguments = harmony::json_arguments(target.recipient, call.message.text());
  if (arguments) return {};
  return "The arguments of " + target.recipient + " must be one JSON object, but " +
         arguments.error().message + ". The call did not run. Send it again with valid JSON.";
}

// Calls with a period of one or two that gave the same each time, followed by the next of the same kind: how many of
// them, the next included, are repetitions.
int Dispatcher::repeats(const Target& target, const std::string& arguments) const {
  const std::size_t call = hash_of(target.recipient, arguments);
  const int n_max = config_.limits.repeated_calls_max;
  const auto n_made = static_cast<int>(made_.size());
  for (const int period : {1, 2}) {
    if (n_max < 1 || n_made < period * n_max || made_[static_cast<std::size_t>(n_made - period)].call != call) continue;
    bool same = true;
    for (int i = n_made - period * n_max; i + period < n_made && same; ++i) {
      same = made_[static_cast<std::size_t>(i)] == made_[static_cast<std::size_t>(i + period)];
    }
    if (same) return period * (n_max - 1) + 1;
  }
  return 0;
}

void Dispatcher::remember(
    const Target& target, const std::string& arguments, const std::string& content
) {
  const std::size_t call = hash_of(target.recipient, arguments);
  made_.push_back({call, std::hash<std::string>{}(content)});
  if (made_.size() > static_cast<std::size_t>(2 * std::max(1, config_.limits.repeated_calls_max))) {
    made_.pop_front();
  }
  if (!told_of_.contains(call)) told_of_.clear();
}

harmony::Message Dispatcher::answer_message(
    const Target& target, const harmony::Message& call, std::string author, std::string text
) const {
  // Functions answer on commentary, built-in tools on the channel of the call (harmony format, tool results).
  const bool built_in =
      target.tool != nullptr && target.tool->spec().placement == tools::Placement::kSystem;
  const std::string channel =
      built_in && call.channel && !call.channel->empty() ? *call.channel : "commentary";
  if (author.empty()) author = target.recipient;
  author = names().shown(author).value_or(author);
  return tool_message(safe_author(author), channel, std::move(text));
}

CallOutcome Dispatcher::answer_without_running(
    const Target& target, const harmony::Message& call, const char* status, std::string text, int row
) {
  const Item item =
      call_started_item(events_.next_item_id(), safe_author(target.recipient), call.text());
  ToolResult result{ToolStatus::kFailed, "", std::move(text), "{}"};
  CallOutcome outcome;
  outcome.verdict = Verdict::kNotRun;
  outcome.answer = answer_message(target, call, "", result.content);
  const store::CallResult recorded{status, *outcome.answer.name, result.content, "{}", ""};
  CallNote note{.call = row, .status = status};
  note.begin = note.end = std::chrono::system_clock::now();
  if (row > 0) {
    writer_.finish_call(row, recorded);
  } else {
    note.call = writer_.record_call(
        {.recipient = target.recipient,
         .arguments = call.text(),
         .effect = target.tool != nullptr ? to_string(target.tool->spec().effect) : "pure",
         .idempotency_key = ""},
        recorded
    );
  }
  events_.push(ItemStarted{item, note.call});
  events_.push(ItemCompleted{call_completed_item(item, result), note});
  return outcome;
}

ToolResult Dispatcher::call_tool(
    tools::Tool& tool, const tools::ToolCall& request, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline,
    const std::stop_token& stop, CallNote& note
) const {
  const auto timeout = tool.spec().timeout;
  note.begin = std::chrono::system_clock::now();
  const auto own_deadline = Watchdog::Clock::now() + timeout;
  const auto deadline = run_deadline ? std::min(*run_deadline, own_deadline) : own_deadline;
  const Watchdog::Watch watch = watchdog.watch(deadline);
  const std::stop_callback stopped(stop, [&watch] { watch.request_stop(); });
  ToolResult result;
  try {
    result = tool.call(request, watch.token());
  } catch (const std::logic_error&) {
    throw;  // a bug of ours is for main
  } catch (const std::exception& failure) {
    result = {ToolStatus::kFailed, "", std::string("The tool failed: ") + failure.what(), "{}"};
  }
  if (config_.secrets) {
    result.content = config_.secrets->redact(result.content);
    result.metadata = config_.secrets->redact(result.metadata);
  }
  result.content = tokenizer::to_valid_utf8(result.content);
  note.end = std::chrono::system_clock::now();
  note.out_of_time = Watchdog::Clock::now() >= own_deadline && watch.token().stop_requested();
  if (note.out_of_time) {
    result.content +=
        "\n[Stopped after " + std::to_string(timeout.count()) + " ms, the tool's limit.]";
  }
  return result;
}

void Dispatcher::execute(Begun& begun, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline) const {
  if (take_result_of_guess(begun, watchdog, run_deadline)) return;
  const auto started = Watchdog::Clock::now();
  begun.result = call_tool(*begun.target.tool, begun.request, watchdog, run_deadline, {}, begun.note);
  begun.took = Watchdog::Clock::now() - started;
}

// Where a model that has the tool for it finds the rest of a call's output.
std::string Dispatcher::how_to_see(int call) const {
  if (registry_.find(kRecallRecipient) == nullptr) return {};
  return "; " + std::string(kRecallRecipient) + " {\"call\": " + std::to_string(call) + "} shows them";
}

std::string Dispatcher::arguments_of(const Target& target, const harmony::Message& call) {
  const bool raw = target.tool->spec().functions.empty() || call.text().empty();
  return raw ? call.text() : harmony::json_arguments(target.recipient, call.text()).value_or_throw();
}

// Before the model reads it.
void Dispatcher::read(int call, const Target& target, const std::string& arguments, ToolResult& result) {
  const tools::ToolSpec& spec = target.tool->spec();
  // Why it failed may be the other side's words.
  if (result.status == ToolStatus::kFailed && spec.reaches_out && !spec.runs_code && !result.provenance.untrusted) result.provenance = {true, spec.name_space};
  // Anyone's words: which of the calls it shows is for the ledger to know.
  if (target.recipient == kRecallRecipient && trust_.has_read_untrusted()) result.provenance = {true, trust_.origins().front(), true};
  if (result.provenance.untrusted) {
    result.content = without_control_spellings(result.content);
    if (!trust_.has_read_untrusted()) {
      writer_.note("trust", "from call " + std::to_string(call) + " on the run has read untrusted text, first of " + result.provenance.origin);
    }
  }
  trust_.read(result.provenance, result.content, arguments);
  result.metadata = with_provenance(result.metadata, result.provenance);
}

std::variant<CallOutcome, Dispatcher::Begun> Dispatcher::begin_tool(
    const Target& target, const harmony::Message& call, const std::string& arguments, const store::CallRow* row
) {
  if (auto refused = budget_.take_call(target.recipient); refused && row == nullptr) return over_budget(std::move(*refused));
  Begun begun{target, call, 0, {}, call_started_item(events_.next_item_id(), target.recipient, arguments)};
  if (target.tool->spec().effect == tools::Effect::kPure) {
    begun.guess = guesses_.take(key_of(target, arguments));
  } else {
    guesses_.drop();
  }
  note_unused();
  begun.request = {
      target.recipient, arguments, row != nullptr ? row->intent.idempotency_key : writer_.next_idempotency_key()};
  if (target.tool->spec().in_sandbox) begun.request.charge_cpu = [this](std::chrono::microseconds used) { return budget_.charge_cpu(used); };
  begun.number = row != nullptr
                     ? row->call
                     : writer_.begin_call(
                           {target.recipient, arguments, to_string(target.tool->spec().effect), begun.request.idempotency_key}
                       );
  begun.note.call = begun.number;
  if (config_.trace) begun.request.traceparent = config_.trace->traceparent(config_.trace->span_of_call(writer_.id(), begun.number));
  events_.push(ItemStarted{begun.item, begun.number});
  events_.flush();
  return begun;
}

CallOutcome Dispatcher::run(
    std::variant<CallOutcome, Begun> call, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline
) {
  auto* const begun = std::get_if<Begun>(&call);
  if (begun == nullptr) return std::get<CallOutcome>(std::move(call));
  const auto show = [&](std::string text) {
    if (text.empty()) return;
    events_.push(ItemDelta{begun->item.id, ItemDelta::Kind::kOutput, std::move(text)});
    events_.flush();
  };
  const auto redactor = config_.secrets ? config_.secrets->redactor() : std::make_shared<tools::Redactor>();
  tools::RedactingStream shown(*redactor);
  if (std::holds_alternative<CommandItem>(begun->item.details)) begun->request.on_output = [&](std::string_view text) { show(shown.push(text)); };
  {
    const tools::ToolSpec& spec = begun->target.tool->spec();
    const bool looks_ahead = meanwhile_ && spec.effect == tools::Effect::kPure && can_guess() && guesses_.empty();
    const auto meanwhile = looks_ahead ? meanwhile_(running_stub(begun->target, begun->call), watchdog) : nullptr;
    execute(*begun, watchdog, run_deadline);
  }
  show(shown.finish());
  return finish(*begun);
}

CallOutcome Dispatcher::finish(Begun& begun) {
  const Target& target = begun.target;
  ToolResult& result = begun.result;
  const std::string& arguments = begun.request.arguments;
  if (result.status == ToolStatus::kUnfinished) {
    begun.note.status = "unfinished";
    events_.push(ItemCompleted{call_completed_item(begun.item, result), begun.note});
    CallOutcome outcome;
    outcome.verdict = Verdict::kUnfinished;
    outcome.reason = result.content;
    outcome.call = begun.number;
    return outcome;
  }
  read(begun.number, target, arguments, result);
  const std::size_t bytes_max = config_.limits.tool_output_bytes_max;
  std::string full = result.content.size() > bytes_max ? result.content : std::string();
  result.content = shorten(std::move(result.content), bytes_max, how_to_see(begun.number));
  // A sub-agent's tools have counted their time themselves.
  const auto duration = target.recipient == kDelegateRecipient ? Watchdog::Clock::duration{} : begun.took;
  budget_.add_output(result.content.size(), std::chrono::duration_cast<std::chrono::milliseconds>(duration));
  if (lost_state_.erase(target.recipient) > 0) result.content = (config_.files.put_back ? kStateLostFilesKept : kStateLost) + result.content;
  remember(target, arguments, result.content);
  CallOutcome outcome;
  outcome.answer = answer_message(target, begun.call, result.author, result.content);
  if (result.status == ToolStatus::kStopsRun) {
    const bool denied = says_denied(result);
    outcome.verdict = denied ? Verdict::kDenied : Verdict::kStopsRun;
    outcome.reason = denied ? "denied" : "tool_unavailable";
  }
  std::vector<store::SessionFile> files;
  if (config_.files.take) files = config_.files.take();
  Item completed = call_completed_item(begun.item, result, files);
  writer_.finish_call(
      begun.number,
      {to_string(result.status), *outcome.answer.name, result.content, result.metadata, std::move(full), std::move(files), result.sandbox_cpu.count()}
  );
  begun.note.status = outcome.verdict == Verdict::kDenied ? "denied" : to_string(result.status);
  events_.push(ItemCompleted{std::move(completed), begun.note});
  return outcome;
}

void Dispatcher::forget_state_of(const std::string& recipient) {
  const tools::Tool* tool = registry_.find(recipient);
  if (tool != nullptr && tool->spec().stateful) lost_state_.insert(recipient);
}

std::variant<CallOutcome, Dispatcher::Begun> Dispatcher::begin_again(
    const MessageStream::Done& done, const store::CallRow& row
) {
  const Target target{row.intent.recipient, registry_.find(row.intent.recipient)};
  CallOutcome outcome;
  if (row.result) {
    outcome.answer = answer_message(target, done.message, row.result->author, row.result->content);
    return outcome;
  }
  // What the intent said counts, and a tool that may less today.
  const bool repeatable = row.intent.effect != to_string(tools::Effect::kEffectful) &&
                          target.tool != nullptr &&
                          target.tool->spec().effect != tools::Effect::kEffectful;
  if (repeatable) return begin_tool(target, done.message, arguments_of(target, done.message), &row);
  outcome.answer = answer_message(target, done.message, "", kOutcomeUnknown);
  const Item item =
      call_started_item(events_.next_item_id(), target.recipient, row.intent.arguments);
  const ToolResult result{ToolStatus::kFailed, "", kOutcomeUnknown, "{}"};
  writer_.finish_call(row.call, {"unknown", *outcome.answer.name, kOutcomeUnknown, "{}", ""});
  CallNote note{.call = row.call, .status = "unknown"};
  note.begin = note.end = std::chrono::system_clock::now();
  events_.push(ItemStarted{item, row.call});
  events_.push(ItemCompleted{call_completed_item(item, result), note});
  return outcome;
}

CallOutcome Dispatcher::refuse(const MessageStream::Done& done, const std::string& why, bool asked, int call) {
  const Target target = find(done.message.recipient.value_or(""));
  if (asked) writer_.note("approval", "refused: " + target.recipient);
  const char* what = call > 0 ? " has no result: " : " did not run: ";
  return answer_without_running(
      target, done.message, "refused", "The call to " + target.recipient + what + why + ".", call
  );
}

bool Dispatcher::is_approved_beforehand() const {
  using Mode = ApprovalPolicy::Mode;
  const Mode mode = config_.approval.mode;
  return mode == Mode::kAlways || (mode == Mode::kTrusted && !trust_.has_read_untrusted());
}

Decision Dispatcher::ask_for(const std::string& recipient, const std::string& arguments, bool always) {
  const ApprovalPolicy& policy = config_.approval;
  using Mode = ApprovalPolicy::Mode;
  if (is_approved_beforehand() && !always) return Decision::kApprove;
  writer_.note("approval", "waiting: " + recipient);
  events_.flush();  // the person sees what led to the call
  if (policy.mode == Mode::kNever || !policy.ask) return Decision::kLater;
  const Decision decision = policy.ask({writer_.id(), recipient, arguments, trust_.origins()});
  if (decision != Decision::kLater) {
    writer_.note("approval", (decision == Decision::kApprove ? "approved: " : "refused: ") + recipient);
  }
  return decision;
}

CallOutcome Dispatcher::dispatch(
    const MessageStream::Done& done,
    Watchdog& watchdog,
    std::optional<Watchdog::Clock::time_point> run_deadline
) {
  return run(begin(done), watchdog, run_deadline);
}

CallOutcome Dispatcher::resume(
    const MessageStream::Done& done,
    const store::CallRow& row,
    Watchdog& watchdog,
    std::optional<Watchdog::Clock::time_point> run_deadline
) {
  return run(begin_again(done, row), watchdog, run_deadline);
}

bool Dispatcher::is_concurrent(const Begun& begun) {
  const tools::ToolSpec& spec = begun.target.tool->spec();
  return spec.concurrent && spec.effect != tools::Effect::kEffectful;
}

// What is not certain to have no effect is an end for all that stands before it.
bool Dispatcher::may_be_concurrent(const MessageStream::Done& done) const {
  const Target target = find(done.message.recipient.value_or(""));
  return target.tool == nullptr || target.tool->spec().effect != tools::Effect::kEffectful;
}

std::vector<CallOutcome> Dispatcher::dispatch_all(
    const std::vector<MessageStream::Done>& calls,
    const std::vector<store::CallRow>& begun,
    Watchdog& watchdog,
    std::optional<Watchdog::Clock::time_point> run_deadline
) {
  const auto begin_call = [&](std::size_t i) { return i < begun.size() ? begin_again(calls[i], begun[i]) : begin(calls[i]); };
  const auto ends_run = [](const CallOutcome& outcome) {
    return outcome.verdict != Verdict::kRan && outcome.verdict != Verdict::kNotRun;
  };
  (void)names();  // made before there are threads that read them
  std::vector<CallOutcome> outcomes;
  for (std::size_t i = 0; i < calls.size();) {
    std::deque<std::variant<CallOutcome, Begun>> together;  // stay where they are
    Crew crew;
    const Lent lent(crew_, crew);
    bool ends = false;
    while (i < calls.size() && !ends) {
      const bool alone = !may_be_concurrent(calls[i]);
      if (alone && !together.empty()) break;
      together.push_back(begin_call(i++));
      auto* const one = std::get_if<Begun>(&together.back());
      if (one == nullptr) {
        ends = ends_run(std::get<CallOutcome>(together.back()));
      } else if (is_concurrent(*one)) {
        crew.start([this, this_call = one, &watchdog, run_deadline] { execute(*this_call, watchdog, run_deadline); });
      }
      if (alone) break;
    }
    for (auto& call : together) {  // those that must stay on this thread, while the others run
      auto* const one = std::get_if<Begun>(&call);
      if (one != nullptr && !is_concurrent(*one)) execute(*one, watchdog, run_deadline);
    }
    crew.join();
    for (auto& call : together) {
      auto* const one = std::get_if<Begun>(&call);
      outcomes.push_back(one != nullptr ? finish(*one) : std::get<CallOutcome>(std::move(call)));
      ends = ends || ends_run(outcomes.back());
    }
    if (ends) break;
  }
  return outcomes;
}

std::variant<CallOutcome, Dispatcher::Begun> Dispatcher::begin(const MessageStream::Done& done) {
  const harmony::Message& call = done.message;
  const Target target = find(call.recipient.value_or(""));
  if (target.tool == nullptr) {
    auto outcome =
        answer_without_running(target, call, "unknown_tool", unknown_tool(target.recipient));
    outcome.malformed = true;
    return outcome;
  }
  if (config_.lineage && !is_allowed(config_.lineage->tools, target.recipient)) {
    return answer_without_running(
        target, call, "refused", "The tool " + target.recipient + " is not for this sub-agent. Go on without it."
    );
  }
  if (std::string reason = unusable_because(target, done); !reason.empty()) {
    auto outcome = answer_without_running(target, call, "malformed", std::move(reason));
    outcome.malformed = true;
    return outcome;
  }
  const std::string arguments = arguments_of(target, call);
  const std::size_t hash = hash_of(target.recipient, arguments);
  const bool was_told = told_of_.contains(hash);
  const int n_repeats = was_told ? 1 : repeats(target, arguments);
  if (n_repeats > 0) {
    auto outcome = answer_without_running(
        target,
        call,
        "refused",
        "This exact call gave the same result " + std::to_string(config_.limits.repeated_calls_max) +
            " times in a row, so it was not run again. Do something else, or answer with what you "
            "know."
    );
    if (was_told) {
      outcome.verdict = Verdict::kRepeated;
    } else {
      outcome.n_loop_steps = n_repeats;
      told_of_ = {hash, made_[made_.size() - 1].call};  // the only one, or both that take turns
    }
    return outcome;
  }
  if (auto refused = budget_.refuses(target.recipient)) return over_budget(std::move(*refused));
  if (target.tool->spec().in_sandbox) {
    if (auto refused = budget_.refuses_sandbox()) return over_budget(std::move(*refused));
  }
  if (auto reason = trust_.objection(target.tool->spec(), arguments)) {
    writer_.note("trust", "a call to " + target.recipient + " was refused: its address carried private text");
    return answer_without_running(target, call, "refused", std::move(*reason));
  }
  using Rule = ApprovalRule::Action;
  const auto rule = ruled(config_.approval.rules, target.recipient, arguments);
  if (rule && rule->action != Rule::kAsk) {
    writer_.note("approval", (rule->action == Rule::kDeny ? "denied by the rule " : "allowed by the rule ") + rule->rule + ": " + target.recipient);
  }
  if (rule && rule->action == Rule::kDeny) {
    return answer_without_running(
        target, call, "refused",
        "The call to " + target.recipient + " was denied by a rule of the user, " + rule->rule + ", and did not run. Do it in another way, or answer without it."
    );
  }
  const bool asks = rule ? rule->action == Rule::kAsk : target.tool->spec().needs_approval;
  if (!asks) return begin_tool(target, call, arguments, nullptr);

  const Decision decision = ask_for(target.recipient, arguments, rule.has_value());
  if (decision == Decision::kApprove) return begin_tool(target, call, arguments, nullptr);
  if (decision == Decision::kLater) {
    CallOutcome outcome;
    outcome.verdict = Verdict::kWaits;
    outcome.reason = "the call to " + target.recipient + " waits for approval: resume the run to decide";
    return outcome;
  }
  auto outcome = answer_without_running(
      target,
      call,
      "refused",
      "The call to " + target.recipient + " was not approved and did not run."
  );
  if (decision == Decision::kStop) {
    outcome.verdict = Verdict::kDenied;
    outcome.reason = "denied";
  }
  return outcome;
}

}  // namespace toccata::agent
