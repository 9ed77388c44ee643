// The sandbox of a run, from its options: level, interpreter, folders shown.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "sandbox/sandbox.h"

namespace toccata::cli {

// What the options ask for. Throws Exception naming the option at fault.
sandbox::Policy sandbox_policy(const AgentOptions& options, const Environment& env);

// Where code runs that a person or a model wrote, at options.sandbox or better.
sandbox::Sandbox make_sandbox(const AgentOptions& options, const Environment& env);

// What serves the hosts of options.sandbox_net, by the rules that hold for the browser. Throws Exception for a proxy that is none.
sandbox::MakeEgress sandbox_egress(const AgentOptions& options, const Environment& env);

void warn_if_weak(const sandbox::Sandbox& sandbox);

// What the model is told of the folders that its code may read and of the hosts that it may reach; empty without any.
std::string sandbox_notes(const sandbox::Sandbox& sandbox);

// "PATH:NAME", PATH whole: what a run records, to be gone on with in any folder.
std::vector<std::string> with_whole_folders(const std::vector<std::string>& mounts);

}  // namespace toccata::cli
