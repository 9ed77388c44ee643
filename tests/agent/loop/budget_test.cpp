#include "agent/loop/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace toccata::agent {
namespace {

TEST(BudgetTest, WhatAChildSpendsCountsForItsParent) {
  Limits family, own;
  family.budget_tokens = 100;
  own.budget_tokens = 60;
  Budget parent(family);
  Budget first(own, &parent), second(own, &parent);
  EXPECT_FALSE(parent.admit({.appended = 0}, 30, 0));
  EXPECT_FALSE(first.admit({}, 40, 20));
  EXPECT_EQ(first.admit({.appended = 40, .decoded = 20}, 0, 1), "the budget of 60 tokens is used up");
  EXPECT_FALSE(second.admit({}, 10, 0)) << "the last ten of the family";
  EXPECT_EQ(
      second.admit({.appended = 10}, 0, 1),
      "the budget of 100 tokens is used up (shared with the run that made this one)"
  );
  EXPECT_EQ(parent.admit({.appended = 30}, 0, 1), "the budget of 100 tokens is used up");
}

TEST(BudgetTest, WhatWasSetAsideAndDidNotComeIsGivenBack) {
  Limits limits;
  limits.budget_tokens = 10;
  Budget parent(limits);
  {
    Budget child(limits, &parent);
    EXPECT_FALSE(child.admit({}, 10, 0));
    EXPECT_TRUE(parent.admit({}, 1, 0));
    child.settle({.appended = 4});
  }
  EXPECT_FALSE(parent.admit({}, 6, 0));
  EXPECT_TRUE(parent.admit({.appended = 6}, 0, 1));
}

TEST(BudgetTest, ReadingAndWritingHaveLimitsOfTheirOwn) {
  Limits limits;
  limits.prefill_tokens_max = 10;
  limits.decode_tokens_max = 3;
  Budget budget(limits);
  EXPECT_FALSE(budget.admit({}, 10, 0));
  EXPECT_EQ(budget.admit({.appended = 10}, 1, 0), "the budget of 10 tokens to read is used up");
  EXPECT_FALSE(budget.admit({.appended = 10}, 0, 3));
  EXPECT_EQ(budget.admit({.appended = 10, .decoded = 3}, 0, 1), "the budget of 3 tokens to write is used up");
}

TEST(BudgetTest, CallsOutputAndChildrenAreShared) {
  Limits family, none;
  family.calls_max = 3;
  family.calls_of_max = {{"web", 1}};
  family.tool_bytes_max = 100;
  family.children_max = 2;
  Budget parent(family);
  Budget child(none, &parent);
  EXPECT_FALSE(child.take_call("web.open"));
  EXPECT_EQ(parent.refuses("web.search"), "the budget of 1 calls to web is used up");
  EXPECT_FALSE(child.take_call("files.read"));
  EXPECT_FALSE(parent.take_call("files.read"));
  EXPECT_TRUE(child.refuses("files.read")) << "three were made";
  EXPECT_FALSE(parent.take_child());
  EXPECT_FALSE(child.take_child());
  EXPECT_EQ(child.take_child(), "the budget of 2 sub-agents is used up (shared with the run that made this one)");

  Limits bytes;
  bytes.tool_bytes_max = 100;
  Budget reader(bytes);
  Budget below(none, &reader);
  below.add_output(100, std::chrono::milliseconds(1));
  EXPECT_EQ(reader.refuses("files.read"), "the budget of 100 bytes of tool output is used up");
}

TEST(BudgetTest, GuessesHaveAShareAndCountInTheWhole) {
  Limits family, none;
  family.budget_tokens = 80;
  Budget parent(family);
  Budget child(none, &parent);
  EXPECT_TRUE(child.admit_guess(4, 2));
  EXPECT_TRUE(parent.admit_guess(0, 4));
  EXPECT_FALSE(child.admit_guess(0, 1)) << "an eighth of 80 is spent";
  EXPECT_FALSE(child.admit({.appended = 70}, 0, 0));
  EXPECT_TRUE(child.admit({.appended = 70}, 0, 1));

  Budget full(family);
  EXPECT_FALSE(full.admit({.appended = 80}, 0, 0));
  EXPECT_FALSE(full.admit_guess(0, 1)) << "the run has spent it all";
  Budget open(none);
  EXPECT_TRUE(open.admit_guess(1'000'000, 1'000'000));
}

TEST(BudgetTest, CallsAheadNeedRoomBesideThoseThatWereMade) {
  Limits limits;
  limits.calls_max = 3;
  limits.calls_of_max = {{"web", 2}};
  Budget budget(limits);
  EXPECT_FALSE(budget.take_call("web.open"));
  EXPECT_FALSE(budget.refuses("web.open", 0));
  EXPECT_TRUE(budget.refuses("web.open", 1));
  EXPECT_FALSE(budget.refuses("files.read", 1));
  EXPECT_TRUE(budget.refuses("files.read", 2));
}

TEST(BudgetTest, CpuTimeIsSharedWhileItIsUsed) {
  using std::chrono::milliseconds;
  using std::chrono::microseconds;
  Limits family, own, none;
  family.sandbox_cpu_max = milliseconds(1000);
  own.sandbox_cpu_max = milliseconds(300);
  Budget parent(family);
  Budget first(own, &parent), second(none, &parent);
  EXPECT_EQ(first.charge_cpu(microseconds(0)), milliseconds(300));
  EXPECT_EQ(second.charge_cpu(milliseconds(800)), milliseconds(200));
  EXPECT_EQ(first.charge_cpu(milliseconds(50)), milliseconds(150)) << "the family's";
  EXPECT_FALSE(first.refuses_sandbox());
  EXPECT_EQ(second.charge_cpu(milliseconds(160)), milliseconds(-10));
  EXPECT_EQ(first.refuses_sandbox(), "the budget of 1 seconds of CPU time in the sandbox is used up (shared with the run that made this one)");
  EXPECT_FALSE(first.refuses("files.read")) << "other calls are none of it";
  Budget free(none);
  EXPECT_EQ(free.charge_cpu(std::chrono::hours(1)), microseconds::max());
}

TEST(BudgetTest, CpuTimeOfEarlierProcessesIsRecalled) {
  Limits limits;
  limits.sandbox_cpu_max = std::chrono::milliseconds(500);
  Budget budget(limits);
  store::CallRow call;
  call.intent.recipient = "python";
  call.result.emplace();
  call.result->status = "failed";
  call.result->sandbox_cpu_us = 300'000;
  budget.recall({call});
  store::RunRecord child;
  child.calls = {call};
  EXPECT_EQ(budget.charge_cpu({}), std::chrono::milliseconds(200));
  budget.recall_child(child);
  EXPECT_EQ(budget.refuses_sandbox(), "the budget of 0.5 seconds of CPU time in the sandbox is used up");
}

TEST(BudgetTest, ManyThreadsSpendExactlyWhatThereIs) {
  Limits family, none;
  family.budget_tokens = 10'007;
  family.calls_max = 101;
  Budget parent(family);
  std::atomic<std::int64_t> n_tokens = 0;
  std::atomic<int> n_calls = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Budget child(none, &parent);
      Usage used;
      while (!child.admit(used, 0, 1)) ++used.decoded;
      n_tokens += used.decoded;
      while (!child.take_call("functions.f")) ++n_calls;
      child.settle(used);
    });
  }
  threads.clear();
  EXPECT_EQ(n_tokens, 10'007);
  EXPECT_EQ(n_calls, 101);
  EXPECT_TRUE(parent.admit({}, 0, 1));
}

}  // namespace
}  // namespace toccata::agent
