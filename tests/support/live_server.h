// A server of ours on a free loopback port over a scripted model, and a client that reads JSON and events.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/server/server.h"
#include "core/base/json.h"
#include "core/net/client.h"
#include "tests/support/scripted_model.h"

namespace toccata::testing {

using Json = nlohmann::ordered_json;

class LiveServer {
 public:
  explicit LiveServer(std::vector<agent::ScriptedCompletion> script, server::ServiceOptions service = {}, agent::ScriptedOptions model = {},
                      server::AccessOptions access = {})
      : model_(scripted_model(std::move(script), std::move(model))) {
    server::ServerOptions options;
    options.http.port = 0;
    options.service = std::move(service);
    options.access = std::move(access);
    options.service.today = false;
    options.service.pool.share_prefixes = false;  // a script goes on, it does not begin again
    auto started = server::Server::start(*model_, std::move(options));
    if (!started) throw std::runtime_error(started.error().message);
    server_ = std::move(*started);
  }
  explicit LiveServer(const std::vector<std::string>& texts) : LiveServer(completions(texts)) {}

  net::Response send(
      const std::string& method, const std::string& path, const std::string& body = {},
      std::vector<std::pair<std::string, std::string>> headers = {}
  ) {
    return send_by(client_, method, path, body, std::move(headers));
  }
  // A client is for one thread at a time: others bring their own.
  net::Response send_by(
      net::Client& client, const std::string& method, const std::string& path, const std::string& body = {},
      std::vector<std::pair<std::string, std::string>> headers = {}
  ) const {
    net::Request request{.method = method, .url = url(path), .headers = std::move(headers), .body = body};
    request.headers.emplace_back("Content-Type", "application/json");
    auto answer = client.send(std::move(request), {});
    if (!answer) throw std::runtime_error(answer.error().message);
    return std::move(*answer);
  }
  // The body of a 200.
  Json get(const std::string& path) { return ok(send("GET", path)); }
  Json post(const std::string& path, const Json& body) { return ok(send("POST", path, json_text(body))); }

  // The data of each event of a 200; checks the frames.
  std::vector<Json> events(const std::string& method, const std::string& path, const std::string& body = {}) {
    const net::Response answer = send(method, path, body);
    EXPECT_EQ(200, answer.status) << answer.body;
    return parse_events(answer.body);
  }
  std::vector<Json> stream(const std::string& path, Json body) {
    body["stream"] = true;
    return events("POST", path, json_text(body));
  }

  // A request whose answer comes piece by piece.
  net::Exchange open(const std::string& path, const Json& body) {
    auto exchange = client_.start({.method = "POST", .url = url(path), .body = json_text(body)}, {});
    if (!exchange) throw std::runtime_error(exchange.error().message);
    return std::move(*exchange);
  }

  static std::vector<Json> parse_events(std::string_view text) {
    std::vector<Json> events;
    while (!text.empty()) {
      const auto end = text.find("\n\n");
      std::string_view frame = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
      if (frame.starts_with(":")) continue;
      const auto line = frame.find('\n');
      EXPECT_TRUE(frame.starts_with("event: ") && frame.substr(line + 1).starts_with("data: ")) << frame;
      events.push_back(json_from_valid<Json>(frame.substr(line + 7)));
      EXPECT_EQ(frame.substr(7, line - 7), events.back()["type"].get<std::string>());
    }
    return events;
  }

 private:
  static std::vector<agent::ScriptedCompletion> completions(const std::vector<std::string>& texts) {
    std::vector<agent::ScriptedCompletion> script;
    for (const std::string& text : texts) script.push_back({.text = text});
    return script;
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  static Json ok(const net::Response& answer) {
    EXPECT_EQ(200, answer.status) << answer.body;
    return json_from_valid<Json>(answer.body);
  }

  std::unique_ptr<agent::ScriptedModel> model_;
  std::unique_ptr<server::Server> server_;
  net::Client client_;
};

}  // namespace toccata::testing
