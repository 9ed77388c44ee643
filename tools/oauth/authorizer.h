// The tokens of one MCP server over HTTP: found, renewed, asked for, and given to nobody else.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "tools/mcp/authorization.h"
#include "tools/oauth/endpoint_rules.h"
#include "tools/oauth/flow.h"
#include "tools/oauth/login_store.h"
#include "tools/web/proxy.h"

namespace toccata::tools::oauth {

// How the user is asked to log in.
struct LoginDesk {
  // Shows an address of an authorization server that is to be opened in a browser. Empty: there is no user.
  std::function<void(const std::string& url)> show = {};
  std::chrono::milliseconds time{300'000};
};

struct AuthorizerOrder {
  std::string name;  // of the server in mcp.json
  std::string server_url;
  Settings settings = {};
  LoginDesk desk = {};
  ProxyRules proxy = {};
  // Gets every secret as soon as it is known, before anything can show it.
  std::function<void(const std::string& name, const std::string& value)> keep_out = {};
  World world = World::real();
};

// Any thread; while one gets a token the others wait for it. After a refusal a token is renewed once, then a login is made, and
// if that one is refused too, it ends: at most two attempts for a message. Of the refusals for missing scopes only those are
// worth a login that name one which was not granted.
class Authorizer final : public mcp::Authorization {
 public:
  Authorizer(AuthorizerOrder order, LoginStore store);

  std::string current() override;
  void prepare(const mcp::Wait& wait) override;
  Result<bool> renew(const mcp::Refusal& refusal, const mcp::Wait& wait) override;

  // A login from the beginning, whatever there is: what `toccata mcp login` does. The server is asked once without a token, for
  // what it then says it wants.
  Result<Login> log_in(std::stop_token stop);

 private:
  void take(Login login);
  bool is_stale(const Login& login) const;
  // With a refresh token, or what another process got meanwhile. Under mutex_.
  Result<void> refresh(const std::string& carried, std::stop_token stop);
  Result<Login> run_flow(const Challenge& challenge, std::stop_token stop);
  Error needs_login(const std::string& why) const;

  const AuthorizerOrder order_;
  const LoginStore store_;
  std::mutex mutex_;        // one token is got at a time
  std::mutex login_mutex_;  // guards what follows
  std::optional<Login> login_;
};

}  // namespace toccata::tools::oauth
