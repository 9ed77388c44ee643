// Calls made ahead: which may be, and how the run takes their results.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/loop/dispatcher.h"
#include "agent/loop/lineage.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using tools::ToolResult;
using tools::ToolStatus;

constexpr std::size_t kNotedArgumentsMax = 2000;
constexpr const char* kStillRunning =
    "[The call is running; its result comes later. Go on with the next call that does not need it.]";

// The result's metadata with how long before its call it had been begun.
std::string with_head_start(const std::string& metadata, std::chrono::milliseconds ahead) {
  auto json = json_from<nlohmann::ordered_json>(metadata);
  if (!json.is_object()) return metadata;
  json["begun_ahead_ms"] = ahead.count();
  return json_text(json);
}

}  // namespace

bool Dispatcher::is_guessable(const tools::ToolSpec& spec) {
  return spec.effect == tools::Effect::kPure && spec.concurrent && !spec.stateful && !spec.runs_code;
}

bool Dispatcher::can_guess() const {
  return std::any_of(registry_.tools().begin(), registry_.tools().end(), [](const auto& tool) { return is_guessable(tool->spec()); });
}

harmony::Message Dispatcher::running_stub(const Target& target, const harmony::Message& call) const {
  return answer_message(target, call, "", kStillRunning);
}

Guesses::Key Dispatcher::key_of(const Target& target, const std::string& arguments) {
  const bool raw = target.tool->spec().functions.empty();
  return {target.recipient, raw ? arguments : Guesses::canonical(arguments)};
}

// As begin() decides, but without writing anything down or asking anybody.
bool Dispatcher::may_guess(const Target& target, const std::string& arguments) const {
  const tools::ToolSpec& spec = target.tool->spec();
  if (config_.lineage && !is_allowed(config_.lineage->tools, target.recipient)) return false;
  if (told_of_.contains(hash_of(target.recipient, arguments)) || repeats(target, arguments) > 0) return false;
  const Guesses::Count count = guesses_.count();
  if (budget_.refuses(target.recipient, count.made - count.used)) return false;
  if (trust_.objection(spec, arguments)) return false;
  const auto rule = ruled(config_.approval.rules, target.recipient, arguments);
  if (rule) return rule->action == ApprovalRule::Action::kAllow;
  return !spec.needs_approval || is_approved_beforehand();
}

bool Dispatcher::make_ahead(const Target& target, const MessageStream::Done& done, Foresight foresight) {
  if (target.tool == nullptr || !is_guessable(target.tool->spec()) || !unusable_because(target, done).empty()) return false;
  const std::string arguments = arguments_of(target, done.message);
  if (!may_guess(target, arguments)) return false;
  const tools::ToolCall request{target.recipient, arguments, writer_.id() + "/ahead"};
  return guesses_.start(key_of(target, arguments), foresight, [this, tool = target.tool, request](const std::stop_token& stop) {
    CallNote note;
    return call_tool(*tool, request, guess_watchdog_, std::nullopt, stop, note);
  });
}

std::optional<harmony::Message> Dispatcher::guess(const MessageStream::Done& call) {
  const Target target = find(call.message.recipient.value_or(""));
  if (!make_ahead(target, call, Foresight::kGuessed)) return std::nullopt;
  return running_stub(target, call.message);
}

void Dispatcher::begin_early(const std::vector<MessageStream::Done>& messages) {
  if (messages.empty() || !asks_for_tool(messages.back().message.recipient)) return;
  for (const MessageStream::Done& before : messages) {
    if (!asks_for_tool(before.message.recipient)) continue;
    const Target target = find(before.message.recipient.value_or(""));
    if (target.tool != nullptr && target.tool->spec().effect != tools::Effect::kPure) return;
  }
  (void)make_ahead(find(messages.back().message.recipient.value_or("")), messages.back(), Foresight::kInAnswer);
}

bool Dispatcher::take_result_of_guess(
    Begun& begun, Watchdog& watchdog, std::optional<Watchdog::Clock::time_point> run_deadline
) const {
  if (!begun.guess) return false;
  const auto ahead = std::chrono::duration_cast<std::chrono::milliseconds>(Watchdog::Clock::now() - begun.guess->begun());
  const auto begin = std::chrono::system_clock::now() - ahead;
  const Watchdog::Watch watch = watchdog.watch(run_deadline);
  Guess::End end = begun.guess->wait(watch.token());
  begun.guess.reset();
  // What was stopped while it was waited for is what a call that is stopped comes to.
  const bool counts = end.result && (end.result->status == ToolStatus::kOk || watch.token().stop_requested());
  if (!counts) return false;
  begun.result = std::move(*end.result);
  begun.result.metadata = with_head_start(begun.result.metadata, ahead);
  begun.took = end.took;
  begun.note.begin = begin;
  begun.note.end = begin + std::chrono::duration_cast<std::chrono::system_clock::duration>(end.took);
  return true;
}

void Dispatcher::note_unused() {
  for (const Guesses::Key& key : guesses_.take_unused()) {
    writer_.note("guess", "made ahead and not used: " + key.recipient + " " + shorten(key.arguments, kNotedArgumentsMax));
  }
}

void Dispatcher::end_guesses() {
  guesses_.end();
  note_unused();
}

}  // namespace toccata::agent
