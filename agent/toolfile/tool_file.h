// Files that declare functions for a model: an HTTP request or a program behind each.
//
//   namespace: functions                              # the default
//   secrets:
//     WEATHER_KEY: {env: OPENWEATHER_KEY}             # default: the variable of that name, else the user's secrets folder
//   tools:
//     - name: forecast
//       description: The weather of a city on the next days.
//       parameters:                                   # JSON Schema
//         type: object
//         properties: {city: {type: string}, days: {type: integer, minimum: 1, maximum: 7}}
//         required: [city]
//         additionalProperties: false
//       effect: pure                                  # pure, keyed, effectful
//       timeout: 10s
//       http:
//         url: https://api.example.org/v1/forecast/{city}
//         query: {days: "{days}"}
//         headers: {Authorization: "Bearer ${secret:WEATHER_KEY}"}
//         show: /forecast                             # of the JSON answer
//     - name: count_words
//       description: How many words a file has.
//       parameters: {type: object, properties: {path: {type: string}}, required: [path]}
//       command: {argv: [wc, -w, --, "{path}"], where: sandbox}
//
// YAML; JSON is a part of it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/task/place.h"
#include "tools/declared/definition.h"
#include "tools/secrets/secrets.h"

namespace toccata::toolfile {

struct ToolFile {
  std::vector<tools::declared::Definition> tools;
  std::map<std::string, tools::SecretSource> secrets;  // every one that is named
};

struct ParsedToolFile {
  ToolFile file;                       // whole only without problems
  std::vector<task::Problem> problems;  // in the order of the file
};

// `file` is for messages; `folder`: where relative programs and folders of commands on the host are found.
ParsedToolFile parse_tool_file(std::string_view text, const std::string& file, const std::filesystem::path& folder);

// Throws Exception when the file cannot be read.
ParsedToolFile load_tool_file(const std::filesystem::path& path);

}  // namespace toccata::toolfile
