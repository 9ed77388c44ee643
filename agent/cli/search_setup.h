// From the search services the user chose to ones that can be asked: addresses, keys.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "tools/secrets/secrets.h"
#include "tools/web/proxy.h"
#include "tools/web/search_service.h"

namespace toccata::cli {

// Of `proxy` and `names` as the options give them, else of the environment. Throws Exception(kInvalidArgument) for what is no proxy.
tools::ProxyRules proxy_rules(const std::string& proxy, const std::string& names, const Environment& env);

// One for each of `chosen`, with its key: of its variable, else its key_file, else config_home/keys/NAME. One without the key it needs is
// made all the same, warned of on stderr, and tells the model. Keys are among `secrets` then, where there are such. Throws Exception: kInvalidArgument for an unknown service or address,
// what reading a key file gives.
std::vector<std::unique_ptr<tools::SearchService>> make_searches(
    const std::vector<std::string>& chosen, const std::map<std::string, SearchSettings>& settings, const tools::ProxyRules& proxy,
    const Environment& env, tools::Secrets* secrets = nullptr
);

// A key that a header can carry. Throws Exception(kInvalidArgument) naming `source` for anything but one word of ASCII characters.
std::string checked_key(std::string text, const std::string& source);
// Of a file, where "~/" is the user's home. Throws Exception.
std::string read_key_file(std::filesystem::path file, const Environment& env);

// What can be said of a service without asking it.
struct SearchState {
  std::string name;
  bool chosen = false;
  bool usable = false;
  std::string detail;  // where its key comes from, or what is missing; never the key
};

// Of every service known, and what `chosen` names wrongly.
std::vector<SearchState> search_states(
    const std::vector<std::string>& chosen, const std::map<std::string, SearchSettings>& settings, const Environment& env
);

}  // namespace toccata::cli
