// Edits of the token log: what goes, and what stays word for word.
#include "agent/loop/log_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "agent/loop/prompt.h"
#include "tests/support/scripted_model.h"

namespace toccata::agent {
namespace {

using Kind = LogMessage::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LogEditTest : public ::testing::Test {
 protected:
  Tokens tokens(const std::string& text) const {
    return tokenizer_->encode(text, tokenizer::Specials::kAll);
  }
  std::string text(std::span<const Token> log) const {
    return tokenizer_->decode_bytes(log).value_or_throw();
  }
  std::string edited(const Tokens& log, const std::optional<LogEdit>& edit) const {
    if (!edit) return text(log);
    Tokens result(log.begin(), log.begin() + edit->keep);
    result.insert(result.end(), edit->tail.begin(), edit->tail.end());
    return text(result);
  }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::o200k_harmony();
  harmony::Renderer renderer_ = harmony::Renderer::make(tokenizer_).value_or_throw();
};

const std::string kSystem = "<|start|>system<|message|>You are ChatGPT<|end|>";
std::string user(const std::string& text) { return "<|start|>user<|message|>" + text + "<|end|>"; }
std::string thought(const std::string& text) {
  return "<|start|>assistant<|channel|>analysis<|message|>" + text + "<|end|>";
}
std::string call(const std::string& code) {
  return "<|start|>assistant<|channel|>analysis to=python code<|message|>" + code + "<|call|>";
}
std::string result(const std::string& text) {
  return "<|start|>python to=assistant<|channel|>analysis<|message|>" + text + "<|end|>";
}
std::string final(const std::string& text) {
  return "<|start|>assistant<|channel|>final<|message|>" + text + "<|end|>";
}

TEST_F(LogEditTest, ReadsEveryKindOfMessage) {
  const Tokens log = tokens(
      kSystem + user("go") + thought("hm") + call("1") + result("1") +
      "<|start|>assistant<|channel|>commentary<|message|>Soon.<|end|>" + final("x")
  );
  std::vector<Kind> kinds;
  std::int64_t at = 0;
  for (const LogMessage& message : read_log(log, renderer_)) {
    EXPECT_EQ(message.begin, at) << "messages stand side by side";
    at = message.end;
    kinds.push_back(message.kind);
  }
  EXPECT_EQ(at, std::ssize(log));
  EXPECT_THAT(
      kinds,
      ElementsAre(
          Kind::kInstructions, Kind::kUser, Kind::kReasoning, Kind::kCall, Kind::kResult,
          Kind::kOther, Kind::kFinal
      )
  );
}

TEST_F(LogEditTest, FinishedReasoningGoesAndCallsStay) {
  const std::string kept = kSystem + user("a") + call("1") + result("1") + final("x");
  const Tokens log = tokens(
      kSystem + user("a") + thought("one") + call("1") + result("1") + thought("two") + final("x") +
      user("b") + thought("now")
  );
  const auto edit = drop_finished_reasoning(log, renderer_);
  ASSERT_TRUE(edit);
  EXPECT_EQ(edited(log, edit), kept + user("b") + thought("now"));
  EXPECT_FALSE(drop_finished_reasoning(tokens(kept + user("b") + thought("x")), renderer_));
}

TEST_F(LogEditTest, OldOutputsGoFirstThenReasoningThenCalls) {
  const std::string big(4000, 'x');
  std::string all = kSystem + user("go");
  for (int i = 1; i <= 6; ++i) {
    all += thought("thought " + std::to_string(i)) + call("run(" + std::to_string(i) + ")") + result(std::to_string(i) + big);
  }
  const Tokens log = tokens(all);
  const auto compacted = [&](std::int64_t target) {
    return edited(log, compact(log, renderer_, {.target = target, .recall = "context.recall", .n_calls = 6}));
  };
  EXPECT_EQ(compacted(std::ssize(log)), all) << "short enough";

  const std::string some = compacted(std::ssize(log) - 600);
  EXPECT_THAT(some, HasSubstr("context.recall {\"call\": 1} shows it"));
  EXPECT_THAT(some, HasSubstr("context.recall {\"call\": 2} shows it"));
  EXPECT_THAT(some, Not(HasSubstr("{\"call\": 3}")));
  EXPECT_THAT(some, HasSubstr("thought 1"));

  const std::string few = compacted(1300);
  EXPECT_THAT(few, Not(HasSubstr("thought 1")));
  EXPECT_THAT(few, HasSubstr("run(1)"));
  EXPECT_THAT(few, HasSubstr("thought 6"));

  const std::string least = compacted(1);
  EXPECT_THAT(least, Not(HasSubstr("run(4)")));
  EXPECT_THAT(least, HasSubstr("run(5)"));
  EXPECT_THAT(least, HasSubstr("5" + big));
  EXPECT_THAT(least, HasSubstr("6" + big));
  EXPECT_THAT(least, ::testing::StartsWith(kSystem + user("go")));
}

// Random histories: what is pinned survives, nothing is split, and a second compaction changes nothing more.
TEST_F(LogEditTest, TheContractHoldsForRandomHistories) {
  std::mt19937 random(3);
  const auto words = [&](int n_max) {
    std::string text;
    for (auto n = random() % static_cast<unsigned>(n_max); n > 0; --n) text += " w" + std::to_string(random() % 1000);
    return text;
  };
  for (int trial = 0; trial < 200; ++trial) {
    std::string all = kSystem;
    std::vector<std::string> pinned = {kSystem};
    int n_calls = 0;
    for (auto turns = 1 + random() % 3; turns > 0; --turns) {
      pinned.push_back(user("goal" + words(30)));
      all += pinned.back();
      for (auto steps = random() % 6; steps > 0; --steps) {
        if (random() % 2 == 0) all += thought(words(60));
        ++n_calls;
        all += call("c" + std::to_string(n_calls)) + result("r" + std::to_string(n_calls) + words(200));
      }
      if (random() % 2 == 0) {
        pinned.push_back(final(words(40)));
        all += pinned.back();
      }
    }
    const Tokens log = tokens(all);
    const Compaction rule{.target = static_cast<std::int64_t>(random() % 600), .n_calls = n_calls};
    const auto edit = compact(log, renderer_, rule);
    const std::string after = edited(log, edit);
    std::size_t at = 0;
    for (const std::string& text : pinned) {
      at = after.find(text, at);
      ASSERT_NE(at, std::string::npos) << text << "\nis missing in\n" << after;
    }
    const Tokens shorter = tokens(after);
    EXPECT_LE(shorter.size(), log.size());
    int open = 0;
    for (const LogMessage& message : read_log(shorter, renderer_)) {
      if (message.kind == Kind::kCall) ++open;
      if (message.kind == Kind::kResult) --open;
      ASSERT_TRUE(open == 0 || open == 1) << "a call without its result in\n" << after;
    }
    EXPECT_EQ(open, 0);
    if (n_calls > 0) {
      EXPECT_THAT(after, HasSubstr(call("c" + std::to_string(n_calls)) + result("r" + std::to_string(n_calls)).substr(0, 20)));
    }
    EXPECT_EQ(edited(shorter, compact(shorter, renderer_, rule)), after);
  }
}

}  // namespace
}  // namespace toccata::agent
