#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/verbs.h"
#include "agent/store/ledger.h"
#include "agent/store/run_json.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

std::unique_ptr<store::Ledger> open_ledger(const RunsOptions& options, const Environment& env) {
  const auto path = options.ledger.empty() ? env.ledger_path() : options.ledger;
  return store::Ledger::open(path).value_or_throw();
}

std::string local_time(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

// One line of at most `width` characters, "..." where it was cut. Cuts between UTF-8 characters.
std::string one_line(std::string_view text, std::size_t width) {
  std::string line = for_terminal(text.substr(0, text.find('\n')));
  const bool more = line.size() < text.size();
  if (line.size() <= width && !more) return line;
  std::size_t cut = std::min(line.size(), width - 3);
  while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;
  return line.substr(0, cut) + "...";
}

std::string headline(const store::MessageRow& m) {
  std::string line = m.name.empty() ? m.role : m.name;
  if (!m.channel.empty()) line += ", " + m.channel;
  if (!m.recipient.empty()) line += " -> " + m.recipient;
  if (!m.complete) line += " (cut off)";
  return line;
}

void print_indented(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::cout << "    " << for_terminal(text.substr(0, end)) << '\n';
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// A run and, further to the right, those it made.
void print_line(const store::Ledger& ledger, const store::RunSummary& run, const RunsOptions& options, const std::string& indent) {
  if (options.json) {
    std::cout << store::dump_line(store::to_json(run)) << '\n';
  } else {
    char status[16];
    std::snprintf(status, sizeof status, "%-11s", store::to_string(run.status));
    std::cout << indent << run.id << "  " << local_time(run.created_ms) << "  " << status << "  " << one_line(run.task, 70) << '\n';
  }
  for (const store::RunSummary& child : ledger.children_of(run.id)) print_line(ledger, child, options, indent + "  ");
}

std::string name_of_child(const store::RunSummary& child) {
  if (child.caller.call > 0) return "sub-agent of call " + std::to_string(child.caller.call);
  return "candidate " + std::to_string(child.caller.part);
}

// What the code of a call asked of the network: the metadata of tools/session_network.h.
void print_network(const store::CallRow& call) {
  const auto metadata = json_from<nlohmann::json>(call.result->metadata);
  const auto used = metadata.is_object() ? metadata.value(nlohmann::json::json_pointer("/network/used"), nlohmann::json::array()) : nlohmann::json::array();
  for (const nlohmann::json& use : used) {
    const std::string host = use.value("host", "");
    std::cout << "  network, call " << call.call << ": " << (use.value("allowed", false) ? "" : "refused ")
              << (host.empty() ? "a request without a host" : for_terminal(host) + ":" + std::to_string(use.value("port", 0))) << ", "
              << use.value("connections", 0) << " connections, " << use.value("sent", 0) << " bytes sent, " << use.value("received", 0) << " received";
    if (const std::string reason = use.value("reason", ""); !reason.empty()) std::cout << " (" << for_terminal(reason) << ")";
    std::cout << '\n';
  }
}

void print_record(const store::RunRecord& run) {
  const store::RunSummary& s = run.summary;
  std::cout << "run " << s.id << "  " << store::to_string(s.status);
  if (!s.terminal_reason.empty()) std::cout << " (" << s.terminal_reason << ")";
  std::cout << "\n  model " << s.model << ", sandbox " << (run.sandbox.empty() ? "-" : run.sandbox)
            << ", " << local_time(s.created_ms) << ", " << s.n_steps << " model calls, "
            << s.n_calls << " tool calls, " << run.timeline().size() << " tokens";
  if (s.sandbox_cpu_us > 0) std::cout << ", " << store::seconds_text(s.sandbox_cpu_us) << " of CPU time in the sandbox";
  std::cout << '\n';
  if (!run.message.empty()) std::cout << "  " << for_terminal(run.message) << '\n';
  if (!s.caller.run.empty()) std::cout << "  " << name_of_child(s) << " of run " << s.caller.run << '\n';
  for (const store::RunSummary& child : run.children) {
    std::cout << "  " << name_of_child(child) << ": run " << child.id << "  " << store::to_string(child.status) << '\n';
  }
  for (const store::MessageRow& m : run.messages) {
    if (m.role == "system") continue;
    std::cout << "\n  " << headline(m) << '\n';
    print_indented(m.content);
  }
  for (const store::CallRow& call : run.calls) {
    if (call.result) {
      print_network(call);
      continue;
    }
    std::cout << "\n  call " << call.call << " to " << call.intent.recipient
              << " was begun and has no result: whether it took effect is not known\n";
  }
}

}  // namespace

int runs_list_verb(const RunsOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  const auto runs = ledger->list_runs(options.limit);
  for (const store::RunSummary& run : runs) {
    if (options.quiet) {
      std::cout << run.id << '\n';
    } else {
      print_line(*ledger, run, options, "");
    }
  }
  if (runs.empty() && !options.quiet) std::cerr << "no runs yet in " << ledger->path().string() << '\n';
  return kExitDone;
}

int runs_show_verb(const RunsOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  const store::RunRecord run = ledger->load_run(options.run).value_or_throw();
  if (options.json) {
    std::cout << store::dump_line(store::to_json(run)) << '\n';
  } else {
    print_record(run);
  }
  return kExitDone;
}

}  // namespace toccata::cli
