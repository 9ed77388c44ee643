// MCP over streamable HTTP: one path that takes POSTs, in both eras.
//
//   modern   each POST stands for itself; headers repeat what the body says, and are compared with it
//   legacy   `initialize` opens a session (Mcp-Session-Id), DELETE ends it
//
// A client that hangs up cancels its request, in both eras: streams are not resumed here, so nobody could hear the answer.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/mcp/service.h"
#include "agent/mcp/work_queue.h"
#include "agent/server/access_policy.h"
#include "agent/server/http_server.h"

namespace toccata::mcp {

struct EndpointOptions {
  server::HttpOptions http;
  server::AccessOptions access;
  std::string path = "/mcp";
  std::size_t sessions_max = 64;  // of the legacy era; the one that was quiet for longest makes room for a new one
};

class HttpEndpoint {
 public:
  // Service, queue and identity must outlive it; the queue must end before them. kUnavailable when the address is taken.
  static Result<std::unique_ptr<HttpEndpoint>> start(
      Service& service, WorkQueue& queue, const ServerIdentity& identity, EndpointOptions options
  );
  // Cuts off what is left, and asks it to stop.
  ~HttpEndpoint();

  int port() const;
  // Takes no new requests, and lets those that run end for up to `grace`.
  void drain(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::mcp
