#include "agent/cli/sandbox_setup.h"

#include <iostream>

#include "agent/cli/python_environment.h"
#include "agent/cli/search_setup.h"
#include "core/base/error.h"
#include "prompts/prompts.h"
#include "sandbox/shown_folders.h"
#include "tools/egress/egress_proxy.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;

// Keys, records of other runs, and the token of the model hub.
std::vector<fs::path> private_paths(const AgentOptions& options, const Environment& env) {
  std::vector<fs::path> paths = {env.data_home, env.config_home, env.hub_token_file};
  for (const fs::path& file : {options.ledger, options.page_cache}) {
    if (!file.empty() && file != "none") paths.push_back(fs::absolute(file));
  }
  return paths;
}

sandbox::Mount mount_of(const std::string& text, const Environment& env) {
  sandbox::Mount mount = sandbox::parse_mount(text);
  if (mount.folder.empty()) throw Exception(ErrorCode::kInvalidArgument, "--mount is '" + text + "', expected PATH or PATH:NAME");
  if (mount.folder.string().starts_with("~/")) mount.folder = env.home / mount.folder.string().substr(2);
  return mount;
}

}  // namespace

sandbox::Policy sandbox_policy(const AgentOptions& options, const Environment& env) {
  sandbox::Policy policy;
  const auto minimum = sandbox::parse_level(options.sandbox);
  if (!minimum) throw Exception(ErrorCode::kInvalidArgument, "unknown sandbox level '" + options.sandbox + "'");
  policy.minimum = *minimum;
  policy.python = choose_python(options.python, env).python;
  for (const std::string& text : options.mounts) policy.mounts.push_back(mount_of(text, env));
  policy.private_paths = private_paths(options, env);
  if (!options.offline) policy.network = options.sandbox_net;
  if (options.sandbox_start == "cold") policy.warmth = sandbox::Warmth::none();
  return policy;
}

sandbox::Sandbox make_sandbox(const AgentOptions& options, const Environment& env) {
  return sandbox::Sandbox::create(sandbox_policy(options, env), sandbox_egress(options, env)).value_or_throw();
}

sandbox::MakeEgress sandbox_egress(const AgentOptions& options, const Environment& env) {
  return tools::serve_by_proxy(options.allow_origins, proxy_rules(options.proxy, options.proxy_names, env));
}

void warn_if_weak(const sandbox::Sandbox& sandbox) {
  if (sandbox.level() < sandbox::Level::kSeccomp) return;
  std::cerr << "toccata: WARNING: the sandbox level is '" << sandbox::to_string(sandbox.level())
            << "': what the model writes can read your files\n";
}

std::string sandbox_notes(const sandbox::Sandbox& sandbox) {
  std::string folders, hosts;
  for (const auto& [host, inside] : sandbox.folders()) {
    folders += "\n- " + inside;
    if (inside != host) folders += " (the user's " + host.string() + ")";
  }
  for (const std::string& host : sandbox.network()) hosts += "\n- " + host;
  if (!folders.empty()) folders.insert(0, prompts::shown_folders());
  if (!hosts.empty()) hosts.insert(0, prompts::allowed_hosts());
  return folders + (folders.empty() || hosts.empty() ? "" : "\n\n") + hosts;
}

std::vector<std::string> with_whole_folders(const std::vector<std::string>& mounts) {
  std::vector<std::string> whole;
  for (const std::string& text : mounts) {
    const sandbox::Mount mount = sandbox::parse_mount(text);
    std::error_code failure;
    const fs::path folder = mount.folder.string().starts_with("~/") ? mount.folder : fs::canonical(mount.folder, failure);
    const std::string name = mount.name.empty() ? folder.filename().string() : mount.name;
    whole.push_back(failure ? text : folder.string() + ":" + name);
  }
  return whole;
}

}  // namespace toccata::cli
