#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "sandbox/sandbox.h"

namespace toccata::sandbox {

using namespace std::chrono_literals;

// A session at the strongest level this machine has; skips, saying why, where there are no namespaces.
class SandboxTest : public testing::Test {
 protected:
  void SetUp() override { open(Policy{}); }

  void open(const Policy& policy) {
    session_.reset();
    sandbox_.reset();
    Result<Sandbox> made = Sandbox::create(policy);
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
