#include "agent/toolfile/tool_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace toccata::toolfile {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kWhole = R"(namespace: weather
secrets:
  KEY: {env: OPENWEATHER_KEY}
  OTHER: {file: ~/.keys/other}
tools:
  - name: forecast
    description: |
      The weather of a city.
      In Celsius.
    parameters:
      type: object
      properties: {city: {type: string}, days: {type: integer, minimum: 1}}
      required: [city]
      additionalProperties: false
    effect: pure
    timeout: 10s
    output_bytes: 4000
    http:
      url: https://api.example.org/v1/{city}?units=metric
      query: {days: "{days}", key: "${secret:KEY}"}
      headers: {X-Other: "${secret:OTHER} of {city}"}
      show: {now: /current/temp, then: /daily}
  - name: order
    description: Orders something.
    parameters: {type: object, properties: {what: {type: string}, n: {type: integer}}, required: [what, n]}
    effect: keyed
    http:
      method: PUT
      url: http://127.0.0.1:8000/orders
      private: true
      json: {item: "{what}", count: "{n}", note: "for {what}", fixed: [1, null, true]}
  - name: words
    description: Counts words.
    parameters: {type: object, properties: {path: {type: string}}, required: [path]}
    approval: false
    command: {argv: [wc, -w, [--, "{path}"]], stdin: json, env: {LC_ALL: C}}
  - name: publish
    description: Publishes.
    command: {argv: [./publish.sh], where: host, folder: site, env: {TOKEN: "${secret:KEY}"}}
)";

TEST(ToolFileTest, AWholeFileIsRead) {
  const ParsedToolFile parsed = parse_tool_file(kWhole, "tools.yaml", "/etc/toccata");
  ASSERT_THAT(parsed.problems, IsEmpty()) << task::text_of(parsed.problems);
  const auto& tools = parsed.file.tools;
  ASSERT_EQ(tools.size(), 4U);
  EXPECT_EQ(tools[0].name_space, "weather");
  EXPECT_EQ(tools[0].function.description, "The weather of a city.\nIn Celsius.");
  EXPECT_EQ(tools[0].effect, tools::Effect::kPure);
  EXPECT_TRUE(tools[0].concurrent);
  EXPECT_EQ(tools[0].timeout, std::chrono::seconds(10));
  EXPECT_EQ(tools[0].output_bytes_max, 4000U);
  EXPECT_FALSE(tools[0].needs_approval);
  EXPECT_TRUE(tools[0].untrusted);
  EXPECT_THAT(tools[0].secrets, ElementsAre("KEY", "OTHER"));
  EXPECT_EQ(tools[0].http()->origin, "https://api.example.org");
  EXPECT_EQ(tools[0].http()->method, "GET");
  EXPECT_THAT(tools[0].http()->show, ElementsAre(::testing::Pair("now", "/current/temp"), ::testing::Pair("then", "/daily")));
  EXPECT_EQ(tools[1].effect, tools::Effect::kKeyed);
  EXPECT_TRUE(tools[1].needs_approval);
  EXPECT_FALSE(tools[1].concurrent);
  EXPECT_FALSE(tools[2].needs_approval);
  EXPECT_FALSE(tools[2].untrusted);
  EXPECT_FALSE(tools[2].command()->on_host);
  EXPECT_EQ(tools[3].command()->argv[0].words[0].pieces()[0].text, "/etc/toccata/./publish.sh");
  EXPECT_EQ(tools[3].command()->folder, "/etc/toccata/site");
  EXPECT_EQ(parsed.file.secrets.at("KEY").variable, "OPENWEATHER_KEY");
  EXPECT_EQ(parsed.file.secrets.at("OTHER").file, "~/.keys/other");
  // The schema holds whatever the order of the keys.
  EXPECT_EQ(tools[0].objection({{"city", "Oslo"}, {"days", 2}}), "");
  EXPECT_EQ(tools[0].objection({{"days", 2}, {"city", "Oslo"}}), "");
  EXPECT_THAT(tools[0].objection({{"city", "Oslo"}, {"days", 0}}), HasSubstr("breaks the schema"));
}

TEST(ToolFileTest, JsonIsReadToo) {
  const ParsedToolFile parsed = parse_tool_file(
      R"({"tools": [{"name": "now", "description": "The time.", "effect": "pure", "command": {"argv": ["date"]}}]})", "t.json", ".");
  EXPECT_THAT(parsed.problems, IsEmpty()) << task::text_of(parsed.problems);
  EXPECT_EQ(parsed.file.tools.at(0).function.name, "now");
}

TEST(ToolFileTest, WhatIsPureMayRunBesideOthersUnlessItSaysNoOrHasOneSession) {
  const ParsedToolFile parsed = parse_tool_file(R"(
tools:
  - {name: a, description: d, effect: pure, command: {argv: [date], where: host}}
  - {name: b, description: d, effect: pure, concurrent: false, command: {argv: [date], where: host}}
  - {name: c, description: d, effect: pure, command: {argv: [date]}}
  - {name: d, description: d, effect: keyed, concurrent: true, http: {url: "https://a.example/"}}
)", "t.yaml", ".");
  ASSERT_THAT(parsed.problems, IsEmpty()) << task::text_of(parsed.problems);
  std::vector<bool> concurrent;
  for (const auto& tool : parsed.file.tools) concurrent.push_back(tool.concurrent);
  EXPECT_THAT(concurrent, ElementsAre(true, false, false, true));
}

std::string with(const std::string& call) {
  return "tools:\n  - name: f\n    description: d\n    parameters: {type: object, properties: {a: {type: string}, b: {type: string}}, required: [a]}\n    " + call + "\n";
}

struct Wrong {
  std::string text, said;
};

class WrongToolFileTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongToolFileTest, IsToldWithItsPlace) {
  const ParsedToolFile parsed = parse_tool_file(GetParam().text, "t.yaml", ".");
  EXPECT_THAT(task::text_of(parsed.problems), HasSubstr(GetParam().said)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Files, WrongToolFileTest, ::testing::Values(
    Wrong{"", "t.yaml:1:1: found "},
    Wrong{"tools: []", "t.yaml:1:8: found a list for 'tools', expected a list of at least one function"},
    Wrong{"tool: 1", "found the unknown key 'tool' in a tool file, expected one of namespace, secrets, tools; did you mean 'tools'?"},
    Wrong{"tools: [{name: 'a b', description: x, command: {argv: [x]}}]", "found the name 'a b', expected letters"},
    Wrong{"tools: [{name: a, command: {argv: [x]}}]", "found no 'description' of 'a'"},
    Wrong{"tools:\n- {name: a, description: x, command: {argv: [x]}}\n- {name: a, description: x, command: {argv: [x]}}", "t.yaml:3:10: found the function 'a' twice"},
    Wrong{"namespace: browser\ntools: [{name: a, description: x, command: {argv: [x]}}]", "t.yaml:1:12: found 'browser' for 'namespace'"},
    Wrong{"secrets: {K: {}}\ntools: [{name: a, description: x, command: {argv: [x]}}]", "expected one of them"},
    Wrong{with("effect: unknown\n    command: {argv: [x]}"), "expected one of pure, keyed, effectful"},
    Wrong{with("effect: pure\n    concurrent: true\n    command: {argv: [x]}"), "found 'concurrent' of a command in the sandbox"},
    Wrong{with("concurrent: true\n    http: {url: 'https://x.org/'}"), "found 'concurrent' of an effectful function"},
    Wrong{with("timeout: 2 weeks\n    command: {argv: [x]}"), "expected a time such as"},
    Wrong{with("timeout: 100h\n    command: {argv: [x]}"), "expected one within"},
    Wrong{with("output_bytes: 3\n    command: {argv: [x]}"), "expected a whole number from 256 up"},
    Wrong{with("http: {url: 'https://x.org/', x: 1}"), "found the unknown key 'x' in 'http'"},
    Wrong{with("http: {url: 'https://x.org/'}\n    command: {argv: [x]}"), "found both of 'http' and 'command'"},
    Wrong{with("effect: pure"), "found neither of 'http' and 'command'"},
    Wrong{with("http: {}"), "found no 'url' in 'http'"},
    Wrong{with("http: {url: 'https://{a}/x'}"), "and a '/' before the first argument"},
    Wrong{with("http: {url: 'https://x.org{a}'}"), "and a '/' before the first argument"},
    Wrong{with("http: {url: '{a}'}"), "and a '/' before the first argument"},
    Wrong{with("http: {url: 'https://${secret:H}/x'}"), "and a '/' before the first argument"},
    Wrong{with("http: {url: 'ftp://x.org/'}"), "found a 'url' that cannot be used"},
    Wrong{with("http: {url: 'https://user:pw@x.org/'}"), "found a 'url' that cannot be used"},
    Wrong{with("http: {url: 'https://x.org/a#b'}"), "found a '#' in 'url'"},
    Wrong{with("http: {url: 'https://x.org/../{a}'}"), "found '.' or '..'"},
    Wrong{with("http: {url: 'http://127.0.0.1:80/'}"), "expected 'private: true' beside it"},
    Wrong{with("http: {url: 'http://169.254.169.254/latest'}"), "expected 'private: true' beside it"},
    Wrong{with("http: {url: 'https://x.org/{b}'}"), "found the argument 'b' in 'url', expected it in 'required'"},
    Wrong{with("http: {url: 'https://x.org/{aa}'}"), "found the unknown argument 'aa', expected one of a, b; did you mean 'a'?"},
    Wrong{with("http: {url: 'https://x.org/', query: {x: '{a'}}"), "t.yaml:5:46: found '{a', expected the name of an argument"},
    Wrong{with("http: {url: 'https://x.org/', query: {x: 'a}'}}"), "closes nothing"},
    Wrong{with("http: {url: 'https://x.org/', query: {x: '${secret:a b}'}}"), "expected ${secret:NAME}"},
    Wrong{with("http: {url: 'https://x.org/', query: [a]}"), "expected a mapping of texts"},
    Wrong{with("http: {url: 'https://x.org/', headers: {'a b': x}}"), "found the header name 'a b'"},
    Wrong{with("http: {url: 'https://x.org/', headers: {Host: x}}"), "found the header 'Host', which the request sets itself"},
    Wrong{with("http: {url: 'https://x.org/', method: TRACE}"), "expected one of GET"},
    Wrong{with("http: {url: 'https://x.org/', method: GET, json: {}}"), "found a body for GET"},
    Wrong{with("http: {url: 'https://x.org/', body: x, json: {}}"), "found more than one of 'json', 'form' and 'body'"},
    Wrong{with("http: {url: 'https://x.org/', json: {x: ['{c}']}}"), "found the unknown argument 'c'"},
    Wrong{with("http: {url: 'https://x.org/', content_type: text/csv}"), "found 'content_type' without a body"},
    Wrong{with("http: {url: 'https://x.org/', show: a/b}"), "expected a JSON pointer"},
    Wrong{with("http: {url: 'https://x.org/', show: /a~b}"), "expected a JSON pointer"},
    Wrong{with("command: {argv: []}"), "found a list for 'argv', expected a list: the program"},
    Wrong{with("command: {argv: ['{a}']}"), "no argument chooses it"},
    Wrong{with("command: {argv: [[x]]}"), "no argument chooses it"},
    Wrong{with("command: {argv: [x], shell: y}"), "found both of 'argv' and 'shell'"},
    Wrong{with("command: {}"), "found neither of 'argv' and 'shell'"},
    Wrong{with("command: {argv: [x], where: cloud}"), "expected one of sandbox, host"},
    Wrong{with("command: {argv: [x], env: {'A B': x}}"), "found the variable name 'A B'"},
    Wrong{with("command: {argv: [x], env: {A: '${secret:K}'}}"), "expected 'where: host'"},
    Wrong{with("command: {argv: [x], stdin: yes}"), "expected json (all arguments as one object)"},
    Wrong{"tools: [{name: a, description: x, parameters: {type: string}, command: {argv: [x]}}]", "expected a JSON Schema of an object"},
    Wrong{"tools: [{name: a, description: x, parameters: {properties: {b: {type: array, uniqueItems: true}}}, command: {argv: [x]}}]", "uniqueItems"},
    Wrong{"tools: [\n{", "this is not YAML"}));

// Whatever bytes a file has: problems, no crash, no hang.
TEST(ToolFileTest, DamagedFilesAreRefusedInWords) {
  std::mt19937 random(11);
  const std::string whole = kWhole;
  const std::string signs = "{}[]:,'\"\\|>&*!%@#$-\n\t \x01\xff\xc3";
  int n_refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = whole;
    for (auto n = random() % 4 + 1; n > 0; --n) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text.erase(at, random() % 20); break;
        case 1: text.insert(at, 1, signs[random() % signs.size()]); break;
        case 2: text[at] = static_cast<char>(random()); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
      if (text.empty()) text = "x";
    }
    const ParsedToolFile parsed = parse_tool_file(text, "t.yaml", "/etc");
    for (const task::Problem& problem : parsed.problems) {
      EXPECT_THAT(problem.text(), ::testing::StartsWith("t.yaml:"));
      EXPECT_GE(problem.place.line, 1);
    }
    n_refused += parsed.problems.empty() ? 0 : 1;
  }
  EXPECT_GT(n_refused, 2000);
}

}  // namespace
}  // namespace toccata::toolfile
