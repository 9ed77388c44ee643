#include "agent/cli/manual.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

namespace toccata::cli {
namespace {

// Most verbs take the options of `run`: written once, there.
constexpr const char* kSharing = "run";

std::string key(const CompletionOption& option) { return option.names.empty() ? "" : option.names.back(); }

bool is_help(const CompletionOption& option) { return key(option) == "--help"; }

bool same(const CompletionOption& a, const CompletionOption& b) { return a.names == b.names && a.help == b.help; }

// The options of `run` that every verb has which has most of them.
std::set<std::string> shared_options(const CompletionVerb& program) {
  const auto run = std::find_if(program.verbs.begin(), program.verbs.end(), [](const auto& verb) { return verb.name == kSharing; });
  if (run == program.verbs.end()) return {};
  std::vector<CompletionOption> shared;
  std::copy_if(run->options.begin(), run->options.end(), std::back_inserter(shared), [](const auto& option) { return !is_help(option); });
  const std::size_t most = shared.size() / 2 + 1;
  const std::function<void(const CompletionVerb&)> visit = [&](const CompletionVerb& verb) {
    const auto has = [&](const CompletionOption& option) {
      return std::any_of(verb.options.begin(), verb.options.end(), [&](const auto& other) { return same(option, other); });
    };
    if (static_cast<std::size_t>(std::count_if(run->options.begin(), run->options.end(), has)) >= most) {
      std::erase_if(shared, [&](const auto& option) { return !has(option); });
    }
    for (const CompletionVerb& child : verb.verbs) visit(child);
  };
  visit(program);
  std::set<std::string> keys;
  for (const CompletionOption& option : shared) keys.insert(key(option));
  return keys;
}

// A verb as it is written down.
struct Section {
  std::string line;  // "toccata runs show"
  const CompletionVerb* verb = nullptr;
  std::vector<CompletionOption> options;  // without those shared
  bool shares = false;
};

std::vector<Section> sections(const CompletionVerb& program) {
  const std::set<std::string> shared = shared_options(program);
  std::vector<Section> all;
  const std::function<void(const CompletionVerb&, const std::string&)> visit = [&](const CompletionVerb& verb, const std::string& line) {
    Section section{line, &verb, {}, false};
    const auto has = [&](const std::string& name) {
      return std::any_of(verb.options.begin(), verb.options.end(), [&](const auto& option) { return key(option) == name; });
    };
    section.shares = !shared.empty() && line != program.name + " " + kSharing && std::all_of(shared.begin(), shared.end(), has);
    for (const CompletionOption& option : verb.options) {
      const bool written_elsewhere = section.shares && shared.contains(key(option));
      if (!written_elsewhere && (!is_help(option) || &verb == &program)) section.options.push_back(option);
    }
    all.push_back(std::move(section));
    for (const CompletionVerb& child : verb.verbs) visit(child, line + " " + child.name);
  };
  visit(program, program.name);
  return all;
}

std::string synopsis(const Section& section) {
  std::string text = section.line;
  if (!section.options.empty() || section.shares) text += " [OPTIONS]";
  for (const CompletionArgument& argument : section.verb->arguments) {
    const std::string name = argument.name + (argument.many ? "..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  if (!section.verb->verbs.empty()) text += " VERB";
  return text;
}

std::string value_text(const CompletionOption& option) {
  if (option.choices.empty()) return option.value;
  std::string text;
  for (const std::string& choice : option.choices) text += (text.empty() ? "" : "|") + choice;
  return text;
}

// The help, and where else the value comes from.
std::string description(const CompletionOption& option) {
  std::string text = option.help;
  std::string value = option.default_value;
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  if (!value.empty()) text += " [default: " + value + "]";
  if (!option.variable.empty()) text += " [env: " + option.variable + "]";
  return text;
}

std::string roff(const std::string& text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_option(const CompletionOption& option) {
  std::string text;
  for (const std::string& name : option.names) text += (text.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  if (!option.value.empty()) text += " \\fI" + roff(value_text(option)) + "\\fR";
  return text;
}

std::string as_is(const std::string& text) { return ".PP\n.nf\n" + roff(text) + "\n.fi\n"; }

}  // namespace

std::string manual_man(const CompletionVerb& program, const std::string& version) {
  std::string out = ".\\\" Written by `toccata dev manual man`.\n.TH TOCCATA 1 \"\" \"toccata " + version + "\" \"User Commands\"\n";
  out += ".SH NAME\ntoccata \\- gpt\\-oss models as working agents\n";
  out += ".SH SYNOPSIS\n.B toccata\n.I VERB\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n";
  out += ".SH DESCRIPTION\n" + roff(program.help) + "\n";
  const std::vector<Section> all = sections(program);
  for (const Section& section : all) {
    const bool whole = section.verb == &program;
    out += whole ? std::string(".SH OPTIONS\n") : ".SS \"" + roff(synopsis(section)) + "\"\n" + roff(section.verb->help) + "\n";
    for (const CompletionArgument& argument : section.verb->arguments) {
      out += ".TP\n\\fI" + roff(argument.name) + "\\fR\n" + roff(argument.help) + "\n";
    }
    for (const CompletionOption& option : section.options) {
      out += ".TP\n" + roff_option(option) + "\n" + roff(description(option)) + "\n";
    }
    if (section.shares) out += ".PP\nAlso the options of \\fBtoccata run\\fR.\n";
    if (!whole && !section.verb->footer.empty()) out += as_is(section.verb->footer);
    if (whole) out += ".SH VERBS\n";
  }
  out += ".SH EXAMPLES\n" + as_is(program.footer);
  out += ".SH FILES\n";
  const std::pair<const char*, const char*> files[] = {
      {"$XDG_CONFIG_HOME/toccata/config.toml", "The user's defaults: options by their long names. A project's own are in ./toccata.toml."},
      {"$XDG_DATA_HOME/toccata/runs.db", "The ledger: every token, message and call of every run (SQLite)."},
      {"$XDG_DATA_HOME/toccata/index.db", "Local documents of the browser tool (SQLite)."},
      {"$HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub", "Weights, shared with huggingface_hub."},
  };
  for (const auto& [file, help] : files) out += ".TP\n\\fI" + roff(file) + "\\fR\n" + roff(help) + "\n";
  return out;
}

std::string manual_markdown(const CompletionVerb& program) {
  std::string out = "# The command line\n\nWritten by `scripts/write_cli_docs` from the program's own tables; `toccata VERB --help` prints the same.\n";
  for (const Section& section : sections(program)) {
    out += "\n## " + section.line + "\n\n" + section.verb->help + "\n\n```text\n" + synopsis(section) + "\n```\n";
    if (!section.verb->arguments.empty() || !section.options.empty()) out += "\n";
    for (const CompletionArgument& argument : section.verb->arguments) out += "- `" + argument.name + "`: " + argument.help + "\n";
    for (const CompletionOption& option : section.options) {
      std::string names;
      for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + name;
      if (!option.value.empty()) names += " " + value_text(option);
      out += "- `" + names + "`: " + description(option) + "\n";
    }
    if (section.shares) out += "\nAlso the options of `toccata run`.\n";
    if (!section.verb->footer.empty()) out += "\n```text\n" + section.verb->footer + "\n```\n";
  }
  return out;
}

}  // namespace toccata::cli
