// Functions of a file, called: what is sent, what is run, what the model reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/toolfile/tool_file.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"
#include "tools/declared/declared_tool.h"

namespace toccata::toolfile {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using tools::ToolResult;
using tools::ToolStatus;

class DeclaredCallTest : public ::testing::Test {
 protected:
  // One function `f` with arguments a, b (texts), n (a number), l (a list); a is required.
  ToolResult call(const std::string& declaration, const std::string& arguments, std::stop_token stop = {}) {
    const std::string text =
        "tools:\n  - name: f\n    description: d\n    parameters: {type: object, properties: {a: {type: string}, b: {type: string}, n: {type: number}, "
        "l: {type: array, items: {type: string}}, o: {type: object}}, required: [a]}\n    " + declaration + "\n";
    ParsedToolFile parsed = parse_tool_file(text, "t.yaml", folder_ / "");
    EXPECT_TRUE(parsed.problems.empty()) << task::text_of(parsed.problems) << text;
    if (!parsed.problems.empty()) return {};
    for (const auto& [name, source] : parsed.file.secrets) secrets_->declare(name, source).value_or_throw();
    const auto tool = tools::declared::make_tool(parsed.file.tools.at(0), {.secrets = secrets_, .slot = nullptr, .environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}});
    return tool->call({"functions.f", arguments, "run/1"}, stop);
  }
  std::string http(const std::string& path, const std::string& more = "") {
    return "http: {url: '" + server_.url(path) + "', private: true" + (more.empty() ? "" : ", " + more) + "}";
  }
  static std::string first_line(const std::string& request) { return request.substr(0, request.find('\r')); }
  static std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }
  std::string last() const { return server_.requests().empty() ? "" : server_.requests().back(); }

  testing::TempFolder folder_;
  std::map<std::string, std::string> variables_ = {{"KEY", "s3cret/Key+1"}};
  std::shared_ptr<tools::Secrets> secrets_ = std::make_shared<tools::Secrets>(
      [this](const std::string& name) {
        const auto found = variables_.find(name);
        return found == variables_.end() ? std::nullopt : std::optional(found->second);
      },
      folder_ / "secrets", folder_ / "");
  std::string answer_ = testing::http_answer("200 OK", "application/json", R"({"x": {"y": [1, "two"]}})");
  testing::LoopbackServer server_{[this](const std::string&, testing::Connection& c) { c.send(answer_); }};
};

// --- HTTP ------------------------------------------------------------------------------------------------------------

TEST_F(DeclaredCallTest, ArgumentsGoWhereTheFileSays) {
  const ToolResult result = call(
      http("/v1/{a}/x?u=1", R"(query: {n: "{n}", list: "{l}", b: "{b}"}, headers: {X-A: "<{a}>", X-B: "{b}"})"), R"({"a":"Ås & co/1","n":2.5,"l":["p","q r"]})");
  EXPECT_EQ(result.status, ToolStatus::kOk) << result.content;
  EXPECT_EQ(result.content, R"({"x": {"y": [1, "two"]}})");
  EXPECT_EQ(first_line(last()), "GET /v1/%C3%85s%20%26%20co%2F1/x?u=1&n=2.5&list=p&list=q%20r HTTP/1.1");
  EXPECT_THAT(last(), HasSubstr("X-A: <Ås & co/1>\r\n"));
  EXPECT_THAT(last(), Not(HasSubstr("X-B")));
  EXPECT_THAT(last(), HasSubstr("User-Agent: Toccata\r\n"));
  EXPECT_THAT(result.metadata, HasSubstr(R"("http_status":200)"));
  EXPECT_TRUE(result.provenance.untrusted);
  EXPECT_EQ(result.provenance.origin, server_.url());
}

TEST_F(DeclaredCallTest, BodiesKeepTheTypesOfArguments) {
  call(http("/", R"(json: {a: "{a}", n: "{n}", o: "{o}", text: "{a}, {n}", gone: "{b}", list: ["{b}", "{l}", 1], const: null})"), R"({"a":"x\"y","n":3,"o":{"k":[true]},"l":[]})");
  EXPECT_EQ(first_line(last()), "POST / HTTP/1.1");
  EXPECT_EQ(body_of(last()), R"({"a":"x\"y","n":3,"o":{"k":[true]},"text":"x\"y, 3","list":[[],1],"const":null})");
  EXPECT_THAT(last(), HasSubstr("Content-Type: application/json\r\n"));
  call(http("/", R"(method: PUT, form: {a: "{a}", c: "1&2"})"), R"({"a":"x=y&z"})");
  EXPECT_EQ(body_of(last()), "a=x%3Dy%26z&c=1%262");
  call(http("/", R"(body: "{{{a}}}", content_type: text/csv)"), R"({"a":"x"})");
  EXPECT_EQ(body_of(last()), "{x}");
  EXPECT_THAT(last(), HasSubstr("Content-Type: text/csv\r\n"));
}

// No argument makes another segment, parameter, header, request or host.
TEST_F(DeclaredCallTest, NoArgumentLeavesItsPlace) {
  for (const std::string value : {"x/../../admin", "x?y=1", "x#y", "x&y=1", "x@evil.org", "//evil.org", "x\\\\y", "x%2e%2e", "x y\\r\\nHost: evil"}) {
    call(http("/v1/{a}/z", R"(query: {q: "{a}"})"), "{\"a\":\"" + value + "\"}");
    const std::string line = first_line(last());
    EXPECT_THAT(line, ::testing::MatchesRegex("GET /v1/[A-Za-z0-9%._~-]+/z\\?q=[A-Za-z0-9%._~-]+ HTTP/1.1")) << value;
    EXPECT_THAT(last(), HasSubstr("Host: 127.0.0.1"));
    EXPECT_THAT(last(), Not(HasSubstr("Host: evil")));
  }
  const auto n_before = server_.requests().size();
  for (const std::string value : {"..", ".", ""}) {
    const ToolResult result = call(http("/v1/{a}/z"), "{\"a\":\"" + value + "\"}");
    EXPECT_EQ(result.status, ToolStatus::kFailed) << value;
    EXPECT_THAT(result.content, HasSubstr("address")) << value;
  }
  for (const std::string value : {"x\\r\\nX-Evil: 1", "x\\n", "\\u0000", "\\u007f"}) {
    const ToolResult result = call(http("/", R"(headers: {X-A: "{a}"})"), "{\"a\":\"" + value + "\"}");
    EXPECT_THAT(result.content, HasSubstr("it stands in the header X-A"));
  }
  EXPECT_THAT(call(http("/{a}"), "{\"a\":\"" + std::string(9000, 'x') + "\"}").content, HasSubstr("more than 8192 bytes"));
  EXPECT_EQ(server_.requests().size(), n_before);
}

TEST_F(DeclaredCallTest, ArgumentsOutsideTheSchemaAreToldAndNothingIsSent) {
  EXPECT_THAT(call(http("/"), R"({"b":"x"})").content, HasSubstr("breaks the schema"));
  EXPECT_THAT(call(http("/"), R"({"a":1})").content, HasSubstr("breaks the schema"));
  EXPECT_THAT(call(http("/"), "[1]").content, HasSubstr("one JSON object"));
  EXPECT_THAT(call(http("/"), "{\"a\":" + std::string(5000, '[')).content, HasSubstr("one JSON object"));
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(DeclaredCallTest, WhatIsShownIsChosen) {
  EXPECT_EQ(call(http("/", "show: /x/y/1"), R"({"a":"x"})").content, "two");
  EXPECT_EQ(call(http("/", "show: /x"), R"({"a":"x"})").content, R"({"y":[1,"two"]})");
  EXPECT_EQ(call(http("/", "show: {first: /x/y/0, none: /z}"), R"({"a":"x"})").content, R"({"first":1,"none":null})");
  const ToolResult missing = call(http("/", "show: /z"), R"({"a":"x"})");
  EXPECT_EQ(missing.status, ToolStatus::kFailed);
  EXPECT_EQ(missing.content, "The answer has no /z.");
  answer_ = testing::http_answer("200 OK", "text/html", "<p>no JSON");
  EXPECT_THAT(call(http("/", "show: /z"), R"({"a":"x"})").content, HasSubstr("not the JSON that was expected: <p>no JSON"));
}

TEST_F(DeclaredCallTest, OtherAnswersAreFailuresInWords) {
  answer_ = testing::http_answer("404 Not Found", "text/plain", "no such city");
  const ToolResult missing = call(http("/"), R"({"a":"x"})");
  EXPECT_EQ(missing.status, ToolStatus::kFailed);
  EXPECT_EQ(missing.content, "HTTP status 404: no such city");
  answer_ = testing::http_answer("302 Found", "text/plain", "", "Location: http://evil.example/\r\n");
  EXPECT_THAT(call(http("/"), R"({"a":"x"})").content, HasSubstr("has moved to http://evil.example/, which is not followed"));
  answer_ = testing::http_answer("200 OK", "image/png", std::string("\x89PNG\0\1", 6));
  EXPECT_EQ(call(http("/"), R"({"a":"x"})").content, "[6 bytes of image/png, not shown]");
  answer_ = testing::http_answer("204 No Content", "text/plain", "");
  EXPECT_EQ(call(http("/"), R"({"a":"x"})").content, "(HTTP status 204, no content)");
  answer_ = testing::http_answer("200 OK", "text/plain", std::string(100'000, 'x'));
  EXPECT_LT(call("output_bytes: 1000\n    " + http("/"), R"({"a":"x"})").content.size(), 1100U);
  answer_ = testing::http_answer("200 OK", "text/plain", std::string(tools::Redactor::kSecretBytesMax + (9 << 20), 'x'));
  EXPECT_EQ(call(http("/"), R"({"a":"x"})").status, ToolStatus::kFailed);
}

TEST_F(DeclaredCallTest, TimeIsBounded) {
  testing::LoopbackServer silent([](const std::string&, testing::Connection& c) { c.stall(); });
  const auto begin = std::chrono::steady_clock::now();
  const ToolResult result = call("timeout: 200ms\n    http: {url: '" + silent.url("/") + "', private: true}", R"({"a":"x"})");
  EXPECT_EQ(result.status, ToolStatus::kFailed);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(DeclaredCallTest, KeyedCallsCarryTheirKey) {
  call("effect: keyed\n    " + http("/", "method: POST"), R"({"a":"x"})");
  EXPECT_THAT(last(), HasSubstr("Idempotency-Key: run/1\r\n"));
  call("effect: keyed\n    " + http("/", "method: POST, key_header: X-Request-Id"), R"({"a":"x"})");
  EXPECT_THAT(last(), HasSubstr("X-Request-Id: run/1\r\n"));
  call(http("/", "method: POST"), R"({"a":"x"})");
  EXPECT_THAT(last(), Not(HasSubstr("run/1")));
}

TEST_F(DeclaredCallTest, SecretsAreSentAndNotShown) {
  const std::string form = R"(query: {key: "${secret:KEY}"}, headers: {Authorization: "Bearer ${secret:KEY}"}, form: {k: "${secret:KEY}"})";
  answer_ = testing::http_answer("200 OK", "text/plain", "your key is s3cret/Key+1, s3cret%2FKey%2B1, s3cret\\/Key+1, czNjcmV0L0tleSsx");
  const ToolResult result = call(http("/", form), R"({"a":"x"})");
  EXPECT_THAT(last(), StartsWith("POST /?key=s3cret%2FKey%2B1 HTTP/1.1"));
  EXPECT_THAT(last(), HasSubstr("Authorization: Bearer s3cret/Key+1\r\n"));
  EXPECT_EQ(result.content, "your key is [secret KEY], [secret KEY], [secret KEY], [secret KEY]");
  variables_.clear();
  const ToolResult missing = call(http("/", form), R"({"a":"x"})");
  EXPECT_EQ(missing.status, ToolStatus::kFailed);
  EXPECT_THAT(missing.content, StartsWith("the secret KEY is not there: set the variable KEY"));
}

// --- Programs on this machine ----------------------------------------------------------------------------------------

std::string host(const std::string& rest) { return "command: {where: host, " + rest + "}"; }

TEST_F(DeclaredCallTest, WordsAreNotAShellsText) {
  const ToolResult result = call(host(R"(argv: [printf, "<%s>", "{a}", "x {n}", "{l}", [-b, "{b}"]])"), R"({"a":"$(id); 'x' \"y\" *\n","n":3,"l":["p q","r"]})");
  EXPECT_EQ(result.status, ToolStatus::kOk);
  EXPECT_EQ(result.content, "<$(id); 'x' \"y\" *\n><x 3><p q><r>");
  EXPECT_FALSE(result.provenance.untrusted);
  EXPECT_EQ(call(host(R"(argv: [printf, "<%s>", [-b, "{b}"]])"), R"({"a":"x","b":"y"})").content, "<-b><y>");
}

TEST_F(DeclaredCallTest, NoArgumentBecomesAnOptionByAccident) {
  for (const std::string argv : {R"([printf, "%s", "{a}"])", R"([printf, "%s", --x, "{a}y"])", R"([printf, "%s", "{l}"])"}) {
    const ToolResult result = call(host("argv: " + argv), R"({"a":"-rf","l":["a","--x"]})");
    EXPECT_EQ(result.status, ToolStatus::kFailed) << argv;
    EXPECT_THAT(result.content, HasSubstr("may not begin with '-'"));
  }
  EXPECT_EQ(call(host(R"(argv: [printf, --, "%s", "{a}"])"), R"({"a":"-rf"})").content, "-rf");
  EXPECT_EQ(call(host(R"(argv: [printf, "%s", "--x={a}"])"), R"({"a":"-rf"})").content, "--x=-rf");
  EXPECT_EQ(call(host(R"(argv: [printf, "%s", "{n}"], allow_dashes: true)"), R"({"a":"","n":-5})").content, "-5");
  // An argument that says "--" ends no options.
  EXPECT_EQ(call(host(R"(argv: [printf, "%s%s", "{a}", "{b}"])"), R"({"a":"--","b":"-x"})").status, ToolStatus::kFailed);
}

TEST_F(DeclaredCallTest, ProgramsGetWhatIsDeclaredAndNothingElse) {
  setenv("TOCCATA_TEST_LEAK", "leaked", 1);
  const ToolResult result = call(host(R"(argv: [env], env: {A: "{a}", B: "{b}", K: "${secret:KEY}"})") , R"({"a":"x"})");
  unsetenv("TOCCATA_TEST_LEAK");
  EXPECT_EQ(result.content, "A=x\nK=[secret KEY]\nPATH=/usr/bin:/bin\nLANG=C.UTF-8\n");
  EXPECT_THAT(call("effect: keyed\n    " + host("argv: [env]"), R"({"a":"x"})").content, HasSubstr("TOCCATA_IDEMPOTENCY_KEY=run/1\n"));
  EXPECT_EQ(call(host("argv: [cat], stdin: json"), R"({"a":"x","n":1})").content, "{\"a\":\"x\",\"n\":1}\n");
  EXPECT_EQ(call(host(R"(argv: [cat], stdin: {text: "{a}!"})"), R"({"a":"x"})").content, "x!");
  EXPECT_EQ(call(host("argv: [cat]"), R"({"a":"x"})").content, "(no output)");
  std::filesystem::create_directory(folder_ / "sub");
  EXPECT_EQ(call(host("argv: [pwd], folder: sub"), R"({"a":"x"})").content, (folder_ / "sub").string() + "\n");
}

TEST_F(DeclaredCallTest, AShellIsRunWhereItIsAskedForAndGetsArgumentsAsVariables) {
  const ToolResult result = call(host(R"(shell: 'echo "$ARG_a" | tr a-z A-Z; echo $((ARG_n + 1))')"), R"({"a":"x $(id) `id` \"; id; \"","n":2})");
  EXPECT_EQ(result.content, "X $(ID) `ID` \"; ID; \"\n3\n");
}

TEST_F(DeclaredCallTest, HowItEndedIsSaid) {
  const ToolResult failed = call(host("shell: 'echo out; echo err >&2; exit 3'"), R"({"a":"x"})");
  EXPECT_EQ(failed.status, ToolStatus::kFailed);
  EXPECT_EQ(failed.content, "out\n[stderr]\nerr\n[exited with code 3]");
  EXPECT_THAT(failed.metadata, HasSubstr(R"("exit_code":3)"));
  EXPECT_EQ(call(host("shell: 'kill -9 $$'"), R"({"a":"x"})").content, "[was killed by signal 9]");
  EXPECT_THAT(call(host("argv: [no-such-program]"), R"({"a":"x"})").content, HasSubstr("no program 'no-such-program'"));
  EXPECT_THAT(call(host("argv: [./missing.sh]"), R"({"a":"x"})").content, HasSubstr("missing.sh is not a program that can be run"));
  EXPECT_THAT(call(host("argv: [yes]"), R"({"a":"x"})").content, HasSubstr("printed more than 16 MiB"));
}

bool is_alive(pid_t pid) { return kill(pid, 0) == 0; }

// With everything it started, whatever it was doing.
TEST_F(DeclaredCallTest, AtItsTimeLimitTheWholeGroupEnds) {
  const auto begin = std::chrono::steady_clock::now();
  const ToolResult result = call("timeout: 300ms\n    " + host("shell: \"trap '' TERM; sleep 60 & echo $! $$; cat /dev/zero >/dev/null\""), R"({"a":"x"})");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(result.status, ToolStatus::kFailed);
  EXPECT_THAT(result.content, HasSubstr("[stopped after 300 ms, its time limit]"));
  int background = 0, shell = 0;
  ASSERT_EQ(sscanf(result.content.c_str(), "%d %d", &background, &shell), 2) << result.content;
  for (int i = 0; i < 100 && (is_alive(background) || is_alive(shell)); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(is_alive(background));
  EXPECT_FALSE(is_alive(shell));
}

TEST_F(DeclaredCallTest, WhatAProgramLeavesBehindEndsWithIt) {
  const ToolResult result = call(host("shell: 'sleep 60 & echo $!'"), R"({"a":"x"})");
  const pid_t background = std::stoi(result.content);
  for (int i = 0; i < 100 && is_alive(background); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(is_alive(background));
}

TEST_F(DeclaredCallTest, AProgramThatDoesNotReadAndOneThatIsStopped) {
  const std::string big = R"({"a":")" + std::string(300'000, 'x') + R"("})";
  EXPECT_EQ(call(host("argv: ['true'], stdin: json"), big).status, ToolStatus::kOk);
  EXPECT_EQ(call("output_bytes: 1000000\n    " + host("argv: [cat], stdin: json"), big).content.size(), big.size() + 1);
  std::stop_source stop;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  EXPECT_THAT(call(host("argv: [sleep, 60]"), R"({"a":"x"})", stop.get_token()).content, HasSubstr("[stopped]"));
  later.join();
}

}  // namespace
}  // namespace toccata::toolfile
