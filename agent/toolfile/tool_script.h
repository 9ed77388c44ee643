// Tools that answer what a file says and do nothing else: for tests of agents and task files, as the scripted model is.
//
//   tools:
//     functions.forecast:
//       - when: {city: Oslo}            # arguments with these values; others may be there
//         result: {temperature: -3}     # a text, or JSON
//       - matches: {city: "^B"}         # a regular expression is found in the argument (PCRE2)
//         result: rain
//         times: any                    # 1 by default
//       - error: no such city           # what fits no answer before it, once
//     python:                           # whose call is no JSON: its argument is called code
//       - matches: {code: "48213"}
//         result: "47104106"
//     functions.book:                   # a function that nothing else declares
//       description: Books a flight.
//       parameters: {type: object, properties: {to: {type: string}}, required: [to]}
//       answers: [{result: booked}]
//
//   all_used: true                      # a run that ends without having used them all has failed
//
// Of a tool's answers the first counts that fits the call and is not used up. A call without one ends the run.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/task/place.h"
#include "agent/task/value.h"
#include "tools/files/line_pattern.h"
#include "tools/registry.h"

namespace toccata::toolfile {

struct ScriptedAnswer {
  std::vector<std::pair<std::string, task::Value>> when = {};
  std::vector<std::pair<std::string, tools::LinePattern>> matches = {};
  std::string text = {};
  bool failed = false;
  int times = 1;  // -1: any
  task::Place place = {};
};

struct ScriptedRecipient {
  std::string recipient;  // "functions.forecast", "python"
  task::Place place;
  std::vector<ScriptedAnswer> answers = {};
  std::string description = {};  // of a function that nothing else declares
  std::string parameters = {};   // JSON Schema text
};

struct ToolScript {
  std::string file;
  bool all_used = false;
  std::vector<ScriptedRecipient> recipients;
};

struct ParsedToolScript {
  ToolScript script;
  std::vector<task::Problem> problems;
};
ParsedToolScript parse_tool_script(std::string_view text, const std::string& file);
// Throws Exception: when it cannot be read, or has problems.
ToolScript load_tool_script(const std::filesystem::path& path);

struct ScriptedTools {
  tools::Registry registry;
  // Places of answers that were not used, or not as often as they say; none unless the script demands that all are.
  std::function<std::vector<std::string>()> unused;
};

// `tools` as they are declared, and the functions that only the script declares; nothing of them runs. A call without an answer is
// kStopsRun, saying what was expected. Each registry begins at the first answers. Throws Exception(kInvalidArgument) for a name
// that neither declares.
ScriptedTools scripted_tools(const tools::Registry& tools, ToolScript script);

}  // namespace toccata::toolfile
