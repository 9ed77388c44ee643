// What a coding agent made by others has to be told to work with our server: arguments and environment variables only,
// so that its user's own configuration is read as ever and never written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace toccata::cli {

inline constexpr const char* kLaunchKeyVariable = "TOCCATA_API_KEY";

struct ServedModel {
  std::string base_url;            // as of an OpenAI client: ".../v1", no slash behind
  std::string model;               // as GET /models names it
  std::int64_t context = 0;        // tokens; 0 = not known
  std::string api_key = {};        // empty = none is asked for
};

struct ClientSetup {
  std::string program;
  std::string install;                                         // the command that installs it
  std::vector<std::string> arguments;                          // the user's come behind
  std::vector<std::pair<std::string, std::string>> variables;  // set for it
  std::vector<std::string> hidden;                             // names of those that hold the key
  std::vector<std::string> removed;                            // variables that would lead it elsewhere
};

// "codex", "claude" or "opencode"; others are kInvalidArgument.
Result<ClientSetup> client_setup(const std::string& client, const ServedModel& served);

// What a shell would run. The key stands there as a reference to TOCCATA_API_KEY.
std::string shell_command(const ClientSetup& setup, const std::vector<std::string>& more);
std::string shell_quoted(const std::string& word);

// "http://127.0.0.1:8080/" -> "http://127.0.0.1:8080/v1"; an address that names a path keeps it. kInvalidArgument: no
// http(s) address.
Result<std::string> api_address(const std::string& text);
// The port, when the address is that of a server which `toccata serve` could be on this machine; else 0.
int local_port(const std::string& address);

}  // namespace toccata::cli
