#include "agent/store/run_export.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "agent/store/run_json.h"
#include "core/base/base64.h"
#include "core/base/image_type.h"
#include "core/base/json.h"

namespace toccata::store {
namespace {

std::string utc(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

// "python, analysis" and "assistant to functions.add, commentary".
std::string headline(const MessageRow& m) {
  std::string line = m.name.empty() ? m.role : m.name;
  if (!m.recipient.empty() && m.role != "tool") line += " to " + m.recipient;
  if (!m.channel.empty()) line += ", " + m.channel;
  if (!m.complete) line += " (cut off)";
  return line;
}

// The facts at the head of a document, name and value.
std::vector<std::pair<std::string, std::string>> facts(const RunRecord& run) {
  const RunSummary& s = run.summary;
  std::string status = to_string(s.status);
  if (!s.terminal_reason.empty()) status += " (" + s.terminal_reason + ")";
  std::vector<std::pair<std::string, std::string>> facts = {
      {"Run", s.id},
      {"Model", s.model},
      {"Status", status},
      {"Started", utc(s.created_ms)},
      {"Sandbox", run.sandbox.empty() ? "none used" : run.sandbox},
      {"Size",
       std::to_string(s.n_steps) + " model calls, " + std::to_string(s.n_calls) + " tool calls, " +
           std::to_string(run.timeline().size()) + " tokens"}};
  if (s.sandbox_cpu_us > 0) facts.emplace_back("CPU time in the sandbox", seconds_text(s.sandbox_cpu_us));
  if (!s.caller.run.empty()) {
    facts.emplace_back("Made by", s.caller.run + (s.caller.call > 0 ? ", call " + std::to_string(s.caller.call) : ""));
  }
  for (const RunSummary& child : run.children) {
    const std::string name = child.caller.call > 0 ? "Sub-agent of call " + std::to_string(child.caller.call)
                                                   : "Candidate " + std::to_string(child.caller.part);
    facts.emplace_back(name, child.id + ", " + to_string(child.status));
  }
  if (!s.parent.empty()) {
    facts.emplace_back("Forked from", s.parent + " after step " + std::to_string(s.parent_step));
  }
  if (!run.message.empty()) facts.emplace_back("Message", run.message);
  return facts;
}

// Longer than any run of backticks in the text.
std::string fence_for(std::string_view text) {
  std::size_t longest = 0, current = 0;
  for (const char c : text) {
    current = c == '`' ? current + 1 : 0;
    longest = std::max(longest, current);
  }
  return std::string(std::max<std::size_t>(3, longest + 1), '`');
}

std::string open_call_text(const CallRow& call) {
  return "Call " + std::to_string(call.call) + " to " + call.intent.recipient +
         " was begun and has no result: whether it took effect is not known.";
}

constexpr const char* kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0 0;font:14px/1.45 ui-monospace,"
    "monospace}"
    "figure{margin:1rem 0}img{max-width:100%}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:#666}dd{margin:0}"
    "article{border-left:4px solid #ccc;padding:.4rem .8rem;margin:.8rem 0}"
    "article h2{font-size:.85rem;margin:0;color:#666;font-weight:600}"
    ".user{border-color:#2a6fdb}.tool{border-color:#8a5a00;background:#faf7f0}"
    ".final{border-color:#1a7f37}.analysis pre{color:#666}.cut{border-style:dashed}"
    "@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}.tool{background:#211d14}}";

}  // namespace

std::string escape_html(std::string_view text) {
  // Through the JSON writer once: it is what replaces bytes that are not UTF-8.
  const auto safe = json_from_valid<nlohmann::ordered_json>(dump_line(std::string(text))).get<std::string>();
  std::string out;
  out.reserve(safe.size() + safe.size() / 8);
  for (const char c : safe) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\n':
      case '\t': out += c; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string to_json_lines(const RunRecord& run) {
  std::string out;
  const auto line = [&](const char* type, const nlohmann::ordered_json& fields) {
    nlohmann::ordered_json json = {{"type", type}};
    json.update(fields);
    out += dump_line(json) + "\n";
  };
  line("run", head_json(run));
  for (const StepRow& step : run.steps) line("step", to_json(step));
  for (const MessageRow& message : run.messages) line("message", to_json(message));
  for (const CallRow& call : run.calls) line("call", to_json(call));
  for (const Segment& segment : run.segments) line("segment", to_json(segment));
  for (const NoteRow& note : run.notes) line("note", to_json(note));
  for (const RunSummary& child : run.children) line("child", to_json(child));
  return out;
}

std::string to_markdown(const RunRecord& run) {
  std::string out = "# Run " + run.summary.id + "\n\n";
  for (const auto& [name, value] : facts(run)) {
    const std::string fence = fence_for(value).substr(2);
    out += "- " + name + ": " + fence + " " + value.substr(0, value.find('\n')) + " " + fence + "\n";
  }
  for (const MessageRow& m : run.messages) {
    const std::string fence = fence_for(m.content);
    std::string head = headline(m);
    std::replace(head.begin(), head.end(), '\n', ' ');
    out += "\n## Step " + std::to_string(m.step) + ": `" + head + "`\n\n" + fence + "text\n" +
           m.content + (m.content.ends_with('\n') ? "" : "\n") + fence + "\n";
  }
  for (const CallRow& call : run.calls) {
    if (!call.result) out += "\n" + open_call_text(call) + "\n";
  }
  return out;
}

namespace {

constexpr std::size_t kPictureBytes = std::size_t{4} << 20;

std::string files_html(std::span<const SessionFile> files) {
  if (files.empty()) return {};
  std::string out = "<article><h2>Files in /mnt/data</h2>\n";
  for (const SessionFile& file : files) {
    const std::string name = escape_html(file.path);
    const std::string type = file.bytes.size() <= kPictureBytes ? image_type(file.bytes) : "";
    const std::string caption = name + ", " + std::to_string(file.bytes.size()) + " bytes";
    if (type.empty()) {
      out += "<p>" + caption + "</p>\n";
    } else {
      out += "<figure><img alt=\"" + name + "\" src=\"data:" + type + ";base64," + base64(file.bytes) + "\"><figcaption>" + caption +
             "</figcaption></figure>\n";
    }
  }
  return out + "</article>\n";
}

}  // namespace

std::string to_html(const RunRecord& run, std::span<const SessionFile> files) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Run " +
      escape_html(run.summary.id) + "</title>\n<style>" + kStyle + "</style></head><body>\n<h1>Run " +
      escape_html(run.summary.id) + "</h1>\n<dl>\n";
  for (const auto& [name, value] : facts(run)) {
    out += "<dt>" + name + "</dt><dd>" + escape_html(value) + "</dd>\n";
  }
  out += "</dl>\n";
  for (const MessageRow& m : run.messages) {
    // Only words of ours become class names.
    std::string css = m.role == "user" || m.role == "tool" ? m.role : "";
    if (m.channel == "final" || m.channel == "analysis") css += " " + m.channel;
    if (!m.complete) css += " cut";
    const std::string body = "<pre>" + escape_html(m.content) + "</pre>";
    const bool folded = m.role == "system" || m.role == "developer";
    out += "<article class=\"" + css + "\"><h2>Step " + std::to_string(m.step) + ": " +
           escape_html(headline(m)) + "</h2>";
    out += folded ? "<details><summary>instructions</summary>" + body + "</details>" : body;
    out += "</article>\n";
  }
  for (const CallRow& call : run.calls) {
    if (!call.result) out += "<p>" + escape_html(open_call_text(call)) + "</p>\n";
  }
  return out + files_html(files) + "</body></html>\n";
}

}  // namespace toccata::store
