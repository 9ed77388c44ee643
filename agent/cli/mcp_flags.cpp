#include "agent/cli/mcp_flags.h"

#include <CLI/CLI.hpp>

namespace toccata::cli {
namespace {

void add_files(CLI::App& verb, McpLoginOptions& o) {
  verb.add_option("--mcp", o.files, "File that names the servers, in place of ~/.config/toccata/mcp.json; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->envname("TOCCATA_MCP");
}

}  // namespace

void add_mcp_logins(CLI::App& mcp, McpLoginOptions& o, Action& action, const Environment& env) {
  CLI::App* login = mcp.add_subcommand("login", "Log in to a remote MCP server with the browser, and keep the tokens");
  CLI::App* logout = mcp.add_subcommand("logout", "Forget the tokens of a server");
  CLI::App* list = mcp.add_subcommand("list", "The servers of mcp.json and their logins; none is asked");
  for (CLI::App* verb : {login, logout}) verb->add_option("name", o.name, "Name of the server in mcp.json")->required();
  for (CLI::App* verb : {login, logout, list}) add_files(*verb, o);
  login->add_option("--timeout", o.timeout_s, "Seconds that the user has")->check(CLI::Range(1.0, 86400.0))->capture_default_str();
  login->add_flag("--open,!--no-open", o.open, "Open the address with xdg-open (default: at a terminal with a screen)");
  login->add_option("--proxy", o.agent.proxy, "Proxy, or none (default: that of the environment)");
  login->add_flag("--offline", o.agent.offline, "Reach this machine only");
  list->add_flag("--json", o.json, "Machine-readable");
  login->footer(R"(Examples:
  toccata mcp login search                          prints an address to open; the answer arrives at a port of 127.0.0.1
  toccata mcp login search --mcp team.json          a server of another file
  toccata mcp list                                  who is logged in to
Over ssh, the browser must reach the port: set "oauth": {"callbackPort": 8971} and use ssh -L 8971:127.0.0.1:8971.
Exit codes: 0 logged in, 2 unknown server or one without a login, 5 refused, 6 out of reach, 124 nobody logged in in time.
More: docs/mcp.md)");
  login->callback([&o, &action, &env] { action = [&] { return mcp_login_verb(o, env); }; });
  logout->callback([&o, &action, &env] { action = [&] { return mcp_logout_verb(o, env); }; });
  list->callback([&o, &action, &env] { action = [&] { return mcp_list_verb(o, env); }; });
}

}  // namespace toccata::cli
