// `toccata dev`: interfaces for other programs, whose names and forms are kept.
#pragma once

#include <functional>

#include "agent/cli/dev_browser.h"
#include "agent/cli/dev_encode.h"
#include "agent/cli/dev_logits.h"
#include "agent/cli/dev_page.h"
#include "agent/cli/dev_parse.h"
#include "agent/cli/dev_sandbox.h"
#include "agent/cli/dev_search.h"
#include "agent/cli/dev_url_policy.h"
#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace CLI {
class App;
}

namespace toccata::cli {

// Parsed, but not yet run: CLI11 calls back in the order of the arguments, errors must come first.
using Action = std::function<int()>;

// The options of every `dev` interface.
struct DevOptions {
  DevEncodeOptions encode;
  DevDecodeOptions decode;
  DevParseOptions parse;
  DevLogitsOptions logits;
  DevSandboxOptions sandbox;
  AgentOptions sandbox_as = {};  // what the command line says of it
  DevPageOptions page;
  DevBrowserOptions browser;
  DevSearchOptions search;
  DevUrlPolicyOptions url_policy;
};

// The verb `dev`, without `manual`.
CLI::App* add_dev(CLI::App& app, DevOptions& o, Action& action, const Environment& env);

}  // namespace toccata::cli
