#include "agent/cli/mcp_serve_verb.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>

#include "agent/cli/mcp_toolbox.h"
#include "agent/cli/signals.h"
#include "agent/cli/version.h"
#include "agent/mcp/stdio_loop.h"
#include "sandbox/linux/unique_fd.h"
#ifdef TOCCATA_SERVER
#include "agent/mcp/http_endpoint.h"
#include "agent/mcp/line_server.h"
#endif

namespace toccata::cli {
namespace {

mcp::ServerIdentity identity(const McpServeOptions& options) {
  std::string text = "Tools of Toccata, run on the user's machine.";
  for (const std::string& name : options.agent.tools) {
    if (name == "python" || name == "shell") {
      text += " Code runs in a sandbox whose files are in /mnt/data; they stay between calls.";
      break;
    }
  }
  return {kVersion, text};
}

// The protocol gets descriptors of its own, so that nothing else can write between its lines or read its input.
void serve_on_stdio(McpToolbox& toolbox, const mcp::ServerIdentity& identity, std::stop_token stop) {
  const sandbox::UniqueFd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  const sandbox::UniqueFd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!in || !out) throw Exception(ErrorCode::kIo, "stdin or stdout is closed: an MCP client talks through both (or use --listen)");
  const sandbox::UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  mcp::serve_stdio(toolbox, identity, in.get(), out.get(), std::move(stop));
}

#ifdef TOCCATA_SERVER
void serve_over_http(const McpServeOptions& options, McpToolbox& toolbox, const mcp::ServerIdentity& identity, const std::stop_token& stop) {
  mcp::EndpointOptions endpoint;
  std::tie(endpoint.http.host, endpoint.http.port) = parse_listen(options.listen);
  endpoint.http.body_bytes_max = mcp::LineServer::kLineMax;
  endpoint.access = {options.api_keys, options.allowed_hosts, options.cors_origins};
  const std::string& host = endpoint.http.host;
  if (host != "::1" && !host.starts_with("127.") && options.api_keys.empty()) {
    std::cerr << "toccata: WARNING: everyone who can reach " << host << " may use these tools; set --api-key\n";
  }
  std::unique_ptr<mcp::HttpEndpoint> server;
  mcp::WorkQueue queue;  // ends before the endpoint: its calls answer through it
  server = mcp::HttpEndpoint::start(toolbox, queue, identity, endpoint).value_or_throw();
  std::cerr << "toccata: MCP at http://" << (host.find(':') != std::string::npos ? "[" + host + "]" : host) << ":"
            << server->port() << endpoint.path << std::endl;
  std::mutex mutex;
  std::condition_variable_any never;
  {
    std::unique_lock lock(mutex);
    never.wait(lock, stop, [] { return false; });
  }
  server->drain(std::chrono::milliseconds(static_cast<std::int64_t>(options.drain_s * 1000)));
  server.reset();
}
#endif

}  // namespace

std::pair<std::string, int> parse_listen(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost" || host.empty()) host = "127.0.0.1";
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(port) > 65535) {
    throw Exception(ErrorCode::kInvalidArgument, "--listen is '" + text + "', expected HOST:PORT such as 127.0.0.1:8765, or a port");
  }
  return {host, std::stoi(port)};
}

int mcp_serve_verb(const McpServeOptions& options, const Environment& env) {
  if (!options.listen.empty()) parse_listen(options.listen);
  SignalStop signals;
  const mcp::ServerIdentity who = identity(options);
  McpToolbox toolbox(options.agent, options.run_tools, static_cast<std::size_t>(options.sessions), env);
  if (options.listen.empty()) {
    if (env.stdin_is_terminal) std::cerr << "toccata: an MCP client is expected on stdin; `toccata mcp serve --help` shows how to set one up\n";
    serve_on_stdio(toolbox, who, signals.token());
    return 0;
  }
#ifdef TOCCATA_SERVER
  serve_over_http(options, toolbox, who, signals.token());
  return 0;
#else
  throw Exception(ErrorCode::kUnsupported, "--listen: this program was built without its HTTP server; use stdio");
#endif
}

}  // namespace toccata::cli
