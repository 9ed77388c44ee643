// kill -9 at any moment: what the agent printed stands in the ledger.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using testing::answering;
using testing::calls;
using testing::says_final;
using testing::thinks;

constexpr int kSteps = 30;
constexpr char kResultMark = '\x01';

std::string words(int step) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "w" + std::to_string(step) + "." + std::to_string(i) + " ";
  return text;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = write(fd, bytes.data(), bytes.size());
    if (n <= 0) _exit(1);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// The child: an agent that prints every delta and, behind a mark, every result of a call.
[[noreturn]] void run_agent(const std::filesystem::path& path, int out) {
  auto ledger = store::Ledger::open(path).value_or_throw();
  tools::Registry registry;
  registry.add(
      testing::fake_functions([n = 0](const tools::ToolCall& call, std::stop_token) mutable {
        return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, std::to_string(n++), "{}"};
      })
  );
  std::vector<ScriptedCompletion> completions;
  for (int step = 0; step < kSteps; ++step) {
    completions.push_back(
        {.text = thinks(words(step)) + calls("functions.now", "{}"),
         .token_delay = std::chrono::microseconds(20)}
    );
  }
  completions.push_back({.text = says_final("done")});
  const auto model = testing::scripted_model(std::move(completions));
  Agent agent(*model, registry, *ledger, {}, [out](const Event& event) {
    if (const auto* delta = std::get_if<ItemDelta>(&event)) write_all(out, delta->delta);
    if (const auto* done = std::get_if<ItemCompleted>(&event)) {
      if (const auto* call = std::get_if<ToolCallItem>(&done->item.details)) {
        write_all(out, kResultMark + call->result.value_or("") + kResultMark);
      }
    }
  });
  agent.run("go");
  _exit(0);
}

// What a reader of the ledger finds of the same output.
std::string printed_of(const store::RunRecord& record) {
  std::string text;
  for (const store::MessageRow& message : record.messages) {
    if (message.channel == "analysis" || message.channel == "final") text += message.content;
    if (message.role == "tool") text += kResultMark + message.content + kResultMark;
  }
  return text;
}

TEST(KillTest, NothingThatWasPrintedIsMissing) {
  std::mt19937 random(20261124);
  tokenizer::Tokenizer::o200k_harmony();  // unpacked once, not in every child
  std::size_t bytes_whole = 0;
  for (int step = 0; step < kSteps; ++step) bytes_whole += words(step).size() + 3;
  for (int trial = 0; trial < 25; ++trial) {
    testing::TempFolder folder;
    const std::filesystem::path path = folder / "ledger.db";
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(fds[0]);
      run_agent(path, fds[1]);
    }
    close(fds[1]);
    const std::size_t kill_after = 1 + random() % bytes_whole;
    std::string printed;
    char bytes[256];
    bool killed = false;
    for (ssize_t n; (n = read(fds[0], bytes, sizeof bytes)) > 0;) {
      printed.append(bytes, static_cast<std::size_t>(n));
      if (!killed && printed.size() >= kill_after) {
        kill(child, SIGKILL);
        killed = true;
      }
    }
    close(fds[0]);
    waitpid(child, nullptr, 0);

    auto ledger = store::Ledger::open(path).value_or_throw();
    const store::RunRecord record = ledger->load_run("last").value_or_throw();
    EXPECT_THAT(printed_of(record), ::testing::StartsWith(printed))
        << "killed after " << kill_after;
    if (killed && !record.summary.finished_ms) {
      EXPECT_EQ(record.summary.status, store::RunStatus::kInterrupted);
    }
    EXPECT_THAT(ledger->check(), ::testing::IsEmpty());
    // The token log holds at least the text of the messages.
    const auto text =
        tokenizer::Tokenizer::o200k_harmony()->decode_bytes(record.timeline()).value_or_throw();
    EXPECT_THAT(text, ::testing::HasSubstr(record.messages.back().content));
  }
}

// Calls that need approval append a line to a file. The second one waits when the process is killed; the resumed run asks
// for it again, and each was made once.
TEST(KillTest, ACallThatWaitsForApprovalIsAskedForAgainAndMadeOnce) {
  testing::TempFolder folder;
  const std::filesystem::path path = folder / "ledger.db", effects = folder / "effects";
  tools::ToolSpec spec = testing::fake_functions(answering(""))->spec();
  spec.needs_approval = true;
  tools::Registry registry;
  registry.add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) {
    std::ofstream(effects, std::ios::app) << call.arguments << "\n";
    return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "sent", "{}"};
  }));
  const auto model = testing::scripted_model(std::vector<std::string>{
      thinks("one") + calls("functions.now", R"({"n":1})"), thinks("two") + calls("functions.now", R"({"n":2})"), says_final("done")});
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto ledger = store::Ledger::open(path).value_or_throw();
    AgentConfig config;
    config.approval.mode = ApprovalPolicy::Mode::kOnRequest;
    config.approval.ask = [&](const ApprovalRequest& request) {
      if (request.arguments == R"({"n":1})") return Decision::kApprove;
      write_all(fds[1], "?");
      for (;;) pause();
    };
    Agent agent(*model, registry, *ledger, config);
    agent.run("go");
    _exit(0);
  }
  close(fds[1]);
  char asked = 0;
  ASSERT_EQ(read(fds[0], &asked, 1), 1);
  close(fds[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);

  auto ledger = store::Ledger::open(path).value_or_throw();
  const store::RunRecord left = ledger->load_run("last").value_or_throw();
  EXPECT_EQ(left.summary.status, store::RunStatus::kInterrupted);
  EXPECT_EQ(left.calls.size(), 1U);
  ASSERT_FALSE(left.notes.empty());
  EXPECT_EQ(left.notes.back().detail, "waiting: functions.now");
  std::vector<std::string> asked_for;
  AgentConfig config;
  config.approval.mode = ApprovalPolicy::Mode::kOnRequest;
  config.approval.ask = [&](const ApprovalRequest& request) {
    asked_for.push_back(request.arguments);
    return Decision::kApprove;
  };
  Agent agent(*model, registry, *ledger, config);
  EXPECT_EQ(agent.resume(left.summary.id).final, "done");
  EXPECT_THAT(asked_for, ::testing::ElementsAre(R"({"n":2})"));
  std::stringstream made;
  made << std::ifstream(effects).rdbuf();
  EXPECT_EQ(made.str(), "{\"n\":1}\n{\"n\":2}\n");
  EXPECT_THAT(ledger->check(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace toccata::agent
