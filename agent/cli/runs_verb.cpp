#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/terminal_view.h"
#include "agent/cli/verbs.h"
#include "agent/store/ledger.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;

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

ordered_json parsed(const std::string& text) {
  return ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
}

void print(const ordered_json& value) {
  std::cout << value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

ordered_json summary_json(const store::RunSummary& run) {
  ordered_json json = {
      {"id", run.id},
      {"created_ms", run.created_ms},
      {"task", run.task},
      {"model", run.model},
      {"status", store::to_string(run.status)},
      {"terminal_reason", run.terminal_reason},
      {"steps", run.n_steps},
      {"calls", run.n_calls}};
  if (run.finished_ms) json["finished_ms"] = *run.finished_ms;
  if (run.exit_code) json["exit_code"] = *run.exit_code;
  return json;
}

ordered_json call_json(const store::CallRow& call) {
  ordered_json json = {
      {"call", call.call},
      {"step", call.step},
      {"recipient", call.intent.recipient},
      {"arguments", call.intent.arguments},
      {"effect", call.intent.effect},
      {"idempotency_key", call.intent.idempotency_key},
      {"result", nullptr}};
  if (call.result) {
    json["result"] = {
        {"status", call.result->status},
        {"author", call.result->author},
        {"content", call.result->content},
        {"metadata", parsed(call.result->metadata)}};
  }
  return json;
}

ordered_json record_json(const store::RunRecord& run) {
  ordered_json json = summary_json(run.summary);
  json["message"] = run.message;
  json["final"] = run.final;
  json["sandbox"] = run.sandbox;
  json["params"] = parsed(run.params);
  json["usage"] = parsed(run.usage);
  for (const char* list : {"messages", "calls", "segments", "notes"}) json[list] = ordered_json::array();
  for (const store::MessageRow& m : run.messages) {
    json["messages"].push_back(
        {{"step", m.step},
         {"role", m.role},
         {"name", m.name},
         {"channel", m.channel},
         {"recipient", m.recipient},
         {"content", m.content},
         {"complete", m.complete}}
    );
  }
  for (const store::CallRow& c : run.calls) json["calls"].push_back(call_json(c));
  for (const store::Segment& s : run.segments) {
    json["segments"].push_back(
        {{"step", s.step}, {"kind", store::to_string(s.kind)}, {"tokens", s.tokens}}
    );
  }
  for (const store::NoteRow& n : run.notes) {
    json["notes"].push_back({{"step", n.step}, {"kind", n.kind}, {"detail", n.detail}});
  }
  return json;
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

void print_record(const store::RunRecord& run) {
  const store::RunSummary& s = run.summary;
  std::cout << "run " << s.id << "  " << store::to_string(s.status);
  if (!s.terminal_reason.empty()) std::cout << " (" << s.terminal_reason << ")";
  std::cout << "\n  model " << s.model << ", sandbox " << (run.sandbox.empty() ? "-" : run.sandbox)
            << ", " << local_time(s.created_ms) << ", " << s.n_steps << " model calls, "
            << s.n_calls << " tool calls, " << run.timeline().size() << " tokens\n";
  if (!run.message.empty()) std::cout << "  " << for_terminal(run.message) << '\n';
  for (const store::MessageRow& m : run.messages) {
    if (m.role == "system") continue;
    std::cout << "\n  " << headline(m) << '\n';
    print_indented(m.content);
  }
  for (const store::CallRow& call : run.calls) {
    if (call.result) continue;
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
    } else if (options.json) {
      print(summary_json(run));
    } else {
      char status[16];
      std::snprintf(status, sizeof status, "%-11s", store::to_string(run.status));
      std::cout << run.id << "  " << local_time(run.created_ms) << "  " << status << "  "
                << one_line(run.task, 70) << '\n';
    }
  }
  if (runs.empty() && !options.quiet) std::cerr << "no runs yet in " << ledger->path().string() << '\n';
  return kExitDone;
}

int runs_show_verb(const RunsOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options, env);
  const store::RunRecord run = ledger->load_run(options.run).value_or_throw();
  if (options.json) {
    print(record_json(run));
  } else {
    print_record(run);
  }
  return kExitDone;
}

}  // namespace toccata::cli
