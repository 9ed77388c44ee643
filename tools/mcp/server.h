// One server of a run: what it offers, from a file kept of the last time it was asked; started when it is first called.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tools/mcp/authorization.h"
#include "tools/mcp/client.h"
#include "tools/mcp/config.h"

namespace toccata::tools::mcp {

// What a server offers.
struct Manifest {
  ServerFacts facts;
  std::vector<ToolInfo> tools;
  std::vector<std::string> left_out = {};  // tools that cannot be used, and why
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

std::string to_json_text(const Manifest& manifest);
// kCorrupt for what to_json_text() does not write.
Result<Manifest> manifest_from_json(std::string_view text);

// Takes secret values out of a text. Any thread.
using Redact = std::function<std::string(std::string_view)>;
// What a server says is read by models, shown to people and kept in a file, and may repeat what it was told. A tool whose name would
// be another is left out.
Manifest redacted(Manifest manifest, const Redact& redact);

// From any thread.
class Server {
 public:
  // `manifest_file`: empty = none is kept. `redact`: null = nothing is secret.
  Server(ServerConfig config, std::unique_ptr<Client> client, std::filesystem::path manifest_file, Redact redact = {});

  const ServerConfig& config() const { return config_; }
  Client& client() { return *client_; }
  // What the file says, while it is not older than `age_max`; nullopt: ask().
  std::optional<Manifest> kept(std::chrono::seconds age_max) const;
  // Starts the server and keeps what it says.
  Result<Manifest> ask(std::stop_token stop);
  // Behind a call: a server that was started for it is asked whether it still offers the same, for the next run; once, and again
  // when it says that its tools have changed.
  void keep_up(std::stop_token stop);
  // True once for each time it had to be started again since the last call.
  bool was_restarted();

 private:
  ServerConfig config_;
  std::unique_ptr<Client> client_;
  std::filesystem::path manifest_file_;
  Redact redact_;
  std::mutex mutex_;
  bool asked_ = false;
  int n_starts_ = 0;  // that the model has heard of
};

// A server as a Client for it, started by nothing yet. `authorization`: of one at an address, or null.
std::unique_ptr<Client> make_client(
    const ServerConfig& config, const ClientOptions& options, const std::string& proxy = {}, std::shared_ptr<Authorization> authorization = {}
);

}  // namespace toccata::tools::mcp
