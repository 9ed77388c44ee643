#include "agent/cli/completion.h"

#include <functional>

namespace toccata::cli {
namespace {

// The verb a line is at is written as its words, each after a space: "" is the program, " runs list" a verb of a verb.
using Visit = std::function<void(const std::string& at, const CompletionVerb&)>;

void visit(const CompletionVerb& verb, const Visit& on_verb, const std::string& at = "") {
  on_verb(at, verb);
  for (const CompletionVerb& child : verb.verbs) visit(child, on_verb, at + " " + child.name);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// In single quotes, for each of the three shells.
std::string quoted(const std::string& text, const std::string& quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote;
    } else if (c == '\\' && quote == "\\'") {  // fish reads \ in single quotes
      out += "\\\\";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out + "'";
}
std::string posix_quoted(const std::string& text) { return quoted(text, "'\\''"); }
std::string fish_quoted(const std::string& text) { return quoted(text, "\\'"); }

// The lines of a `case` on "$at $word" that go down into a verb.
std::string descents(const CompletionVerb& program) {
  std::string patterns;
  visit(program, [&](const std::string& at, const CompletionVerb&) {
    if (!at.empty()) patterns += (patterns.empty() ? "" : "|") + posix_quoted(at);
  });
  return patterns;
}

// The lines of a `case` on "$at $previous": what to do after an option that takes a value. `action` gets its choices,
// none where a file name may stand.
using Action = std::function<std::string(const std::vector<std::string>& choices)>;

std::string value_cases(const CompletionVerb& program, const Action& action) {
  std::string text;
  visit(program, [&](const std::string& at, const CompletionVerb& verb) {
    for (const CompletionOption& option : verb.options) {
      if (!option.takes_value) continue;
      std::string patterns;
      for (const std::string& name : option.names) {
        patterns += (patterns.empty() ? "" : "|") + posix_quoted(at + " " + name);
      }
      text += "    " + patterns + ") " + action(option.choices) + "; return ;;\n";
    }
  });
  return text;
}

std::vector<std::string> verbs_and_words(const CompletionVerb& verb) {
  std::vector<std::string> all = verb.words;
  for (const CompletionVerb& child : verb.verbs) all.push_back(child.name);
  return all;
}

std::string bash_script(const CompletionVerb& program) {
  std::string words;
  visit(program, [&](const std::string& at, const CompletionVerb& verb) {
    std::vector<std::string> options;
    for (const CompletionOption& option : verb.options) options.insert(options.end(), option.names.begin(), option.names.end());
    words += "    " + posix_quoted(at) + ") words=(" + joined(verbs_and_words(verb)) + ") options=(" + joined(options) + ") ;;\n";
  });
  return R"(# bash completion of )" + program.name + R"(; made by `toccata completion bash`.
_toccata() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} at= i words=() options=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$at ${COMP_WORDS[i]}" in
      )" + descents(program) + R"() at="$at ${COMP_WORDS[i]}" ;;
    esac
  done
  # --name=value comes as three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = && COMP_CWORD -ge 2 ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  case "$at $previous" in
)" + value_cases(program, [](const auto& choices) {
    // Nothing found: `-o default` completes a file name.
    return choices.empty() ? std::string("COMPREPLY=()")
                           : "COMPREPLY=($(compgen -W " + posix_quoted(joined(choices)) + " -- \"$current\"))";
  }) + R"(  esac
  case "$at" in
)" + words + R"(  esac
  if [[ $current == -* ]]; then words=("${options[@]}"); fi
  COMPREPLY=($(compgen -W "${words[*]}" -- "$current"))
}
complete -o default -F _toccata )" + program.name + "\n";
}

std::string zsh_script(const CompletionVerb& program) {
  std::string words;
  // _describe wants name:help, with colons of the name escaped; ours have none.
  visit(program, [&](const std::string& at, const CompletionVerb& verb) {
    words += "    " + posix_quoted(at) + ")\n      words_of=(" + joined(verb.words);
    for (const CompletionVerb& child : verb.verbs) words += " " + posix_quoted(child.name + ":" + child.help);
    words += ")\n      options=(";
    for (const CompletionOption& option : verb.options) {
      for (const std::string& name : option.names) words += " " + posix_quoted(name + ":" + option.help);
    }
    words += ")\n      ;;\n";
  });
  return "#compdef " + program.name + R"(
# zsh completion; made by `toccata completion zsh`.
_toccata() {
  local at='' i
  local -a words_of options
  for ((i = 2; i < CURRENT; ++i)); do
    case "$at ${words[i]}" in
      )" + descents(program) + R"() at="$at ${words[i]}" ;;
    esac
  done
  case "$at ${words[CURRENT-1]}" in
)" + value_cases(program, [](const auto& choices) {
    return choices.empty() ? std::string("_files") : "compadd -- " + joined(choices);
  }) + R"(  esac
  case "$at" in
)" + words + R"(  esac
  if [[ $PREFIX == -* ]]; then
    _describe option options
  else
    if (( $#words_of )); then _describe verb words_of; fi
    if [[ -n $at ]]; then _files; fi
  fi
}
if [ "$funcstack[1]" = _toccata ]; then _toccata "$@"; else compdef _toccata )" + program.name + "; fi\n";
}

std::string fish_script(const CompletionVerb& program) {
  std::string text = "# fish completion of " + program.name + R"(; made by `toccata completion fish`.
# Whether the line is at the verb that the arguments name.
function __toccata_at
  set -l at
  set -l words (commandline -opc)
  for word in $words[2..-1]
    contains -- "$at $word" )";
  visit(program, [&](const std::string& at, const CompletionVerb&) {
    if (!at.empty()) text += fish_quoted(at) + " ";
  });
  text += R"(; and set at "$at $word"
  end
  test "$at" = "$argv[1]"
end
)";
  visit(program, [&](const std::string& at, const CompletionVerb& verb) {
    const std::string line = "complete -c " + program.name + " -n " + fish_quoted("__toccata_at \"" + at + "\"");
    for (const CompletionVerb& child : verb.verbs) {
      text += line + " -f -a " + child.name + " -d " + fish_quoted(child.help) + "\n";
    }
    if (!verb.words.empty()) text += line + " -a " + fish_quoted(joined(verb.words)) + "\n";
    for (const CompletionOption& option : verb.options) {
      text += line;
      for (const std::string& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (option.takes_value) text += option.choices.empty() ? " -r" : " -x -a " + fish_quoted(joined(option.choices));
      text += " -d " + fish_quoted(option.help) + "\n";
    }
  });
  return text;
}

}  // namespace

Result<std::string> completion_script(const std::string& shell, const CompletionVerb& program) {
  if (shell == "bash") return bash_script(program);
  if (shell == "zsh") return zsh_script(program);
  if (shell == "fish") return fish_script(program);
  return Error{ErrorCode::kInvalidArgument, "no completion for '" + shell + "': expected bash, zsh or fish"};
}

}  // namespace toccata::cli
