// What a server that refuses a request says it wants: the header WWW-Authenticate (RFC 9110 section 11.6.1, RFC 6750 section 3).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools::oauth {

struct Challenge {
  std::string scheme;  // in lower case: "bearer"
  // By name in lower case; of two of one name the first. "" for one without a parameter of that name.
  std::map<std::string, std::string> parameters = {};
  std::string token68 = {};  // in place of parameters, as "Negotiate" has it

  std::string parameter(const std::string& name) const;
  friend bool operator==(const Challenge&, const Challenge&) = default;
};

// Those of one header, in order. Any bytes give a list: reading ends at the first thing that is none, and what stands before
// it counts. Bounded: 16 KiB are read, 16 challenges, 32 parameters each.
std::vector<Challenge> parse_challenges(std::string_view header);

// The first Bearer challenge of several headers, or one without a scheme.
Challenge bearer_challenge(const std::vector<std::string>& headers);

// The scopes of a text as RFC 6749 section 3.3 has it, each once; what is no scope is left out. At most 64, each at most 256 bytes.
std::vector<std::string> parse_scopes(std::string_view text);
std::string join_scopes(const std::vector<std::string>& scopes);
// `more` behind `scopes`, each once.
std::vector<std::string> with_scopes(std::vector<std::string> scopes, const std::vector<std::string>& more);
bool has_scopes(const std::vector<std::string>& scopes, const std::vector<std::string>& wanted);

}  // namespace toccata::tools::oauth
