#include "agent/server/responses_api.h"

#include <algorithm>

#include "agent/server/query_fields.h"
#include "agent/server/responses_request.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

constexpr std::string_view kBase = "/v1/responses/";

// A call and what becomes of it; shared by its worker and the store.
struct Run {
  ResponsesCall call;
  std::shared_ptr<StoredResponse> response;
};

Prompt prompt_of(const ResponsesCall& call, Services& services) {
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  check_fits(services, *prompt);
  return std::move(*prompt);
}

// What was asked and answered, as the conversation's next items.
void remember_turn(Services& services, const Run& run, const ResponseWriter& writer) {
  const ResponsesCall& call = run.call;
  if (call.conversation.empty()) return;
  std::vector<NamedItem> items;
  const std::vector<ItemText>& input = run.response->input;
  for (std::size_t i = call.n_history; i < input.size(); ++i) {
    items.push_back({json_from_valid<Json>(*input[i])["id"].get<std::string>(), input[i]});
  }
  for (NamedItem& item : writer.output()) items.push_back(std::move(item));
  if (services.conversations->append(call.conversation, items)) return;
  throw ApiError(404, "the conversation '" + call.conversation + "' was deleted meanwhile", "not_found", "conversation");
}

// Null where the server makes no calls for the request.
std::unique_ptr<OpenTools> open_tools(Services& services, Run& run, const Prompt& prompt, ResponseWriter& writer) {
  ResponsesCall& call = run.call;
  if (call.step.made_here.empty()) return nullptr;
  const auto sink = [&writer](const agent::Event& event) { writer.tool(event); };
  auto tools = std::make_unique<OpenTools>(
      services, call.tools, call.request, prompt, call.owner, call.store && !services.options.archive.empty(), sink, run.response->stop.get_token()
  );
  ItemOptions items = call.writer.items;
  items.container = tools->container();
  items.file = [it = tools.get()](const std::string& path) { return it->file(path); };
  writer.set_items(std::move(items));
  call.step.pages = tools->pages();
  return tools;
}

// Once in a conversation.
void list_mcp_tools(const ResponsesCall& call, ResponseWriter& writer) {
  for (const auto& [space, label] : call.tools.labels) {
    const auto declared = call.request.further.find(space);
    if (call.listed.contains(label) || declared == call.request.further.end()) continue;
    Json tools = Json::array();
    for (const harmony::ToolDescription& tool : declared->second.tools) {
      const Json schema = tool.parameters ? json_from<Json>(*tool.parameters) : Json();
      tools.push_back(
          {{"name", call.tools.names.at(space + "." + tool.name).substr(space.size() + 1)}, {"description", tool.description}, {"input_schema", schema.is_object() ? schema : Json{{"type", "object"}}}, {"annotations", nullptr}}
      );
    }
    writer.listed(label, std::move(tools));
  }
}

// Generates, tells `send` each event but the last, and leaves the response finished in the store. Returns the last
// event. Nothing is thrown but what goes wrong before the first event.
struct Ended {
  std::string last_event;
  std::optional<ApiError> error;
};
Ended generate(Services& services, Run& run, ResponseWriter::Send send) {
  const Prompt prompt = prompt_of(run.call, services);
  ResponseWriter writer(run.call.response, run.call.writer, std::move(send));
  const auto tools = open_tools(services, run, prompt, writer);
  run.response->set_json(dump(writer.response()));
  if (run.call.store && !run.call.background) services.responses.add(run.response);
  writer.created();
  Ended ended;
  std::vector<store::SampledStep> steps;
  const auto fail = [&](const ApiError& error) {
    ended.last_event = writer.fail(error, run.response->stop.stop_requested());
    ended.error = error;
  };
  try {
    Counts counts;
    if (tools != nullptr) list_mcp_tools(run.call, writer);
    const StepOutcome outcome = run_prompt(
        services, prompt, run.call.step, writer, run.response->stop.get_token(), counts, tools != nullptr ? &tools->turn() : nullptr
    );
    steps.push_back({step_key(prompt, outcome.step), outcome.tokens});
    if (tools != nullptr) tools->done(steps.back().key);
    if (run.call.seals) writer.sealed(services.seal.close(steps.back()));
    remember_turn(services, run, writer);
    ended.last_event = writer.end(outcome, counts);
  } catch (const std::exception&) {
    fail(current_api_error());
  }
  const ResponseEnd end =
      services.responses.finish(*run.response, dump(writer.response()), writer.output(), ended.last_event, steps);
  ended.last_event = end.last_event;
  if (end.failure) ended.error = ApiError(500, end.failure->message, "storage_error");
  return ended;
}

void serve_foreground(Services& services, Exchange& exchange, Run& run) {
  const std::stop_callback client_gone(exchange.stop(), [&run] { run.response->stop.request_stop(); });
  if (!run.call.stream) {
    const Ended ended = generate(services, run, {});
    if (ended.error) throw *ended.error;
    return exchange.reply({.body = run.response->json()});
  }
  bool begun = false;
  const Ended ended = generate(services, run, [&](std::string_view event) {
    if (!std::exchange(begun, true)) exchange.start_stream("text/event-stream");
    exchange.send(event);
  });
  exchange.send(ended.last_event);
  exchange.finish();
}

void run_in_background(Services& services, Run& run) {
  try {
    generate(services, run, [&run](std::string_view event) { run.response->publish(event); });
  } catch (const std::exception&) {
    ResponseWriter writer(run.call.response, run.call.writer, [&run](std::string_view event) { run.response->publish(event); });
    writer.created();
    const std::string last = writer.fail(current_api_error(), false);
    services.responses.finish(*run.response, dump(writer.response()), {}, last);
  }
}

void start_background(Services& services, const std::shared_ptr<Exchange>& exchange, const std::shared_ptr<Run>& run) {
  Json queued = run->call.response;
  queued["status"] = "queued";
  run->response->set_json(dump(queued));
  services.responses.add(run->response);
  const bool taken = services.queue.push([&services, run] { run_in_background(services, *run); });
  if (!taken) {
    services.responses.erase(run->response->id);
    throw ApiError(429, "too many requests are waiting; try again later", "rate_limit_exceeded");
  }
  if (!run->call.stream) return exchange->reply({.body = dump(queued)});
  exchange->start_stream("text/event-stream");
  run->response->follow(exchange, -1);
}

void refuse_elsewhere(const StoredResponse& response, const char* what) {
  if (!response.is_elsewhere()) return;
  throw ApiError(
      409, "the response '" + response.id + "' is made by another server with the same ledger; " + what + " it there",
      "response_elsewhere", "response_id"
  );
}

void get_response(StoredResponse& response, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (query_text(request, "stream") != "true") return exchange->reply({.body = response.json()});
  if (!response.background) {
    throw ApiError::bad("stream", "only the events of background responses are kept; '" + response.id + "' is none");
  }
  refuse_elsewhere(response, "follow");
  const std::int64_t after = query_number(request, "starting_after", -1, -1, INT32_MAX);
  exchange->start_stream("text/event-stream");
  response.follow(exchange, after);
}

HttpReply list_input_items(const StoredResponse& response, const HttpRequest& request) {
  return {.body = dump(page_of(response.input, request))};
}

HttpReply cancel_response(StoredResponse& response) {
  refuse_elsewhere(response, "cancel");
  response.stop.request_stop();
  // Its worker writes the end within a step; this is what it will say.
  Json json = json_from_valid<Json>(response.json());
  if (json["status"] == "queued" || json["status"] == "in_progress") json["status"] = "cancelled";
  return {.body = dump(json)};
}

}  // namespace

Json page_of(std::vector<ItemText> items, const HttpRequest& request) {
  if (query_text(request, "order") != "asc") std::reverse(items.begin(), items.end());
  const auto limit = static_cast<std::size_t>(query_number(request, "limit", 20, 1, 100));
  const std::string after = query_text(request, "after");
  Json data = Json::array();
  bool passed = after.empty(), has_more = false;
  for (const ItemText& text : items) {
    Json item = json_from_valid<Json>(*text);
    if (!passed) {
      passed = item["id"] == after;
      continue;
    }
    has_more = data.size() == limit;
    if (has_more) break;
    data.push_back(std::move(item));
  }
  const Json first = data.empty() ? Json(nullptr) : data.front()["id"], last = data.empty() ? Json(nullptr) : data.back()["id"];
  return {{"object", "list"}, {"data", data}, {"first_id", first}, {"last_id", last}, {"has_more", has_more}};
}

void create_response(Services& services, const std::shared_ptr<Exchange>& exchange) {
  auto run = std::make_shared<Run>();
  run->call = read_responses(parse_object(exchange->request().body), services, owner_of(exchange->request()));
  ResponsesCall& call = run->call;
  call.step.traceparent = call.tools.traceparent = traceparent_of(exchange->request());
  run->response = std::make_shared<StoredResponse>(
      call.response["id"].get<std::string>(), std::move(call.input), call.background
  );
  if (call.background) return start_background(services, exchange, run);
  submit(services, exchange, [&services, exchange, run] { serve_foreground(services, *exchange, *run); });
}

void stored_response(Services& services, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  std::string id = request.path.substr(kBase.size());
  std::string action;
  if (const auto slash = id.find('/'); slash != std::string::npos) {
    action = id.substr(slash + 1);
    id.resize(slash);
  }
  const auto response = services.responses.find(id);
  if (response == nullptr) throw ApiError(404, "no response '" + id + "' is stored here", "not_found", "response_id");
  const std::string& method = request.method;
  if (action.empty() && method == "GET") return get_response(*response, exchange);
  if (action.empty() && method == "DELETE") {
    services.responses.erase(id);
    return exchange->reply({.body = dump({{"id", id}, {"object", "response"}, {"deleted", true}})});
  }
  if (action == "cancel" && method == "POST") return exchange->reply(cancel_response(*response));
  if (action == "input_items" && method == "GET") return exchange->reply(list_input_items(*response, request));
  if (!action.empty() && action != "cancel" && action != "input_items") {
    throw ApiError(404, "there is no " + method + " " + request.path, "not_found");
  }
  throw ApiError(405, method + " is not allowed for " + request.path, "method_not_allowed");
}

HttpReply count_input_tokens(Services& services, const HttpRequest& request) {
  const ResponsesCall call = read_responses(parse_object(request.body), services, owner_of(request));
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  return {.body = dump({{"object", "response.input_tokens"}, {"input_tokens", prompt->tokens.size()}})};
}

}  // namespace toccata::server
