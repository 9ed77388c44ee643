// The protocol with one server, in both of its eras: the modern (2026-07-28), where each request says all that the
// server has to know, and the legacy (2025-11-25 and before), which begins with an `initialize` handshake.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/asking.h"
#include "tools/mcp/header_params.h"
#include "tools/mcp/transport.h"

namespace toccata::tools::mcp {

constexpr const char* kModernVersion = "2026-07-28";
constexpr const char* kLegacyVersion = "2025-11-25";

struct ClientOptions {
  std::string name = "toccata", version = "0";          // what servers are told of us
  std::chrono::milliseconds start_timeout{30'000};      // until it is ready to be asked
  std::chrono::milliseconds probe_timeout{10'000};      // of that, for a server that does not answer what it doesn't know
  std::chrono::milliseconds list_timeout{30'000};
  std::chrono::milliseconds backoff_first{250}, backoff_max{30'000};  // between starts, doubled each time
  std::size_t tools_max = 512;
  std::size_t pages_max = 64;
  std::size_t text_bytes_max = std::size_t{1} << 20;  // of one result
  // Answers what servers ask of the user; none: every question is declined, and the result of the call says so.
  Answerer answer = {};
};

// What a server says of itself.
struct ServerFacts {
  std::string protocol;      // version spoken
  std::string name;          // and its own version: "everything 2.0.0"
  std::string instructions;  // how to use it, bounded
  bool resources = false;    // has any to read
  friend bool operator==(const ServerFacts&, const ServerFacts&) = default;
};

// As the server declares it; hints are the server's word, not a promise.
struct ToolInfo {
  std::string name;
  std::string description;
  std::string parameters;  // JSON schema of an object
  bool read_only = false;
  bool idempotent = false;
  friend bool operator==(const ToolInfo&, const ToolInfo&) = default;
};

struct Progress {
  double done = 0;
  double total = 0;  // 0 = not known
  std::string message;
};

struct CallOptions {
  std::chrono::milliseconds timeout{120'000};
  std::function<void(const Progress&)> on_progress = {};  // on the caller's thread
  std::vector<HeaderParam> headers = {};                  // of the tool's schema
  std::string traceparent = {};  // W3C trace context; told to servers of the modern era
};

struct CallResult {
  bool is_error = false;  // the tool says that it failed
  std::string text;       // what a model reads: bounded, other kinds of content named
};

// Starts the server at the first request, and again when it has ended: at once the first time, then after a pause that
// grows until a request succeeds. A server that floods us, or leaves two requests in a row unanswered, is ended and
// started anew at the next. From any thread; requests to one server take turns.
class Client {
 public:
  Client(std::string server, std::unique_ptr<Transport> transport, ClientOptions options = {});
  ~Client();

  const std::string& server() const { return server_; }
  // Connects unless that is done.
  Result<void> connect(std::stop_token stop = {});
  // Every page. Tools that cannot be used are left out and named in `left_out`.
  Result<std::vector<ToolInfo>> list_tools(std::stop_token stop = {}, std::vector<std::string>* left_out = nullptr);
  // `arguments`: a JSON object, or "". kNotFound, kInvalidArgument, kUnavailable ...: no result, and why in words. When
  // stopped or out of time the server is told to give up the call.
  Result<CallResult> call_tool(
      const std::string& name, const std::string& arguments, const CallOptions& options = {}, std::stop_token stop = {}
  );
  // Resources and templates of addresses, one a line.
  Result<CallResult> list_resources(const CallOptions& options = {}, std::stop_token stop = {});
  Result<CallResult> read_resource(const std::string& uri, const CallOptions& options = {}, std::stop_token stop = {});
  // Of the last connection; empty before the first.
  ServerFacts facts() const;
  // Whether the server has said, since the last time this was asked, that it offers other tools now.
  bool take_tools_changed();
  // How often it was started.
  int n_starts() const;
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Exchange {
    std::string method;
    Json params = Json::object();
    std::string name = {};  // what Mcp-Name says of params
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::chrono::milliseconds timeout{0};
    std::function<void(const Progress&)> on_progress = {};
    std::string traceparent = {};
  };
  enum class Era { kUnknown, kModern, kLegacy };

  // client_start.cpp
  Result<void> ensure_connected(std::stop_token stop);
  Result<void> start(std::stop_token stop);
  Result<void> negotiate(std::stop_token stop);
  Result<void> shake_hands(std::stop_token stop, Clock::time_point deadline);
  void learn(const Json& greeting);
  void note_failure();

  // The result, or the server's error in words.
  Result<Json> ask(const Exchange& exchange, std::stop_token stop);
  Result<Message> exchange(const Exchange& exchange, std::stop_token stop);
  void cancel(std::int64_t id, const std::string& reason);
  Outgoing request(const Exchange& exchange);
  std::optional<std::string> hear(const Message& message, std::int64_t id, const Exchange& exchange, std::stop_token stop);
  // What the server asks of the user, answered: the result of elicitation/create.
  Result<Json> answer_question(const Json& params, std::stop_token stop);
  // The same order with what its first answer asked for (2026-07-28, multi round-trip requests).
  Result<Exchange> with_answers(const Exchange& order, const Json& wanted, std::stop_token stop);
  // In front of what a model reads: which questions were declined since the last time.
  std::string declined();
  // Asks for page after page of the list `key` until `take` returns false. Says why pages were left out.
  Result<std::string> each_page(
      const std::string& method, const char* key, const std::function<bool(const Json&)>& take, std::stop_token stop
  );
  Error named(Error error) const;

  const std::string server_;
  const std::unique_ptr<Transport> transport_;
  const ClientOptions options_;
  mutable std::mutex mutex_;
  Era era_ = Era::kUnknown;
  std::string version_;  // spoken, or tried
  ServerFacts facts_;
  bool connected_ = false;
  std::int64_t next_id_ = 1;
  int n_starts_ = 0;
  int n_failures_ = 0;    // starts and deaths since a request succeeded
  int n_unanswered_ = 0;  // requests in a row
  bool tools_changed_ = false;
  std::vector<std::string> declined_;  // questions for the user
  Clock::time_point next_start_{};
};

// The server's error as one of ours.
Error told(const RpcError& error);

}  // namespace toccata::tools::mcp
