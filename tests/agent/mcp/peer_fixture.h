// What the tests of every transport share: the tools they call, and how a request is written.
#pragma once

#include <gtest/gtest.h>

#include "tests/agent/mcp/fake_service.h"

namespace toccata::testing {

class PeerTest : public ::testing::Test {
 protected:
  PeerTest() {
    service.add("echo", "", [](const mcp::Call& call) { return saying(call.arguments.value("z", "")); });
    // Runs until it is told to stop.
    service.add("wait", "state", [this](const mcp::Call& call) { return wait_for_stop(call, started, ended); });
  }
  static mcp::CallResult wait_for_stop(const mcp::Call& call, Gate& began, Gate& over) {
    Gate stopped;
    const std::stop_callback on_stop(call.stop, [&] { stopped.open(); });
    began.open();
    stopped.pass();
    over.open();
    return saying("stopped");
  }
  static std::string body(const Json& id, const std::string& method, const std::string& params = "{}") {
    return R"({"jsonrpc":"2.0","id":)" + json_text(id) + R"(,"method":")" + method + R"(","params":)" + params + "}";
  }
  // Parameters of a request without a session; `more` of them as JSON members.
  static std::string meta(const std::string& more = "") {
    return R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})" +
           (more.empty() ? "" : "," + more) + "}";
  }

  FakeService service;
  Gate started, ended;
};

}  // namespace toccata::testing
