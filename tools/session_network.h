// What the network of a sandbox session means for the tools that work in it.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sandbox/sandbox.h"
#include "tools/provenance.h"

namespace toccata::tools {

// Whose words the session prints and keeps in its files. Once a host has answered its code they may be that host's, from then on;
// and the user's too, so that they stay private in any case.
inline Provenance provenance_of(const sandbox::Session& session) {
  const auto& heard = session.heard();
  if (heard.empty()) return {};
  constexpr std::size_t kNamedMax = 3;
  std::string origin = "code that read ";
  for (std::size_t i = 0; i < std::min(heard.size(), kNamedMax); ++i) origin += (i == 0 ? "" : ", ") + heard[i];
  return {true, heard.size() > kNamedMax ? origin + " and others" : origin, /*is_private=*/true, /*composed=*/true};
}

// A description that says "in a sandbox without network", of one that has some.
inline std::string told_of_network(std::string description) {
  constexpr std::string_view kWithout = " without network";
  const std::size_t at = description.find(kWithout);
  if (at != std::string::npos) description.replace(at, kWithout.size(), " that reaches a few hosts of the network, which are named to you,");
  return description;
}

// For a result's metadata: "network": {"allowed": [...], "used": [{"host", "port", "allowed", "reason", "connections", "sent",
// "received"}]}. Nothing for a session without network.
inline void add_network(nlohmann::ordered_json& metadata, const sandbox::Outcome& outcome) {
  if (outcome.network.empty()) return;
  auto used = nlohmann::ordered_json::array();
  for (const sandbox::HostUse& use : outcome.hosts) {
    used.push_back(
        {{"host", use.host}, {"port", use.port}, {"allowed", use.allowed}, {"reason", use.reason},
         {"connections", use.connections}, {"sent", use.sent}, {"received", use.received}}
    );
  }
  metadata["network"] = {{"allowed", outcome.network}, {"used", used}};
}

}  // namespace toccata::tools
