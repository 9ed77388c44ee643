#include "agent/server/server.h"

#include <atomic>

#include "agent/server/chat_api.h"
#include "agent/server/completions_api.h"
#include "agent/server/conversations_api.h"
#include "agent/server/json_fields.h"
#include "agent/server/messages_api.h"
#include "agent/server/responses_api.h"
#include "agent/server/runs_api.h"
#include "agent/server/token_api.h"
#include "agent/server/web_page.h"

namespace toccata::server {
namespace {

using Handle = void (*)(Services&, const std::shared_ptr<Exchange>&);
using Answer = HttpReply (*)(Services&, const HttpRequest&);

struct Route {
  const char* method;
  const char* path;
  Handle handle = nullptr;  // answers later
  Answer answer = nullptr;  // answers at once
};

constexpr Route kRoutes[] = {
    {"POST", "/v1/chat/completions", chat_completions},
    {"POST", "/v1/completions", completions},
    {"POST", "/v1/responses", create_response},
    {"POST", "/v1/responses/input_tokens", nullptr, count_input_tokens},
    {"POST", "/v1/messages", messages},
    {"POST", "/v1/messages/count_tokens", nullptr, count_message_tokens},
    {"GET", "/v1/models", nullptr, list_models},
    {"GET", "/v1/toccata/status", nullptr, server_status},
    {"GET", "/v1/toccata/experts", nullptr, expert_load},
    {"POST", "/tokenize", nullptr, tokenize},
    {"POST", "/detokenize", nullptr, detokenize},
    {"POST", "/render", nullptr, render_chat},
    {"POST", "/v1/render", nullptr, render_chat},
    {"GET", "/api/version", nullptr, ollama_version},
    {"GET", "/api/tags", nullptr, ollama_tags},
    {"POST", "/api/show", nullptr, ollama_show},
};

bool is_below(std::string_view path, std::string_view base) {
  return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}
bool is_runs_path(std::string_view path) { return is_below(path, kRunsPath); }
bool is_conversations_path(std::string_view path) { return is_below(path, kConversationsPath); }

// A path as metrics count it: ids, and what a stranger makes up, must not become names of their own.
std::string_view route_name(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (path == route.path) return route.path;
  }
  if (path.starts_with("/v1/responses/")) return "/v1/responses/{id}";
  if (is_conversations_path(path)) return kConversationsPath;
  if (path.starts_with("/v1/models/")) return "/v1/models/{id}";
  if (is_runs_path(path)) return kRunsPath;
  if (find_web_asset(path) != nullptr) return "page";
  return "other";
}

}  // namespace

class Server::Impl {
 public:
  Impl(agent::TokenModel& model, harmony::Renderer renderer, ServerOptions options)
      : options_(std::move(options)),
        access_(options_.access),
        services_(model, std::move(renderer), options_.service) {}

  ~Impl() {
    http_.reset();
    services_.responses.cancel_all();  // those in the background, which the queue would wait for
  }

  Result<void> start() {
    HttpHandlers handlers;
    handlers.admit = [this](const HttpRequest& request) -> std::optional<HttpReply> {
      auto refused = access_.refusal(request);
      if (!refused && draining_ && !is_probe(request)) {
        refused = ApiError(503, "the server is shutting down", "shutting_down");
      }
      if (!refused) return std::nullopt;
      services_.metrics.request_done("refused", refused->status);
      return error_reply(request, *refused);
    };
    handlers.handle = [this](std::shared_ptr<Exchange> exchange) { handle(exchange); };
    handlers.error = [](const HttpRequest& request, int status, const std::string& message) {
      return error_reply(request, ApiError(status, message));
    };
    handlers.headers = [this](const HttpRequest& request) { return access_.cors_headers(request); };
    auto http = HttpServer::start(options_.http, std::move(handlers));
    if (!http) return http.error();
    http_ = std::move(*http);
    published_ = http_.get();
    return {};
  }

  int port() const { return http_->port(); }
  void drain(std::chrono::milliseconds grace) {
    draining_ = true;
    http_->drain(grace);
    services_.responses.cancel_all();
  }

 private:
  static bool is_probe(const HttpRequest& request) {
    return request.path == "/health" || request.path == "/ready" || request.path == "/metrics";
  }

  void handle(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& request = exchange->request();
    try {
      dispatch(exchange);
    } catch (const std::exception&) {
      const ApiError error = current_api_error();
      services_.metrics.request_done(route_name(request.path), error.status);
      exchange->reply(error_reply(request, error));
    }
  }

  void dispatch(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& request = exchange->request();
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    if (method == "OPTIONS") return exchange->reply({.status = 204, .content_type = ""});
    if (method == "GET" && probe(*exchange)) return;
    if (const WebAsset* file = find_web_asset(request.path); file != nullptr && method == "GET") {
      services_.metrics.request_done("page", 200);
      return exchange->reply(web_reply(*file, request));
    }
    bool path_known = false;
    for (const Route& route : kRoutes) {
      if (request.path != route.path) continue;
      path_known = true;
      if (method != route.method) continue;
      if (route.handle != nullptr) route.handle(services_, exchange);
      if (route.answer != nullptr) exchange->reply(route.answer(services_, request));
      services_.metrics.request_done(route.path, 200);
      return;
    }
    if (method == "GET" && request.path.starts_with("/v1/models/")) {
      return exchange->reply(one_model(services_, request));
    }
    if (!path_known && request.path.starts_with("/v1/responses/")) {
      stored_response(services_, exchange);
      services_.metrics.request_done("/v1/responses/{id}", 200);
      return;
    }
    if (is_conversations_path(request.path)) {
      exchange->reply(conversations(services_, request));
      services_.metrics.request_done(kConversationsPath, 200);
      return;
    }
    if (is_runs_path(request.path)) {
      runs(services_, exchange);
      services_.metrics.request_done(kRunsPath, 200);
      return;
    }
    if (path_known) {
      throw ApiError(405, request.method + " is not allowed for " + request.path, "method_not_allowed");
    }
    if (request.path == "/v1/embeddings") {
      throw ApiError(404, "this model writes text; it makes no embeddings", "not_found");
    }
    throw ApiError(404, "there is no " + request.method + " " + request.path, "not_found");
  }

  // Health, readiness and metrics.
  bool probe(Exchange& exchange) {
    const std::string& path = exchange.request().path;
    if (path == "/health" || path == "/healthz") {
      exchange.reply({.body = "{\"status\":\"ok\"}"});
    } else if (path == "/ready" || path == "/health/ready") {
      const bool ready = !draining_;
      exchange.reply({.status = ready ? 200 : 503, .body = ready ? "{\"status\":\"ready\"}" : "{\"status\":\"draining\"}"});
    } else if (path == "/version") {
      exchange.reply({.body = dump({{"version", options_.version}})});
    } else if (path == "/metrics") {
      const auto size = services_.pool.size();
      const HttpServer* http = published_;
      const Metrics::Gauges gauges{
          services_.queue.n_waiting(), services_.queue.n_running(), size.n_sessions, size.n_tokens,
          http != nullptr ? http->n_active() : 1, size.n_leased, size.n_sampled, services_.tools.n_containers()};
      exchange.reply(
          {.body = services_.metrics.prometheus(gauges, services_.options.model_id, options_.metric_aliases),
           .content_type = "text/plain; version=0.0.4; charset=utf-8"}
      );
    } else {
      return false;
    }
    return true;
  }

  const ServerOptions options_;
  const AccessPolicy access_;
  std::atomic<bool> draining_ = false;
  Services services_;
  std::atomic<HttpServer*> published_ = nullptr;  // http_, for its own threads: they may run before start() has it
  std::unique_ptr<HttpServer> http_;  // last: it stops before what its handlers use
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
int Server::port() const { return impl_->port(); }
void Server::drain(std::chrono::milliseconds grace) { impl_->drain(grace); }

Result<std::unique_ptr<Server>> Server::start(agent::TokenModel& model, ServerOptions options) {
  auto renderer = harmony::Renderer::make(model.tokenizer());
  if (!renderer) return renderer.error();
  auto impl = std::make_unique<Impl>(model, std::move(*renderer), std::move(options));
  if (Result<void> started = impl->start(); !started) return started.error();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace toccata::server
