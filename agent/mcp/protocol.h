// The two eras of MCP as data: what is asked of a request, and what the answers look like. No state, no I/O.
//
//   legacy, 2024-11-05 to 2025-11-25   `initialize` first, then requests that say nothing of versions
//   modern, 2026-07-28                 no handshake; every request carries version and capabilities in params._meta
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/mcp/service.h"

namespace toccata::mcp {

using tools::mcp::Message;

enum class Era { kLegacy, kModern };

inline constexpr std::string_view kModernVersion = "2026-07-28";
inline constexpr std::string_view kLatestLegacyVersion = "2025-11-25";
inline constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";
inline constexpr const char* kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
inline constexpr const char* kLogLevelKey = "io.modelcontextprotocol/logLevel";

// Besides those of message.h. 2026-07-28, basic: error codes.
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kResourceNotFoundLegacy = -32002;
inline constexpr int kOverloaded = -32000;  // ours

// An error answer, with the status it has over HTTP.
struct Refusal {
  std::int64_t code = 0;
  std::string message;
  Json data = nullptr;
  int status = 400;
};

bool is_legacy_version(std::string_view version);
// params._meta, or null.
const Json* meta_of(const Message& message);
// The version that the message itself names, if any.
std::optional<std::string> version_in(const Message& message);
// Whether _meta has what a modern request must have; not yet whether we speak that version.
std::optional<Refusal> check_envelope(const Message& request);
std::optional<Refusal> check_version(const Message& request);
// string or whole number; null when the client wants to hear of no progress.
Json progress_token(const Message& request);
// 0 "debug" to 7 "emergency"; nullopt for other words.
std::optional<int> log_severity(std::string_view level);

// Whether there is anything whose arguments a person could type.
bool can_complete(const Service& service);

Json initialize_result(const Message& request, const ServerIdentity& identity, const Service& service);
Json discover_result(const ServerIdentity& identity, const Service& service);
Json tools_result(const Service& service);
Json prompts_result(const std::vector<PromptInfo>& prompts);
Json call_result(CallResult result);
// The first 100, as many as a client has to take.
Json completion_result(std::vector<std::string> values);
// What the modern era adds to every result, and to those that clients may keep.
enum class Freshness { kNotKept, kStale, kLasting };
void modernize(Json& result, Freshness freshness, const ServerIdentity& identity);

Json progress_params(const Json& token, std::int64_t progress, const std::string& message);
Json log_params(const char* level, const std::string& text);

}  // namespace toccata::mcp
