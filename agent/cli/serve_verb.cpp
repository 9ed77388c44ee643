#include "agent/cli/serve_verb.h"

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>

#include "agent/cli/serve_runs.h"
#include "agent/cli/served_tools.h"
#include "agent/cli/session_setup.h"
#include "agent/cli/signals.h"
#include "agent/cli/version.h"
#include "agent/server/server.h"

namespace toccata::cli {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::vector<std::string> read_keys(const ServeOptions& options) {
  std::vector<std::string> keys = options.api_keys;
  if (options.api_key_file.empty()) return keys;
  std::ifstream file(options.api_key_file);
  if (!file) {
    throw Exception(ErrorCode::kNotFound, "cannot read the API keys in " + options.api_key_file.string());
  }
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.front() != '#') keys.push_back(line);
  }
  if (keys.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, options.api_key_file.string() + " holds no key");
  }
  return keys;
}

server::ServerOptions server_options(const ServeOptions& options, const AgentSetup& setup) {
  server::ServerOptions o;
  o.version = kVersion;
  o.http.host = options.host;
  o.http.port = options.port;
  o.http.body_bytes_max = static_cast<std::size_t>(options.max_body_mb) << 20;
  o.access.api_keys = read_keys(options);
  o.access.allowed_hosts = options.allowed_hosts;
  o.access.cors_origins = options.cors_origins;
  o.metric_aliases = options.metric_aliases;
  o.service.model_id = options.model_id;
  o.service.strict_model = options.strict_model;
  o.service.sampling = setup.config.sampling;
  o.service.effort = setup.config.reasoning;
  o.service.constrain = options.agent.constrain != "off";
  o.service.hide_reasoning = options.hide_reasoning;
  o.service.reasoning_field = options.reasoning_field;
  o.service.n_workers = options.parallel;
  o.service.waiting_max = static_cast<std::size_t>(options.queue);
  o.service.pool.sessions_max = static_cast<std::size_t>(options.sessions);
  // A scripted session's place in its script is not told by its tokens.
  o.service.pool.share_prefixes = !options.agent.model.starts_with("script:");
  return o;
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

bool is_local(const std::string& host) { return host == "::1" || host.starts_with("127."); }

bool shows_runs(const ServeOptions& options) {
  return options.show_runs == "on" || (options.show_runs == "auto" && is_local(options.host));
}

void warn_if_open(const ServeOptions& options, const server::ServerOptions& o) {
  if (is_local(options.host) || !o.access.api_keys.empty()) return;
  std::cerr << "toccata: WARNING: everyone who can reach " << options.host
            << " may use this server; set --api-key or --api-key-file\n";
}

}  // namespace

int serve_verb(const ServeOptions& options, const Environment& env) {
  SignalStop signals;
  AgentOptions agent_options = options.agent;
  agent_options.tools = {"none"};  // the clients run their tools
  AgentSetup setup = set_up(agent_options, env);
  server::ServerOptions o = server_options(options, setup);
  if (shows_runs(options)) o.service.ledger = setup.ledger->path();
  if (options.agent_runs) o.service.host = std::make_shared<ServedRuns>(options.agent, env, setup.model);
  if (options.api_tools) {
    o.service.tools = std::make_shared<ServedTools>(options.agent, env, options.forget_responses ? ":memory:" : setup.ledger->path());
    o.service.containers = {static_cast<std::size_t>(options.containers), std::chrono::seconds(static_cast<std::int64_t>(options.container_idle_s))};
    o.service.steps_max = options.agent.max_turns;
  }
  if (!options.forget_responses) {
    o.service.archive = setup.ledger->path();
    o.service.seal_key = setup.ledger->path().parent_path() / "server.key";
  }
  warn_if_open(options, o);
  auto server = server::Server::start(*setup.model.model, o).value_or_throw();
  const bool v6 = options.host.find(':') != std::string::npos;
  std::cerr << "toccata: " << setup.model.model->name() << " (context "
            << setup.model.model->capabilities().n_context << ") at http://"
            << (v6 ? "[" + options.host + "]" : options.host) << ":" << server->port() << "/v1"
            << ", page at /" << std::endl;
  wait_for(signals.token());
  std::cerr << "toccata: waiting for open requests" << std::endl;
  server->drain(milliseconds(options.drain_s));
  return 0;
}

}  // namespace toccata::cli
