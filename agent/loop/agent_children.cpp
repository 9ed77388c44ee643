// Runs that a run makes: sub-agents for its calls, and candidates for its answer.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/loop/agent_impl.h"
#include "agent/loop/child_run.h"
#include "agent/loop/turn_rules.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using nlohmann::ordered_json;
using tools::ToolResult;
using tools::ToolStatus;

constexpr const char* kBestOfNote = "best_of";
constexpr const char* kChosenNote = "best_of_chosen";

struct DelegateArguments {
  std::string task;
  std::optional<std::set<std::string>> tools;
  std::int64_t max_tokens = 0, max_steps = 0;  // 0: as the run has
};

Result<std::int64_t> positive(const ordered_json& arguments, const char* key) {
  const auto value = arguments.find(key);
  if (value == arguments.end() || value->is_null()) return std::int64_t{0};
  if (value->is_number_integer() && value->get<std::int64_t>() > 0) return value->get<std::int64_t>();
  return Error{ErrorCode::kInvalidArgument, std::string(key) + " is " + json_text(*value).substr(0, 40) + ", expected a whole number from 1 on"};
}

Result<DelegateArguments> read_arguments(const std::string& text) {
  const auto json = json_from<ordered_json>(text);
  const auto task = json.is_object() ? json.find("task") : json.end();
  if (!json.is_object() || task == json.end() || !task->is_string() || task->get<std::string>().empty()) {
    return Error{ErrorCode::kInvalidArgument, "it needs {\"task\": \"...\"}, what to do in words"};
  }
  DelegateArguments arguments;
  arguments.task = task->get<std::string>();
  if (const auto list = json.find("tools"); list != json.end() && !list->is_null()) {
    arguments.tools.emplace();
    if (!list->is_array()) return Error{ErrorCode::kInvalidArgument, "tools must be a list of names"};
    for (const ordered_json& name : *list) {
      if (!name.is_string()) return Error{ErrorCode::kInvalidArgument, "tools must be a list of names"};
      arguments.tools->insert(name.get<std::string>());
    }
  }
  const Result<std::int64_t> tokens = positive(json, "max_tokens"), steps = positive(json, "max_steps");
  if (!tokens) return tokens.error();
  if (!steps) return steps.error();
  arguments.max_tokens = *tokens;
  arguments.max_steps = *steps;
  return arguments;
}

store::Caller caller_in(const std::string& idempotency_key) {
  const std::size_t slash = idempotency_key.find('/');
  return {idempotency_key.substr(0, slash), std::stoi(idempotency_key.substr(slash + 1)), 1};
}

ToolResult failed(std::string why) { return {ToolStatus::kFailed, kDelegateRecipient, std::move(why), "{}"}; }

ToolResult result_of(const ChildEnd& end) {
  if (end.refused) return failed("No sub-agent was made: " + *end.refused + ".");
  const store::RunSummary& run = end.record.summary;
  ToolResult result{ToolStatus::kOk, kDelegateRecipient, end.record.final, "{}", end.provenance()};
  if (end.is_unfinished()) {
    result.status = ToolStatus::kUnfinished;
    result.content = "sub-agent " + run.id + ": " + end.message;
  } else if (end.reason == "ledger_error") {
    result.status = ToolStatus::kStopsRun;
    result.content = end.message;
  } else if (end.exit_code != 0) {
    result.status = ToolStatus::kFailed;
    result.content = "The sub-agent ended without an answer: " + end.message + " (" + end.reason + ").";
    if (!end.record.final.empty()) result.content += " It had said: " + end.record.final;
  }
  if (result.status == ToolStatus::kOk || result.status == ToolStatus::kFailed) {
    result.content += "\n[Sub-agent run " + run.id + ", " + std::to_string(run.n_steps) + " model calls, " +
                      std::to_string(run.n_calls) + " tool calls]";
  }
  result.metadata = json_text(ordered_json{{"run", run.id}, {"exit_code", end.exit_code}, {"terminal_reason", end.reason}});
  return result;
}

void add(TokenUsage& to, const TokenUsage& usage) {
  to.input_tokens += usage.input_tokens;
  to.cached_input_tokens += usage.cached_input_tokens;
  to.output_tokens += usage.output_tokens;
  to.reasoning_output_tokens += usage.reasoning_output_tokens;
  to.guessed_tokens += usage.guessed_tokens;
  to.guessed_calls += usage.guessed_calls;
  to.used_guesses += usage.used_guesses;
}

}  // namespace

void Agent::Impl::serve_subagents() {
  subagents_ = dynamic_cast<SubagentTool*>(registry_.find(kDelegateRecipient));
  if (subagents_ == nullptr) return;
  subagents_->serve([this](const tools::ToolCall& call, std::stop_token stop) { return delegate(call, stop); });
}

// The session stands at the end of the opening messages, whose rows are `rows`.
std::optional<Ending> Agent::Impl::share_prefix(Tokens tokens, std::vector<store::MessageRow> rows, const std::vector<harmony::Message>& opening) {
  Result<std::unique_ptr<TokenSession>> copy = log_->fork({});
  if (!copy && copy.error().code != ErrorCode::kUnsupported) return ending_for(copy.error());
  prefix_ = std::make_shared<SharedPrefix>(
      model_, std::move(tokens), std::move(rows), opening, copy ? std::move(*copy) : nullptr
  );
  return std::nullopt;
}

// What runs below this one spent in earlier processes, and theirs.
void Agent::Impl::recall_children(const store::RunRecord& record) {
  for (const store::RunSummary& child : record.children) {
    const store::RunRecord below = ledger_.load_run(child.id).value_or_throw();
    budget_.recall_child(below);
    recall_children(below);
  }
}

AgentConfig Agent::Impl::child_config(const store::Caller& caller, Crew* crew) {
  AgentConfig config = config_;
  config.best_of = {};
  if (config_.on_model_call && crew != nullptr) {
    config.on_model_call = [tell = config_.on_model_call, crew](const ModelCall& call) { crew->post([tell, call] { tell(call); }); };
  }
  config.limits.timeout = std::chrono::milliseconds(0);  // this run's stops it
  config.limits.budget_tokens = config.limits.prefill_tokens_max = config.limits.decode_tokens_max = 0;
  config.limits.calls_max = 0;
  config.limits.calls_of_max.clear();
  config.limits.tool_bytes_max = 0;
  config.limits.tool_time_max = config.limits.sandbox_cpu_max = std::chrono::milliseconds(0);
  if (config_.approval.ask && crew != nullptr) {
    config.approval.ask = [ask = config_.approval.ask, crew](const ApprovalRequest& request) {
      Decision decision = Decision::kLater;
      crew->ask([&] { decision = ask(request); });
      return decision;
    };
  }
  Lineage lineage;
  lineage.caller = caller;
  lineage.depth = config_.lineage ? config_.lineage->depth + 1 : 1;
  lineage.budget = &budget_;
  lineage.trust = dispatcher_->trust();
  if (config_.lineage) lineage.tools = config_.lineage->tools;
  config.lineage = std::make_shared<const Lineage>(std::move(lineage));
  return config;
}

// Masks of a child: those of this run without what it may not call, and with another schema for its answer.
void Agent::Impl::constrain_child(AgentConfig& config, std::optional<std::string> final_schema) const {
  std::optional<harmony::ConstraintRules> rules;
  const auto params = json_from<ordered_json>(config_.params);
  if (config_.constraint && params.is_object() && params.contains("turn_rules")) {
    rules = rules_from_json(params["turn_rules"]).value_or_throw();
    rules->final_schema = std::move(final_schema);
    const bool may_delegate = config.lineage->depth < config.limits.depth_max;
    std::erase_if(rules->tools, [&](const harmony::ConstraintTool& tool) {
      const std::string own = dispatcher_->own_name(tool.recipient);
      return (own == kDelegateRecipient && !may_delegate) || !is_allowed(config.lineage->tools, own);
    });
    config.constraint =
        harmony::ConstraintPlan::make(*rules, *renderer_, config_.constraint->shared_trie(), model_.capabilities().n_vocab)
            .value_or_throw();
  } else {
    config.constraint = nullptr;  // its schema and tools are others
  }
  config.params = child_params(config_.params, config.sampling.seed, rules ? &*rules : nullptr);
}

EventSink Agent::Impl::child_sink(const store::Caller& caller, Crew* crew) {
  if (!sink_) return {};
  return [this, caller, crew, id = std::string()](const Event& event) mutable {
    if (const auto* started = std::get_if<ThreadStarted>(&event)) id = started->thread_id;
    const bool wrapped = std::holds_alternative<ChildEvent>(event);
    Event shown = wrapped ? event
                          : Event(ChildEvent{
                                id, caller.run, caller.call, caller.part, std::make_shared<const AnyEvent>(AnyEvent{event}),
                                std::chrono::system_clock::now()});
    if (crew == nullptr) return sink_(shown);
    crew->post([this, shown = std::move(shown)] { sink_(shown); });
  };
}

ToolResult Agent::Impl::delegate(const tools::ToolCall& call, const std::stop_token& stop) {
  const int depth = config_.lineage ? config_.lineage->depth + 1 : 1;
  if (depth > config_.limits.depth_max) return failed("A sub-agent here makes no sub-agents of its own. Do it yourself.");
  Result<DelegateArguments> arguments = read_arguments(call.arguments);
  if (!arguments) return failed("No sub-agent was made: " + arguments.error().message + ".");
  const store::Caller caller = caller_in(call.idempotency_key);
  Crew* const crew = dispatcher_->crew();
  ChildOrder order;
  order.config = child_config(caller, crew);
  order.config.output_schema.reset();
  order.config.limits.budget_tokens = arguments->max_tokens;
  if (arguments->max_steps > 0) {
    order.config.limits.max_turns = static_cast<int>(std::min<std::int64_t>(arguments->max_steps, config_.limits.max_turns));
  }
  order.config.sampling.seed = child_seed(config_.sampling.seed, caller);
  Lineage lineage = *order.config.lineage;
  lineage.prefix = prefix_;
  if (arguments->tools && !lineage.tools) {
    lineage.tools = std::move(arguments->tools);
  } else if (arguments->tools) {  // never more than this run may
    std::erase_if(*arguments->tools, [&](const std::string& name) { return !is_allowed(lineage.tools, name); });
    lineage.tools = std::move(arguments->tools);
  }
  order.config.lineage = std::make_shared<const Lineage>(std::move(lineage));
  constrain_child(order.config, std::nullopt);
  order.task = arguments->task;
  order.may_delegate = true;  // as was declared; what is too deep is refused
  order.admit = [this] { return budget_.take_child(); };
  return result_of(run_child(model_, ledger_.path(), std::move(order), child_sink(caller, crew), stop));
}

// --- Best of several -----------------------------------------------------------------------------------------------------

std::optional<int> Agent::Impl::open_best_of(const store::RunRecord& record) {
  std::optional<int> first;
  for (const store::NoteRow& note : record.notes) {
    if (note.kind == kChosenNote) first.reset();
    if (note.kind != kBestOfNote) continue;
    const auto json = json_from<nlohmann::json>(note.detail);
    if (json.is_object()) first = json.value("first", 1);
  }
  return first;
}

std::vector<ChildEnd> Agent::Impl::run_candidates(
    const std::shared_ptr<SharedPrefix>& prefix, std::size_t n_task, int first, const std::string& task, const Clock& clock
) {
  const auto n = static_cast<std::size_t>(config_.best_of.n);
  std::vector<ChildEnd> ends(n);
  std::vector<std::stop_source> stops(n);
  const std::stop_callback stop_all(clock.stop(), [&] {
    for (std::stop_source& stop : stops) stop.request_stop();
  });
  std::mutex mutex;
  std::vector<bool> done(n, false);
  // The first answer is known once all before it have none: then nobody waits for the rest.
  const auto first_valid = [&](std::size_t i) {
    const std::lock_guard lock(mutex);
    done[i] = true;
    for (std::size_t k = 0; k < n && done[k]; ++k) {
      if (ends[k].exit_code != 0) continue;
      for (std::size_t rest = k + 1; rest < n; ++rest) stops[rest].request_stop();
      return;
    }
  };
  Crew crew;
  for (std::size_t i = 0; i < n; ++i) {
    const store::Caller caller{run_id_, 0, first + static_cast<int>(i)};
    ChildOrder order;
    order.config = child_config(caller, &crew);
    order.config.sampling.seed = config_.sampling.seed + i;
    Lineage lineage = *order.config.lineage;
    lineage.prefix = prefix;
    lineage.n_task = n_task;
    lineage.depth -= 1;  // it stands for this run
    order.config.lineage = std::make_shared<const Lineage>(std::move(lineage));
    order.config.params = child_params(config_.params, order.config.sampling.seed, nullptr);
    if (config_.constraint) {
      auto params = json_from<ordered_json>(order.config.params);
      const auto own = json_from<ordered_json>(config_.params);
      if (own.is_object() && own.contains("turn_rules")) params["turn_rules"] = own["turn_rules"];
      order.config.params = json_text(params);
    }
    order.task = task;
    order.may_delegate = subagents_ != nullptr;
    crew.start([&, i, order = std::move(order), sink = child_sink(caller, &crew)] {
      ends[i] = run_child(model_, ledger_.path(), order, sink, stops[i].get_token());
      if (config_.best_of.judge == BestOf::Judge::kFirstValid) first_valid(i);
    });
  }
  crew.join();
  return ends;
}

Result<int> Agent::Impl::ask_judge(const std::string& task, const std::vector<Candidate>& candidates, int part, const std::stop_token& stop) {
  const store::Caller caller{run_id_, 0, part};
  ChildOrder order;
  order.config = child_config(caller, nullptr);
  order.config.sampling.seed = child_seed(config_.sampling.seed, caller);
  order.config.sampling.temperature = 0;
  Result<OutputSchema> schema = OutputSchema::parse(judge_schema(candidates));
  if (!schema) return schema.error();
  Lineage lineage = *order.config.lineage;
  lineage.prefix = prefix_;
  lineage.tools.emplace();  // none
  order.config.lineage = std::make_shared<const Lineage>(std::move(lineage));
  constrain_child(order.config, schema->text());
  order.config.output_schema = std::move(*schema);
  order.config.child_tools = nullptr;
  order.task = judge_prompt(task, candidates);
  const ChildEnd end = run_child(model_, ledger_.path(), std::move(order), child_sink(caller, nullptr), stop);
  if (end.exit_code != 0) return Error{ErrorCode::kUnavailable, "the judge came to no answer: " + end.message};
  return judged_best(end.record.final, candidates);
}

// Number of the best one, and why.
std::pair<int, std::string> Agent::Impl::choose(const std::string& task, const std::vector<Candidate>& candidates, int judge_part, const std::stop_token& stop) {
  using Judge = BestOf::Judge;
  const Judge judge = config_.best_of.judge;
  const auto named = [&](int number) { return std::pair(number, std::string(to_string(judge))); };
  if (judge == Judge::kFirstValid) return named(candidates.front().number);
  if (judge == Judge::kModel || judge == Judge::kProgram) {
    Result<int> best = Error{ErrorCode::kInvalidArgument, "there is no program to ask"};
    if (judge == Judge::kModel) best = ask_judge(task, candidates, judge_part, stop);
    if (judge == Judge::kProgram && config_.best_of.ask) best = config_.best_of.ask(task, candidates);
    const bool known = best && std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& c) { return c.number == *best; });
    if (known) return named(*best);
    const std::string why = best ? "it named " + std::to_string(*best) + ", which is no candidate with an answer" : best.error().message;
    notice("The judge could not be followed (" + why + "); the majority decides.");
  }
  const Vote vote = majority(candidates).value();
  return {vote.number, "majority, " + std::to_string(vote.n_votes) + " of " + std::to_string(candidates.size())};
}

Ending Agent::Impl::best_of_turn(const std::string& task, std::optional<int> first, Clock& clock, std::string& final) {
  writer_->commit();
  const store::RunRecord record = ledger_.load_run(run_id_).value_or_throw();
  const Tokens log = record.timeline();
  const std::size_t n_task = record.segments.empty() ? 0 : record.segments.back().tokens.size();
  if (!first) {
    first = 1;
    for (const store::RunSummary& child : record.children) {
      if (child.caller.call == 0) first = std::max(*first, child.caller.part + 1);
    }
    const ordered_json note = {{"first", *first}, {"n", config_.best_of.n}, {"judge", to_string(config_.best_of.judge)}};
    writer_->note(kBestOfNote, json_text(note));
    writer_->commit();
  }
  Result<std::unique_ptr<TokenSession>> copy = log_->fork(clock.stop());
  if (!copy && copy.error().code == ErrorCode::kCancelled) return stopped();
  if (!copy && copy.error().code != ErrorCode::kUnsupported) return ending_for(copy.error());
  const auto prefix = std::make_shared<SharedPrefix>(
      model_, log, record.messages, opening_, copy ? std::move(*copy) : nullptr
  );
  const std::vector<ChildEnd> ends = run_candidates(prefix, n_task, *first, task, clock);

  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const ChildEnd& end = ends[i];
    add(usage_, end.usage);
    if (end.exit_code == 0) candidates.push_back({static_cast<int>(i) + 1, end.record.summary.id, 0, end.record.final});
  }
  const bool first_valid = config_.best_of.judge == BestOf::Judge::kFirstValid;
  if (clock.stop().stop_requested()) return stopped();
  for (const ChildEnd& end : ends) {
    if (end.refused) return Ending{1, "error", "no candidates: " + *end.refused};
    if (end.reason == "ledger_error") throw store::LedgerError(ErrorCode::kIo, end.message);
    if (end.reason == "approval_needed" && !(first_valid && !candidates.empty())) return Ending{5, "approval_needed", end.message};
  }
  if (candidates.empty()) {
    writer_->note(kChosenNote, json_text(ordered_json{{"candidate", nullptr}}));
    return Ending{ends.front().exit_code, ends.front().reason, "none of " + std::to_string(ends.size()) + " candidates has an answer, the first: " + ends.front().message};
  }
  const auto [number, why] = choose(task, candidates, *first + config_.best_of.n, clock.stop());
  if (clock.stop().stop_requested()) return stopped();
  return adopt(ends[static_cast<std::size_t>(number) - 1], log, record.messages.size(), number, why, final);
}

// The winner's words become this run's: all of it in one commit with the run's end.
Ending Agent::Impl::adopt(
    const ChildEnd& winner, const Tokens& log, std::size_t n_messages, int number, const std::string& why, std::string& final
) {
  const Tokens theirs = winner.record.timeline();
  const auto n_common = std::mismatch(log.begin(), log.end(), theirs.begin(), theirs.end()).first - log.begin();
  if (n_common < std::ssize(log)) {  // it was shortened on the way
    if (Result<void> cut = log_->cut(log, n_common); !cut) return ending_for(cut.error());
  }
  const std::span<const Token> said = std::span(theirs).subspan(static_cast<std::size_t>(n_common));
  if (Result<void> put = log_->append(store::SegmentKind::kEdited, said); !put) return ending_for(put.error());
  for (std::size_t i = n_messages; i < winner.record.messages.size(); ++i) writer_->add_message(winner.record.messages[i]);
  for (const store::CallRow& call : winner.record.calls) {
    if (!call.result) continue;
    pages_.show(call.result->author, call.result->content);
    dispatcher_->trust().read(provenance_in(call.result->metadata), call.result->content, call.intent.arguments);
  }
  const std::string& id = winner.record.summary.id;
  writer_->note(kChosenNote, json_text(ordered_json{{"candidate", number}, {"run", id}, {"by", why}}));
  final = winner.record.final;
  const std::string item = events_->next_item_id();
  events_->push(ItemCompleted{Item{
      events_->next_item_id(), NoticeItem{"Candidate " + std::to_string(number) + " of " + std::to_string(config_.best_of.n) + " was chosen (" + why + "): run " + id + "."}}});
  events_->push(ItemStarted{Item{item, AgentMessageItem{AgentMessageItem::Phase::kFinal, ""}}});
  events_->push(ItemDelta{item, ItemDelta::Kind::kFinal, final});
  events_->push(ItemCompleted{Item{item, AgentMessageItem{AgentMessageItem::Phase::kFinal, final}}});
  return Ending{0, "final", ""};
}

}  // namespace toccata::agent
