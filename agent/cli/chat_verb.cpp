#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "agent/cli/exit_code.h"
#include "agent/cli/line_reader.h"
#include "agent/cli/recorded_options.h"
#include "agent/cli/run_trace.h"
#include "agent/cli/session_files.h"
#include "agent/cli/session_setup.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/terminal_view.h"
#include "agent/cli/verbs.h"

namespace toccata::cli {
namespace {

constexpr const char* kCommands =
    "/new [low|medium|high]   a new conversation, with another reasoning effort\n"
    "/reasoning low|...       the same\n"
    "/tools                   what the model may call\n"
    "/files [FOLDER]          what python and shell left in /mnt/data; written to FOLDER\n"
    "/usage                   tokens of this conversation\n"
    "/run                     its id in the ledger, for toccata runs show, fork, export\n"
    "/quit                    or Ctrl-D\n"
    "A line that ends with \\ goes on in the next; text between two lines of \"\"\" is one message.\n"
    "Ctrl-C stops an answer; the conversation stays.\n";

// One conversation: an agent with its own session of python.
class Conversation {
 public:
  Conversation(const AgentOptions& options, const Environment& env, const ChosenModel& model, RunTrace& trace)
      : setup_(set_up(options, env, model)),
        view_({.color = env.color && !options.no_color, .quiet = options.quiet, .stdout_is_terminal = env.stdout_is_terminal}),
        sink_(trace.watch(setup_.model.model->name(), setup_.config, std::ref(view_))),
        agent_(*setup_.model.model, setup_.tools, *setup_.ledger, setup_.config, sink_) {}

  // The first message of a run that is gone on with, and every other one.
  int say(const std::string& message, const std::string& resumed, std::stop_token stop) {
    const bool resumes = !resumed.empty() && agent_.run_id().empty();
    const agent::RunOutcome outcome = resumes ? agent_.resume(resumed, message, stop) : agent_.run(message, stop);
    report(outcome);
    return outcome.exit_code;
  }

  agent::Agent& agent() { return agent_; }
  AgentSetup& setup() { return setup_; }

 private:
  AgentSetup setup_;
  TerminalView view_;
  agent::EventSink sink_;
  agent::Agent agent_;
};

class Chat {
 public:
  Chat(const ChatOptions& options, const Environment& env)
      : options_(options.agent),
        resumed_(options.resume),
        env_(env),
        trace_(options_, env),
        model_(choose_model(options_.model, {options_.device, options_.precision, options_.kv, options_.prefix_cache_mib, options_.prefix_folder}, options_.offline, env)) {
    begin();
  }

  void begin() {
    talk_.reset();  // its session ends before another one begins
    talk_ = std::make_unique<Conversation>(options_, env_, model_, trace_);
  }

  int say(const std::string& message, std::stop_token stop) { return talk_->say(message, resumed_, stop); }

  void deliver_files() { deliver_session_files(options_, *talk_->setup().ledger, talk_->agent().run_id()); }

  std::string tools() const {
    std::string names;
    for (const std::string& recipient : talk_->setup().tools.recipients()) names += (names.empty() ? "" : ", ") + recipient;
    return names.empty() ? "none" : names;
  }
  std::string model() const { return model_.model->name(); }

  // A line that begins with "/": what it did, for stderr.
  std::string command(const std::string& line) {
    std::istringstream words(line);
    std::string name, argument, more;
    words >> name >> argument >> more;
    if (name == "/help" || name == "/?") return kCommands;
    if (name == "/new" || name == "/reasoning") return anew(name, argument);
    if (name == "/tools") return tools() + "\n";
    const std::string& run = talk_->agent().run_id();
    if (run.empty() && (name == "/files" || name == "/usage" || name == "/run")) return "Nothing was said yet.\n";
    if (name == "/run") return run + "\n";
    if (name == "/usage") {
      const agent::Usage usage = talk_->agent().session_usage();
      return std::to_string(usage.appended + usage.decoded) + " tokens in the log, " + std::to_string(usage.prefilled) +
             " read, " + std::to_string(usage.decoded) + " written\n";
    }
    if (name == "/files") return files(run, argument);
    return "There is no " + for_terminal(name) + "; /help names all.\n";
  }

 private:
  std::string anew(const std::string& name, const std::string& effort) {
    const bool known = effort == "low" || effort == "medium" || effort == "high";
    if (!known && (!effort.empty() || name == "/reasoning")) {
      return "Reasoning is low, medium or high, not '" + for_terminal(effort) + "'.\n";
    }
    if (known) options_.reasoning = effort;
    deliver_files();
    resumed_.clear();
    begin();
    return "A new conversation, reasoning " + options_.reasoning + ".\n";
  }

  std::string files(const std::string& run, const std::string& folder) {
    const store::Ledger& ledger = *talk_->setup().ledger;
    std::string text;
    for (const store::SessionFile& file : ledger.session_files(run).value_or_throw()) {
      text += for_terminal(file.path) + "  " + std::to_string(file.size.value_or(0)) + " bytes\n";
    }
    if (text.empty()) return "There are none.\n";
    if (folder.empty()) return text;
    save_session_files(ledger, run, folder);
    return text + "written to " + for_terminal(folder) + "\n";
  }

  AgentOptions options_;
  std::string resumed_;
  const Environment& env_;
  RunTrace trace_;
  ChosenModel model_;
  std::unique_ptr<Conversation> talk_;
};

// What the run to go on with was made with counts, where the command line does not say otherwise.
ChatOptions with_recorded(const ChatOptions& options, const Environment& env) {
  if (options.resume.empty()) return options;
  ChatOptions resumed = options;
  const auto path = options.agent.ledger.empty() ? env.ledger_path() : options.agent.ledger;
  const auto run = store::Ledger::open(path).value_or_throw()->load_run(options.resume).value_or_throw();
  apply_recorded(run, options.given, resumed.agent);
  resumed.resume = run.summary.id;
  return resumed;
}

}  // namespace

int chat_verb(const ChatOptions& given, const Environment& env) {
  if (given.agent.json) {
    throw Exception(ErrorCode::kInvalidArgument, "chat is for people; for --json use `toccata run`");
  }
  SignalStop signals;
  const ChatOptions options = with_recorded(given, env);
  Chat chat(options, env);
  const bool interactive = env.stdin_is_terminal && env.stderr_is_terminal;
  const std::unique_ptr<LineReader> reader = interactive ? editing_reader(env.data_home / "chat_history") : plain_reader();
  if (interactive) {
    std::fprintf(
        stderr, "%s, tools: %s. /help, Ctrl-C stops an answer, Ctrl-D ends the chat.\n", chat.model().c_str(), chat.tools().c_str()
    );
  }
  int code = 0;
  while (signals.exit_code() == 0 || interactive) {
    if (interactive) signals.set_idle(true);
    const std::optional<std::string> message = next_message(*reader);
    if (interactive) signals.set_idle(false);
    if (!message || *message == "/quit" || *message == "/exit") break;
    if (message->find_first_not_of(" \t\n") == std::string::npos) continue;
    try {
      if (message->starts_with('/')) {
        std::fprintf(stderr, "%s", chat.command(*message).c_str());
        continue;
      }
      code = chat.say(*message, signals.token());
    } catch (const Exception& failure) {
      if (!interactive) throw;
      std::fprintf(stderr, "toccata: %s\n", failure.what());
      code = exit_code(failure.code());
    }
  }
  chat.deliver_files();
  return signals.exit_code() != 0 && !interactive ? signals.exit_code() : code;
}

}  // namespace toccata::cli
