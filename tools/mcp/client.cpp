#include "tools/mcp/client.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tools/mcp/content.h"

namespace toccata::tools::mcp {
namespace {

constexpr std::chrono::milliseconds kCancelTime{200};  // to get the word through
constexpr int kUnansweredMax = 2;
constexpr int kRoundsMax = 8;            // of questions before an answer
constexpr std::size_t kQuestionsMax = 16;  // of one round

double number(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_number() ? value->get<double>() : 0;
}

// An answer that asks for something instead, and says what.
bool wants_input(const Message& answer) {
  if (answer.error || !answer.body.is_object() || answer.body.value("resultType", Json()) != "input_required") return false;
  const Json requests = answer.body.value("inputRequests", Json());
  return answer.body.contains("requestState") || (requests.is_object() && !requests.empty());
}

}  // namespace

Error told(const RpcError& error) {
  const ErrorCode code = error.code == kMethodNotFound ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument;
  return {code, "error " + std::to_string(error.code) + ": " + excerpt(error.message, 2000)};
}

Client::Client(std::string server, std::unique_ptr<Transport> transport, ClientOptions options)
    : server_(std::move(server)), transport_(std::move(transport)), options_(std::move(options)) {}

Client::~Client() = default;

ServerFacts Client::facts() const {
  const std::scoped_lock lock(mutex_);
  return facts_;
}

bool Client::take_tools_changed() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(tools_changed_, false);
}

int Client::n_starts() const {
  const std::scoped_lock lock(mutex_);
  return n_starts_;
}

void Client::close() {
  const std::scoped_lock lock(mutex_);
  transport_->close();
  connected_ = false;
}

Error Client::named(Error error) const {
  error.message = "MCP server '" + server_ + "': " + error.message;
  return error;
}

Outgoing Client::request(const Exchange& exchange) {
  Outgoing message{.id = next_id_++, .method = exchange.method, .text = {}, .name = exchange.name, .version = version_,
                   .modern = version_ == kModernVersion};
  Json params = exchange.params;
  Json meta = Json::object();
  if (exchange.on_progress) meta["progressToken"] = message.id;
  if (message.modern) {
    meta["io.modelcontextprotocol/protocolVersion"] = version_;
    meta["io.modelcontextprotocol/clientInfo"] = {{"name", options_.name}, {"version", options_.version}};
    meta["io.modelcontextprotocol/clientCapabilities"] = client_capabilities();
    if (!exchange.traceparent.empty()) meta["traceparent"] = exchange.traceparent;
    message.headers = exchange.headers;
  }
  if (!meta.empty()) params["_meta"] = std::move(meta);
  message.text = request_text(message.id, exchange.method, params);
  return message;
}

// What comes besides the answer. Requests of a server: `ping` and questions for the user are answered, anything else refused.
std::optional<std::string> Client::hear(
    const Message& message, std::int64_t id, const Exchange& exchange, std::stop_token stop
) {
  if (message.kind == Message::Kind::kRequest) {
    if (message.method == "ping") return result_text(message.id, Json::object());
    if (message.method != "elicitation/create") return error_text(message.id, kMethodNotFound, "Method not found");
    const Result<Json> reply = answer_question(message.body, stop);
    return reply ? result_text(message.id, *reply) : error_text(message.id, kInvalidParams, reply.error().message);
  }
  if (message.method == "notifications/tools/list_changed") tools_changed_ = true;
  if (message.method != "notifications/progress" || !exchange.on_progress || !message.body.is_object()) return std::nullopt;
  if (message.body.value("progressToken", Json()) != id) return std::nullopt;
  const Json text = message.body.value("message", Json());
  exchange.on_progress(
      {number(message.body, "progress"), number(message.body, "total"), text.is_string() ? text.get<std::string>() : ""}
  );
  return std::nullopt;
}

Result<Json> Client::answer_question(const Json& params, std::stop_token stop) {
  Result<Question> question = read_question(server_, params);
  if (!question && question.error().code != ErrorCode::kUnsupported) return question.error();
  if (question && options_.answer) return elicit_result(*question, options_.answer(*question, stop));
  const Json message = params.value("message", Json());
  if (declined_.size() < kQuestionsMax) declined_.push_back(excerpt(message.is_string() ? message.get<std::string>() : "", 300));
  return Json{{"action", "decline"}};
}

Result<Client::Exchange> Client::with_answers(const Exchange& order, const Json& wanted, std::stop_token stop) {
  Exchange next = order;
  const Json requests = wanted.value("inputRequests", Json::object());
  if (!requests.is_object() || requests.size() > kQuestionsMax) {
    return Error{ErrorCode::kCorrupt, "it asks for input that is no object of at most " + std::to_string(kQuestionsMax) + " requests"};
  }
  Json answers = Json::object();
  for (const auto& [key, request] : requests.items()) {
    const Json method = request.is_object() ? request.value("method", Json()) : Json();
    if (method != "elicitation/create") {
      return Error{ErrorCode::kUnsupported, "it asks for " + excerpt(to_text(method), 60) + ", which is not offered here"};
    }
    Result<Json> reply = answer_question(request.value("params", Json()), stop);
    if (!reply) return reply.error();
    answers[key] = std::move(*reply);
  }
  if (!answers.empty()) next.params["inputResponses"] = std::move(answers);
  // The server's own: sent back as it is, or not at all.
  if (wanted.contains("requestState")) next.params["requestState"] = wanted["requestState"];
  return next;
}

std::string Client::declined() {
  std::string text;
  for (const std::string& question : declined_) {
    text += "[The server asked the user \"" + question + "\". Nobody can be asked here, so it was declined.]\n";
  }
  declined_.clear();
  return text;
}

void Client::cancel(std::int64_t id, const std::string& reason) {
  const Json params{{"requestId", id}, {"reason", reason}};
  const Outgoing message{.method = "notifications/cancelled", .text = notification_text("notifications/cancelled", params),
                         .version = version_, .modern = version_ == kModernVersion};
  // The answer is not waited for in any case.
  (void)transport_->notify(message, {Clock::now() + kCancelTime, {}}).ok();
}

Result<Message> Client::exchange(const Exchange& exchange, std::stop_token stop) {
  const Outgoing message = request(exchange);
  const auto listener = [&](const Message& heard) { return hear(heard, message.id, exchange, stop); };
  Result<Message> answer = transport_->request(message, {Clock::now() + exchange.timeout, stop}, listener);
  if (answer) {
    n_unanswered_ = 0;
    return answer;
  }
  const ErrorCode code = answer.error().code;
  // What is still on its way of a flood would drown every later answer.
  if (code == ErrorCode::kResourceExhausted) transport_->close();
  if (code == ErrorCode::kTimeout || code == ErrorCode::kCancelled) {
    if (exchange.method != "initialize" && transport_->is_open()) {
      cancel(message.id, code == ErrorCode::kTimeout ? "time-out" : "no longer needed");
    }
    if (code == ErrorCode::kTimeout && ++n_unanswered_ >= kUnansweredMax) transport_->close();
  }
  if (code == ErrorCode::kTimeout) {
    return Error{
        code, answer.error().message + ": " + exchange.method + " may take " + std::to_string(exchange.timeout.count()) + " ms"};
  }
  return answer;
}

Result<Json> Client::ask(const Exchange& order, std::stop_token stop) {
  if (Result<void> ready = ensure_connected(stop); !ready) return named(ready.error());
  Result<Message> answer = exchange(order, stop);
  if (!answer && answer.error().code == ErrorCode::kNotFound && !transport_->is_open()) {
    connected_ = false;
    if (Result<void> ready = ensure_connected(stop); !ready) return named(ready.error());
    answer = exchange(order, stop);
  }
  for (int n_rounds = 1; answer && wants_input(*answer); ++n_rounds) {
    if (n_rounds > kRoundsMax) return named({ErrorCode::kUnsupported, "it asks for input again and again"});
    const Result<Exchange> next = with_answers(order, answer->body, stop);
    if (!next) return named(next.error());
    answer = exchange(*next, stop);
  }
  if (!answer) {
    if (!transport_->is_open()) {
      connected_ = false;
      note_failure();
    }
    return named(answer.error());
  }
  n_failures_ = 0;
  if (answer->error) return named(told(*answer->error));
  return std::move(answer->body);
}

Result<std::string> Client::each_page(
    const std::string& method, const char* key, const std::function<bool(const Json&)>& take, std::stop_token stop
) {
  Exchange order{.method = method, .timeout = options_.list_timeout};
  std::set<std::string> cursors;
  for (std::size_t page = 0; page < options_.pages_max; ++page) {
    Result<Json> result = ask(order, stop);
    if (!result) return result.error();
    const Json listed = result->is_object() ? result->value(key, Json()) : Json();
    if (!listed.is_array()) {
      return named({ErrorCode::kCorrupt, method + " gives no list of " + key + ": " + excerpt(to_text(*result))});
    }
    for (const Json& entry : listed) {
      if (!take(entry)) return std::string();
    }
    const Json next = result->value("nextCursor", Json());
    if (!next.is_string()) return std::string();
    if (!cursors.insert(next.get<std::string>()).second) return std::string("the server gives the same page again and again");
    order.params = {{"cursor", next}};
  }
  return "more than " + std::to_string(options_.pages_max) + " pages of " + key;
}

Result<std::vector<ToolInfo>> Client::list_tools(std::stop_token stop, std::vector<std::string>* left_out) {
  const std::scoped_lock lock(mutex_);
  std::vector<ToolInfo> tools;
  std::set<std::string> names;
  const auto leave_out = [&](const std::string& why) {
    if (left_out != nullptr) left_out->push_back(why);
  };
  const auto take = [&](const Json& entry) {
    Result<ToolInfo> tool = read_tool(entry);
    if (!tool) {
      leave_out(tool.error().message);
    } else if (tools.size() == options_.tools_max) {
      leave_out(tool->name + " and the rest: more than " + std::to_string(options_.tools_max) + " tools");
      return false;
    } else if (!names.insert(tool->name).second) {
      leave_out(tool->name + ": declared twice");
    } else {
      tools.push_back(std::move(*tool));
    }
    return true;
  };
  if (Result<void> ready = ensure_connected(stop); !ready) return named(ready.error());
  const Result<std::string> rest = each_page("tools/list", "tools", take, stop);
  if (!rest && rest.error().code == ErrorCode::kNotFound) return tools;  // a server of resources only
  if (!rest) return rest.error();
  if (!rest->empty()) leave_out("the rest: " + *rest);
  return tools;
}

Result<CallResult> Client::call_tool(
    const std::string& name, const std::string& arguments, const CallOptions& options, std::stop_token stop
) {
  Result<Json> parsed = arguments.empty() ? Json::object() : parse_object(arguments);
  if (!parsed) {
    return named({ErrorCode::kInvalidArgument, "the arguments of " + name + " must be a JSON object: " + parsed.error().message});
  }
  const std::scoped_lock lock(mutex_);
  declined_.clear();
  auto headers = headers_for(options.headers, *parsed);
  Result<Json> result =
      ask({.method = "tools/call", .params = {{"name", name}, {"arguments", std::move(*parsed)}}, .name = name,
           .headers = std::move(headers), .timeout = options.timeout, .on_progress = options.on_progress,
           .traceparent = options.traceparent},
          stop);
  if (!result) return result.error();
  Result<CallResult> read = read_result(*result, options_.text_bytes_max);
  if (!read) return named({read.error().code, name + ": " + read.error().message});
  read->text = declined() + read->text;
  return read;
}

Result<CallResult> Client::list_resources(const CallOptions&, std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  if (Result<void> ready = ensure_connected(stop); !ready) return named(ready.error());
  CallResult list;
  const auto take = [&](const Json& entry) {
    list.text += resource_line(entry) + "\n";
    return list.text.size() < options_.text_bytes_max;
  };
  for (const auto& [method, key] : {std::pair{"resources/list", "resources"}, {"resources/templates/list", "resourceTemplates"}}) {
    const Result<std::string> rest = each_page(method, key, take, stop);
    if (!rest && rest.error().code == ErrorCode::kNotFound) continue;
    if (!rest) return rest.error();
    if (!rest->empty()) list.text += "[The rest is left out: " + *rest + ".]\n";
  }
  if (list.text.empty()) list.text = "There are none.";
  return list;
}

Result<CallResult> Client::read_resource(const std::string& uri, const CallOptions& options, std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  Result<Json> result =
      ask({.method = "resources/read", .params = {{"uri", uri}}, .name = uri, .timeout = options.timeout, .traceparent = options.traceparent}, stop);
  if (!result) return result.error();
  Result<CallResult> read = read_contents(*result, options_.text_bytes_max);
  if (!read) return named({read.error().code, excerpt(uri) + ": " + read.error().message});
  return read;
}

}  // namespace toccata::tools::mcp
