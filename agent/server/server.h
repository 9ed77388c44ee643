// The HTTP server: OpenAI's Responses, Chat Completions and Completions, Anthropic's Messages, token endpoints, health and metrics over one model.
#pragma once

#include <chrono>
#include <memory>

#include "agent/server/access_policy.h"
#include "agent/server/http_server.h"
#include "agent/server/services.h"

namespace toccata::server {

struct ServerOptions {
  HttpOptions http;
  AccessOptions access;
  ServiceOptions service;
  std::string version;          // what /version says
  bool metric_aliases = false;  // also vLLM's metric names, which gateways look for
};

class Server {
 public:
  // The model must outlive the server. Errors: a vocabulary without harmony's control tokens, an address in use.
  static Result<std::unique_ptr<Server>> start(agent::TokenModel& model, ServerOptions options);
  ~Server();

  int port() const;
  // Refuses what is new, lets what runs end for up to `grace`, then cuts it off.
  void drain(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::server
