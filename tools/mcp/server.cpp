#include "tools/mcp/server.h"

#include <unistd.h>

#include <fstream>
#include <system_error>

#include "core/base/mapped_file.h"
#include "tools/mcp/http_transport.h"
#include "tools/mcp/stdio_transport.h"

namespace toccata::tools::mcp {
namespace {

namespace fs = std::filesystem;
constexpr int kFormat = 1;
constexpr std::size_t kManifestBytesMax = std::size_t{64} << 20;

// Whole or not at all, for its owner only: descriptions may say what a person has.
void write_whole(const fs::path& file, const std::string& text) {
  std::error_code failure;
  fs::create_directories(file.parent_path(), failure);
  const fs::path part = file.string() + "." + std::to_string(getpid());
  {
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    fs::permissions(part, fs::perms::owner_read | fs::perms::owner_write, failure);
    if (!(out << text).flush()) {
      fs::remove(part, failure);
      return;
    }
  }
  fs::rename(part, file, failure);
  if (failure) fs::remove(part, failure);
}

}  // namespace

std::string to_json_text(const Manifest& manifest) {
  const ServerFacts& facts = manifest.facts;
  Json json{{"format", kFormat},
            {"protocol", facts.protocol},
            {"name", facts.name},
            {"instructions", facts.instructions},
            {"resources", facts.resources},
            {"left_out", manifest.left_out},
            {"tools", Json::array()}};
  for (const ToolInfo& tool : manifest.tools) {
    json["tools"].push_back({{"name", tool.name},
                             {"description", tool.description},
                             {"parameters", tool.parameters},
                             {"read_only", tool.read_only},
                             {"idempotent", tool.idempotent}});
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Manifest> manifest_from_json(std::string_view text) {
  Result<Json> json = parse_object(text);
  if (!json) return json.error();
  try {
    if (json->at("format") != kFormat) return Error{ErrorCode::kCorrupt, "another format"};
    Manifest manifest;
    manifest.facts = {.protocol = json->at("protocol"), .name = json->at("name"),
                      .instructions = json->at("instructions"), .resources = json->at("resources")};
    manifest.left_out = json->at("left_out").get<std::vector<std::string>>();
    for (const Json& tool : json->at("tools")) {
      manifest.tools.push_back({.name = tool.at("name"), .description = tool.at("description"),
                                .parameters = tool.at("parameters"), .read_only = tool.at("read_only"),
                                .idempotent = tool.at("idempotent")});
    }
    return manifest;
  } catch (const Json::exception& error) {
    return Error{ErrorCode::kCorrupt, error.what()};
  }
}

Manifest redacted(Manifest manifest, const Redact& redact) {
  if (!redact) return manifest;
  manifest.facts.name = redact(manifest.facts.name);
  manifest.facts.instructions = redact(manifest.facts.instructions);
  std::erase_if(manifest.tools, [&](const ToolInfo& tool) {
    const std::string name = redact(tool.name);
    if (name == tool.name) return false;
    manifest.left_out.push_back(name + ": there is a secret in its name");
    return true;
  });
  for (ToolInfo& tool : manifest.tools) {
    tool.description = redact(tool.description);
    tool.parameters = redact(tool.parameters);
  }
  for (std::string& why : manifest.left_out) why = redact(why);
  return manifest;
}

Server::Server(ServerConfig config, std::unique_ptr<Client> client, fs::path manifest_file, Redact redact)
    : config_(std::move(config)), client_(std::move(client)), manifest_file_(std::move(manifest_file)), redact_(std::move(redact)) {}

std::optional<Manifest> Server::kept(std::chrono::seconds age_max) const {
  std::error_code missing;
  const auto written = fs::last_write_time(manifest_file_, missing);
  if (missing || fs::file_time_type::clock::now() - written > age_max) return std::nullopt;
  const Result<std::string> text = read_text_file(manifest_file_, kManifestBytesMax);
  Result<Manifest> manifest = text ? manifest_from_json(*text) : Result<Manifest>(text.error());
  // Written when other secrets were known, or by a program that did not look for them.
  return manifest ? std::optional(redacted(std::move(*manifest), redact_)) : std::nullopt;
}

Result<Manifest> Server::ask(std::stop_token stop) {
  Manifest manifest;
  Result<std::vector<ToolInfo>> tools = client_->list_tools(stop, &manifest.left_out);
  if (!tools) return tools.error();
  manifest.tools = std::move(*tools);
  manifest.facts = client_->facts();
  manifest = redacted(std::move(manifest), redact_);
  const std::scoped_lock lock(mutex_);
  asked_ = true;
  if (!manifest_file_.empty()) write_whole(manifest_file_, to_json_text(manifest));
  return manifest;
}

void Server::keep_up(std::stop_token stop) {
  const bool changed = client_->take_tools_changed();
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(asked_, true) && !changed) return;
  }
  (void)ask(stop).ok();
}

bool Server::was_restarted() {
  const int n_starts = client_->n_starts();
  const std::scoped_lock lock(mutex_);
  const int before = std::exchange(n_starts_, n_starts);
  return before > 0 && n_starts > before;
}

std::unique_ptr<Client> make_client(
    const ServerConfig& config, const ClientOptions& options, const std::string& proxy, std::shared_ptr<Authorization> authorization
) {
  std::unique_ptr<Transport> transport;
  if (config.url.empty()) {
    transport = std::make_unique<StdioTransport>(config.process, TransportLimits{});
  } else {
    transport = std::make_unique<HttpTransport>(HttpOrder{config.url, config.headers, proxy, std::move(authorization)}, TransportLimits{});
  }
  return std::make_unique<Client>(config.name, std::move(transport), options);
}

}  // namespace toccata::tools::mcp
