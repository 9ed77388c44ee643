#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "sandbox/sandbox.h"

namespace toccata::sandbox {

using namespace std::chrono_literals;

// With TOCCATA_TEST_WARM set, all sessions of these tests are forked from a zygote, else all are started afresh. Never a
// pool: what it does in the background is no leak, but would look like one.
inline Warmth test_warmth() {
  Warmth warmth = Warmth::none();
  warmth.zygote = std::getenv("TOCCATA_TEST_WARM") != nullptr;
  return warmth;
}

inline Result<Sandbox> make_sandbox(Policy policy, const MakeEgress& make_egress = nullptr) {
  policy.warmth = test_warmth();
  Result<Sandbox> made = Sandbox::create(policy, make_egress);
  if (!made || !policy.warmth.zygote || made->level() > Level::kNoProc) return made;
  const Result<std::string> warm = made->await_warm();
  EXPECT_TRUE(warm.ok()) << warm.error().message;
  return made;
}

// A session at the strongest level this machine has; skips, saying why, where there are no namespaces.
class SandboxTest : public testing::Test {
 protected:
  void SetUp() override { open(Policy{}); }

  void open(const Policy& policy, const MakeEgress& make_egress = nullptr) {
    session_.reset();
    sandbox_.reset();
    Result<Sandbox> made = make_sandbox(policy, make_egress);
    if (!made) GTEST_SKIP() << made.error().message;
    sandbox_.emplace(*std::move(made));
    Result<std::unique_ptr<Session>> opened = sandbox_->open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    session_ = *std::move(opened);
  }

  Outcome run(const std::string& code, std::chrono::milliseconds timeout = 60s) {
    return session_->execute(code, timeout);
  }
  std::string output(const std::string& code) { return run(code).output; }

  std::optional<Sandbox> sandbox_;
  std::unique_ptr<Session> session_;
};

}  // namespace toccata::sandbox
