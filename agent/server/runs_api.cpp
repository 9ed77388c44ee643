#include "agent/server/runs_api.h"

#include <algorithm>
#include <limits>
#include <set>

#include "agent/loop/events_json.h"
#include "agent/server/access_policy.h"
#include "agent/server/json_fields.h"
#include "agent/server/query_fields.h"
#include "agent/server/turn_metrics.h"
#include "core/base/image_type.h"

namespace toccata::server {
namespace {

constexpr std::string_view kForkEnd = "/fork", kSteerEnd = "/steer";

void refuse_other_origins(const HttpRequest& request) {
  if (is_own_origin(request)) return;
  throw ApiError(403, "runs are shown to the pages of this server only", "origin_not_allowed");
}

RunReader& reader_of(Services& services) {
  if (services.desk.reader != nullptr) return *services.desk.reader;
  throw ApiError(
      403, "this server does not show the runs of the ledger; --show-runs on lets everyone who can reach it read them", "runs_not_shown"
  );
}

// Written by code that a model wrote: pictures are shown, and nothing else is taken for a page of this server.
HttpReply file_reply(std::string bytes) {
  const std::string picture = image_type(bytes);
  HttpReply reply{.body = std::move(bytes), .content_type = picture.empty() ? "application/octet-stream" : picture};
  reply.headers = {{"X-Content-Type-Options", "nosniff"}, {"Content-Security-Policy", "default-src 'none'; sandbox"}};
  if (picture.empty()) reply.headers.emplace_back("Content-Disposition", "attachment");
  return reply;
}

// "{id}" of kRunsPath/{id}`end`.
std::string id_of(const HttpRequest& request, std::string_view end = {}) {
  return request.path.substr(kRunsPath.size() + 1, request.path.size() - kRunsPath.size() - 1 - end.size());
}

// Everything a GET may ask, and a fork; on the reader's thread.
HttpReply read(RunReader& reader, const HttpRequest& request) {
  if (request.method == "POST") {
    const Json body = parse_object(request.body);
    const auto step = integer_field(body, "step", 0, 1'000'000);
    if (!step) throw ApiError::bad("step", "'step' is missing: the last step that the new run shares, 0 for none");
    return {.body = reader.fork(id_of(request, kForkEnd), static_cast<int>(*step))};
  }
  const std::string_view path = request.path;
  if (path == kRunsPath) {
    return {.body = reader.list(static_cast<int>(query_number(request, "limit", 30, 1, 100)), query_text(request, "after"))};
  }
  const std::string_view rest = path.substr(kRunsPath.size() + 1);
  const std::string id(rest.substr(0, rest.find('/')));
  const std::string_view what = rest.substr(id.size());
  if (what == "/tokens") {
    return {.body = reader.tokens(
                id, query_number(request, "offset", 0, 0, std::int64_t{1} << 40), query_number(request, "limit", 4096, 1, 8192)
            )};
  }
  if (what == "/file") {
    const auto call = static_cast<int>(query_number(request, "call", 0, 0, std::numeric_limits<int>::max()));
    return file_reply(reader.file(id, query_text(request, "path"), call));
  }
  return {.body = reader.run(std::string(rest))};
}

void answer_read(Services& services, const std::shared_ptr<Exchange>& exchange) {
  RunReader& reader = reader_of(services);
  const bool taken = services.desk.queue.push([&reader, exchange] {
    const HttpRequest& request = exchange->request();
    try {
      exchange->reply(read(reader, request));
    } catch (const ApiError& error) {
      exchange->reply(error_reply(request, error));
    } catch (const Exception& error) {
      exchange->reply(error_reply(request, ApiError(500, error.what(), "ledger_error")));
    } catch (const std::exception& error) {
      exchange->reply(error_reply(request, ApiError(500, error.what())));
    }
  });
  if (!taken) throw ApiError(429, "too many requests are waiting; try again later", "rate_limit_exceeded");
}

// `known`: the tools that an agent may have.
RunOrder read_order(const HttpRequest& request, const std::vector<std::string>& known) {
  const Json body = parse_object(request.body);
  RunOrder order;
  order.input = string_field(body, "input").value_or("");
  order.run = string_field(body, "run").value_or("");
  order.reasoning = string_field(body, "reasoning").value_or("");
  if (order.input.empty()) throw ApiError::bad("input", "'input' is missing: the user's message, a text");
  if (!order.reasoning.empty() && order.reasoning != "low" && order.reasoning != "medium" && order.reasoning != "high") {
    throw ApiError::bad("reasoning", "'reasoning' is '" + order.reasoning + "', expected low, medium or high");
  }
  if (const Json* tools = array_field(body, "tools")) {
    order.tools.emplace();
    for (const Json& tool : *tools) {
      const bool offered = tool.is_string() && std::find(known.begin(), known.end(), tool.get<std::string>()) != known.end();
      if (!offered) throw ApiError::bad("tools", "'tools' has " + dump(tool) + ", which is no tool of this server's agents");
      order.tools->push_back(tool.get<std::string>());
    }
  }
  return order;
}

// The run that a request writes: known from the start, or from its first event.
class Writing {
 public:
  explicit Writing(RunDesk& desk) : desk_(desk) {}
  ~Writing() { end(); }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  bool begin(const std::string& id) {
    if (id.empty() || id == id_) return true;
    if (!desk_.take(id)) return false;
    id_ = id;
    return true;
  }
  void end() {
    if (!id_.empty()) desk_.give_back(std::exchange(id_, {}));
  }

 private:
  RunDesk& desk_;
  std::string id_;
};

void run_agent(Services& services, Exchange& exchange, const RunOrder& order) {
  RunDesk& desk = services.desk;
  Writing writing(desk);
  if (!writing.begin(order.run)) throw ApiError(409, "another request is writing run " + order.run, "run_busy");
  bool begun = false;
  const auto sink = [&](const agent::Event& event) {
    if (const auto* started = std::get_if<agent::ThreadStarted>(&event)) (void)writing.begin(started->thread_id);
    count_event(services.metrics, event);
    if (!std::exchange(begun, true)) exchange.start_stream("text/event-stream");
    const Json json = agent::to_json(event);
    exchange.send(sse(json, json["type"].get<std::string>()));
  };
  const agent::RunOutcome outcome = desk.host->run(order, sink, exchange.stop());
  if (!begun) throw ApiError(outcome.exit_code == 2 ? 404 : 500, outcome.message, outcome.terminal_reason);
  writing.end();  // first: whoever has seen the end may go on
  exchange.finish();
}

void start_run(Services& services, const std::shared_ptr<Exchange>& exchange) {
  if (services.desk.host == nullptr) {
    throw ApiError(403, "this server runs no agents; start it with --agent", "agent_off");
  }
  RunOrder order = read_order(exchange->request(), services.desk.host->tools());
  order.traceparent = traceparent_of(exchange->request());
  const auto stream_error = [](const ApiError& error) {
    return sse({{"type", "error"}, {"message", error.what()}}, "error");
  };
  submit(services, exchange, [&services, exchange, order] { run_agent(services, *exchange, order); }, stream_error);
}

HttpReply steer(Services& services, const HttpRequest& request) {
  const Json body = parse_object(request.body);
  const std::string input = string_field(body, "input").value_or("");
  if (input.empty()) throw ApiError::bad("input", "'input' is missing: what the user has to add, a text");
  const std::string id = id_of(request, kSteerEnd);
  if (services.desk.host == nullptr || !services.desk.host->steer(id, input)) {
    throw ApiError(409, "no agent of this server is working on run " + id, "run_not_running");
  }
  return {.body = dump({{"object", "toccata.steered"}, {"id", id}})};
}

}  // namespace

HttpReply server_status(Services& services, const HttpRequest& request) {
  const bool own = is_own_origin(request);
  const RunDesk& desk = services.desk;
  Json agent = nullptr;
  if (own && desk.host != nullptr) agent = {{"tools", desk.host->tools()}};
  Json api_tools = Json::array();
  if (const ToolHost* host = services.tools.host(); host != nullptr) {
    std::set<std::string> spaces;
    for (const std::string& recipient : host->catalog().recipients()) spaces.insert(recipient.substr(0, recipient.find('.')));
    api_tools = spaces;
  }
  return {.body = dump(
              {{"object", "toccata.status"},
               {"model", services.options.model_id},
               {"context", services.model.capabilities().n_context},
               {"runs", own && desk.reader != nullptr},
               {"agent", std::move(agent)},
               {"api_tools", std::move(api_tools)}}
          )};
}

HttpReply expert_load(Services& services, const HttpRequest&) {
  const agent::ExpertLoad load = services.model.expert_load();
  Json layers = Json::array();
  const auto n = static_cast<std::size_t>(load.n_experts);
  for (std::size_t at = 0; at < load.tokens.size(); at += n) {
    layers.push_back(std::vector<std::int64_t>(load.tokens.begin() + static_cast<std::ptrdiff_t>(at), load.tokens.begin() + static_cast<std::ptrdiff_t>(at + n)));
  }
  return {.body = dump(
              {{"object", "toccata.experts"},
               {"n_layers", load.n_layers},
               {"n_experts", load.n_experts},
               {"tokens", layers.empty() ? Json(nullptr) : std::move(layers)}}
          )};
}

void runs(Services& services, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  refuse_other_origins(request);
  if (request.method == "GET" || request.method == "HEAD") return answer_read(services, exchange);
  if (request.method == "POST" && request.path == kRunsPath) return start_run(services, exchange);
  const bool below = request.method == "POST" && request.path.starts_with(std::string(kRunsPath) + "/");
  if (below && request.path.ends_with(kForkEnd)) return answer_read(services, exchange);
  if (below && request.path.ends_with(kSteerEnd)) return exchange->reply(steer(services, request));
  throw ApiError(405, request.method + " is not allowed for " + request.path, "method_not_allowed");
}

}  // namespace toccata::server
