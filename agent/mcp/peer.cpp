#include "agent/mcp/peer.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <variant>
#include <vector>

#include "agent/mcp/content.h"

namespace toccata::mcp {
namespace {

using namespace tools::mcp;  // messages and their codes

constexpr std::size_t kOpenMax = 256;  // requests of one client under way
constexpr std::size_t kWatchedMax = 64;  // resources of one client

void refuse(Outlet& outlet, const Json& id, const Refusal& refusal) {
  outlet.answer(error_text(id, refusal.code, refusal.message, refusal.data), refusal.status);
}

Refusal no_method(const std::string& method, Era era) {
  return {kMethodNotFound, "there is no method '" + excerpt(method, 60) + "'", nullptr, era == Era::kModern ? 404 : 200};
}

// params.`name` when it is a string.
std::optional<std::string> text_param(const Message& request, const char* name) {
  if (!request.body.is_object()) return std::nullopt;
  const auto found = request.body.find(name);
  if (found == request.body.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

const ToolInfo* find_tool(const Service& service, const std::string& name) {
  for (const ToolInfo& tool : service.tools()) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

// What is wrong with a call before any tool sees it.
std::optional<Refusal> check_call(const Message& request, const Service& service) {
  const auto name = text_param(request, "name");
  if (!name) return Refusal{kInvalidParams, "params.name must be the name of a tool"};
  if (find_tool(service, *name) == nullptr) {
    Json known = Json::array();
    for (const ToolInfo& tool : service.tools()) known.push_back(tool.name);
    return Refusal{kInvalidParams, "unknown tool: " + excerpt(*name, 100), Json{{"name", *name}, {"known", std::move(known)}}};
  }
  const auto arguments = request.body.find("arguments");
  if (arguments != request.body.end() && !arguments->is_object() && !arguments->is_null()) {
    return Refusal{kInvalidParams, "params.arguments must be an object"};
  }
  return std::nullopt;
}

// Everything fits on one page.
std::optional<Refusal> check_cursor(const Message& request) {
  if (!request.body.is_object() || !request.body.contains("cursor") || request.body["cursor"].is_null()) return std::nullopt;
  return Refusal{kInvalidParams, "params.cursor is none of this server's"};
}

// The arguments of prompts/get, all of them texts, checked against what the prompt takes.
std::optional<Refusal> read_arguments(const Message& request, const PromptInfo& prompt, std::map<std::string, std::string>& arguments) {
  const Json given = request.body.value("arguments", Json());
  if (!given.is_object() && !given.is_null()) return Refusal{kInvalidParams, "params.arguments must be an object"};
  for (const auto& [name, value] : given.items()) {
    const bool known = std::any_of(prompt.arguments.begin(), prompt.arguments.end(), [&, &key = name](const auto& takes) { return takes.name == key; });
    if (!known) return Refusal{kInvalidParams, "the prompt " + prompt.name + " takes no argument " + excerpt(name, 60)};
    if (!value.is_string()) return Refusal{kInvalidParams, "the argument " + excerpt(name, 60) + " must be a string"};
    arguments[name] = value.get<std::string>();
  }
  for (const auto& takes : prompt.arguments) {
    if (takes.required && !arguments.contains(takes.name)) return Refusal{kInvalidParams, "the argument " + takes.name + " is missing"};
  }
  return std::nullopt;
}

// What prompts/list and prompts/get are answered.
std::variant<Json, Refusal> answer_prompts(const Message& request, Service& service) {
  const std::vector<PromptInfo> prompts = service.prompts();
  if (request.method == "prompts/list") {
    if (auto refusal = check_cursor(request)) return std::move(*refusal);
    return prompts_result(prompts);
  }
  const std::string name = text_param(request, "name").value_or("");
  const auto found = std::find_if(prompts.begin(), prompts.end(), [&](const PromptInfo& prompt) { return prompt.name == name; });
  if (found == prompts.end()) return Refusal{kInvalidParams, "unknown prompt: " + excerpt(name, 100)};
  std::map<std::string, std::string> arguments;
  if (auto refusal = read_arguments(request, *found, arguments)) return std::move(*refusal);
  Result<Json> messages = service.prompt(name, arguments);
  if (!messages) return Refusal{kInternalError, messages.error().message, nullptr, 200};
  return Json{{"description", found->description}, {"messages", std::move(*messages)}};
}

// What is to be completed: of a prompt or template that there is.
std::variant<Completion, Refusal> read_completion(const Message& request, const Service& service) {
  const auto wrong = [](const std::string& what) { return Refusal{kInvalidParams, what}; };
  const auto text = [](const Json& object, const char* key) {
    const Json value = object.is_object() ? object.value(key, Json()) : Json();
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
  };
  const Json params = request.body.is_object() ? request.body : Json::object();
  const Json ref = params.value("ref", Json()), argument = params.value("argument", Json());
  const auto kind = text(ref, "type"), name = text(argument, "name"), value = text(argument, "value");
  if (!name || !value) return wrong("params.argument must have the strings name and value");
  Completion what{text(ref, "name").value_or(""), text(ref, "uri").value_or(""), *name, *value};
  if (kind == "ref/prompt") {
    const std::vector<PromptInfo> prompts = service.prompts();
    const bool known = std::any_of(prompts.begin(), prompts.end(), [&](const PromptInfo& prompt) { return prompt.name == what.prompt; });
    if (!known) return wrong("unknown prompt: " + excerpt(what.prompt, 100));
    what.uri_template.clear();
  } else if (kind == "ref/resource") {
    const Json templates = service.has_resources() ? service.resource_templates() : Json::array();
    const bool known = std::any_of(templates.begin(), templates.end(), [&](const Json& one) { return one.value("uriTemplate", "") == what.uri_template; });
    if (!known) return wrong("unknown resource template: " + excerpt(what.uri_template, 100));
    what.prompt.clear();
  } else {
    return wrong("params.ref.type must be ref/prompt or ref/resource");
  }
  const Json context = params.value("context", Json());
  const Json others = context.is_object() ? context.value("arguments", Json()) : Json();
  for (const auto& [key, other] : others.items()) {
    if (other.is_string()) what.others[key] = other.get<std::string>();
  }
  return what;
}

bool asks_for_prompts(const Message& request, const Service& service) {
  return (request.method == "prompts/list" || request.method == "prompts/get") && !service.prompts().empty();
}

}  // namespace

// A request that waits for its turn or runs.
struct Peer::Job {
  Message request;
  Era era = Era::kLegacy;
  std::shared_ptr<Outlet> outlet;
  std::string key;
  std::string lane = {};
  std::stop_source stop;
  Call call = {};  // of tools/call
  Completion completion = {};  // of completion/complete
};

std::stop_source Peer::request(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet) {
  const std::stop_source answered(std::nostopstate);
  const auto refused = [&](const Refusal& why) { return refuse(*outlet, request.id, why), answered; };
  if (era == Era::kModern) {
    auto refusal = check_envelope(request);
    if (!refusal) refusal = check_version(request);
    if (refusal) return refused(*refusal);
  } else if (!initialized_ && request.method != "initialize" && request.method != "ping") {
    return refused({kInvalidRequest, std::string("expected `initialize` first, or a request that names its version in params._meta.") + kVersionKey});
  }
  const std::string& method = request.method;
  if (method == "tools/call") {
    auto refusal = check_call(request, service_);
    if (!refusal) return start(request, era, outlet);
    if (era == Era::kLegacy) refusal->status = 200;
    return refused(*refusal);
  }
  const bool watches = method == "resources/subscribe" && era == Era::kLegacy;
  const bool reads = method == "resources/read" || watches;
  if ((reads || method == "resources/list") && service_.has_resources()) {
    std::optional<Refusal> refusal = reads ? std::nullopt : check_cursor(request);
    if (reads && !text_param(request, "uri")) refusal = Refusal{kInvalidParams, "params.uri must be a string"};
    if (!refusal) return start(request, era, outlet);
    if (era == Era::kLegacy) refusal->status = 200;
    return refused(*refusal);
  }
  if (method == "completion/complete" && can_complete(service_)) {
    auto completion = read_completion(request, service_);
    if (std::holds_alternative<Completion>(completion)) return start(request, era, outlet);
    if (era == Era::kLegacy) std::get<Refusal>(completion).status = 200;
    return refused(std::get<Refusal>(completion));
  }
  if (era == Era::kModern) {
    answer_modern(request, *outlet);
  } else {
    answer_legacy(request, *outlet);
  }
  return answered;
}

void Peer::answer_legacy(const Message& request, Outlet& outlet) {
  const auto reply = [&](const Json& result) { outlet.answer(result_text(request.id, result), 200); };
  const std::string& method = request.method;
  if (method == "initialize") {
    initialized_ = true;
    return reply(initialize_result(request, identity_, service_));
  }
  if (method == "ping") return reply(Json::object());
  if (method == "logging/setLevel") {
    const auto level = log_severity(text_param(request, "level").value_or(""));
    if (!level) {
      return refuse(outlet, request.id, {kInvalidParams, "params.level must be one of debug, info, notice, warning, error, critical, alert, emergency", nullptr, 200});
    }
    log_level_ = *level;
    return reply(Json::object());
  }
  if (asks_for_prompts(request, service_)) {
    auto answer = answer_prompts(request, service_);
    if (const auto* result = std::get_if<Json>(&answer)) return reply(*result);
    std::get<Refusal>(answer).status = 200;
    return refuse(outlet, request.id, std::get<Refusal>(answer));
  }
  if (method == "resources/unsubscribe" && service_.has_resources()) {
    const auto uri = text_param(request, "uri");
    if (!uri) return refuse(outlet, request.id, {kInvalidParams, "params.uri must be a string", nullptr, 200});
    {
      const std::lock_guard lock(mutex_);
      watched_.erase(*uri);
    }
    return reply(Json::object());
  }
  const bool lists_tools = method == "tools/list";
  if (lists_tools || (method == "resources/templates/list" && service_.has_resources())) {
    if (auto refusal = check_cursor(request)) {
      refusal->status = 200;
      return refuse(outlet, request.id, *refusal);
    }
    return reply(lists_tools ? tools_result(service_) : Json{{"resourceTemplates", service_.resource_templates()}});
  }
  refuse(outlet, request.id, no_method(method, Era::kLegacy));
}

void Peer::answer_modern(const Message& request, Outlet& outlet) {
  const std::string& method = request.method;
  Json result;
  Freshness freshness = Freshness::kLasting;
  if (method == "server/discover") {
    result = discover_result(identity_, service_);
  } else if (asks_for_prompts(request, service_)) {
    auto answer = answer_prompts(request, service_);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) return refuse(outlet, request.id, *refusal);
    result = std::move(std::get<Json>(answer));
    if (method == "prompts/get") freshness = Freshness::kNotKept;
  } else if (method == "tools/list") {
    if (const auto refusal = check_cursor(request)) return refuse(outlet, request.id, *refusal);
    result = tools_result(service_);
  } else if (method == "resources/templates/list" && service_.has_resources()) {
    if (const auto refusal = check_cursor(request)) return refuse(outlet, request.id, *refusal);
    result = Json{{"resourceTemplates", service_.resource_templates()}};
  } else {
    return refuse(outlet, request.id, no_method(method, Era::kModern));
  }
  modernize(result, freshness, identity_);
  outlet.answer(result_text(request.id, result), 200);
}

Result<std::shared_ptr<Peer::Job>> Peer::make_job(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet) {
  auto job = std::make_shared<Job>();
  job->request = request;
  job->era = era;
  job->outlet = outlet;
  job->key = to_text(request.id);
  {
    const std::lock_guard lock(mutex_);
    if (open_.size() >= kOpenMax) {
      return Error{ErrorCode::kResourceExhausted, std::to_string(kOpenMax) + " requests of this client are under way; wait for some of them"};
    }
    if (!open_.emplace(job->key, job->stop).second) {
      return Error{ErrorCode::kInvalidArgument, "a request with this id is still under way"};
    }
  }
  job->call.client = client_;
  job->call.stop = job->stop.get_token();
  return job;
}

std::stop_source Peer::start(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet) {
  auto made = make_job(request, era, outlet);
  if (!made) {
    const bool busy = made.error().code == ErrorCode::kResourceExhausted;
    refuse(*outlet, request.id, {busy ? kOverloaded : kInvalidRequest, made.error().message, nullptr, busy ? 429 : 400});
    return std::stop_source(std::nostopstate);
  }
  const std::shared_ptr<Job> job = *made;
  std::string lane;
  if (request.method == "tools/call") {
    job->call.tool = *text_param(request, "name");
    if (const auto given = request.body.find("arguments"); given != request.body.end() && given->is_object()) {
      job->call.arguments = *given;
    }
    lane = service_.lane(job->call);
    if (find_tool(service_, job->call.tool)->takes_long) outlet->expect_long();
  } else {
    if (request.method == "completion/complete") job->completion = std::get<Completion>(read_completion(request, service_));
    lane = service_.resource_lane(client_, text_param(request, "uri").value_or(""));
  }
  job->lane = lane;
  if (queue_.add(lane, [self = shared_from_this(), job] { self->run(*job); })) return job->stop;
  finish(*job);
  refuse(*outlet, request.id, {kOverloaded, "too many calls wait already; try again later", nullptr, 429});
  return std::stop_source(std::nostopstate);
}

void Peer::run(Job& job) {
  Outlet& outlet = *job.outlet;
  const Json& id = job.request.id;
  Json result;
  std::optional<Refusal> refusal;
  Freshness freshness = Freshness::kNotKept;
  if (!job.stop.stop_requested()) {
    try {
      if (job.request.method == "tools/call") {
        const Json token = progress_token(job.request);
        std::int64_t n_told = 0;
        job.call.progress = [&](const std::string& message) {
          if (!token.is_null() && !job.stop.stop_requested()) {
            outlet.notify(notification_text("notifications/progress", progress_params(token, ++n_told, message)));
          }
        };
        int level = log_level_;
        if (job.era == Era::kModern) {  // nothing is logged that was not asked for
          const Json* meta = meta_of(job.request);
          const Json asked = meta != nullptr ? meta->value(kLogLevelKey, Json()) : Json();
          level = log_severity(asked.is_string() ? asked.get<std::string>() : "").value_or(8);
        }
        job.call.log = [&outlet, &job, level](const char* name, const std::string& text) {
          if (log_severity(name).value_or(0) >= level && !job.stop.stop_requested()) {
            outlet.notify(notification_text("notifications/message", log_params(name, text)));
          }
        };
        result = call_result(service_.call(job.call));
        tell_changes(job);
      } else if (job.request.method == "resources/list") {
        result = Json{{"resources", service_.list_resources(client_)}};
        freshness = Freshness::kStale;
      } else if (job.request.method == "resources/subscribe") {
        const std::string uri = *text_param(job.request, "uri");
        const std::size_t version = version_of(uri);
        result = Json::object();
        const std::lock_guard lock(mutex_);
        if (watched_.size() >= kWatchedMax && !watched_.contains(uri)) {
          refusal = Refusal{kOverloaded, std::to_string(kWatchedMax) + " resources are subscribed to already", nullptr, 200};
        } else {
          watched_[uri] = version;
        }
      } else if (job.request.method == "completion/complete") {
        result = completion_result(service_.complete(client_, job.completion));
      } else {
        const std::string uri = *text_param(job.request, "uri");
        Result<Json> contents = service_.read_resource(client_, uri);
        freshness = Freshness::kStale;
        if (contents) {
          result = Json{{"contents", Json::array({std::move(*contents)})}};
        } else if (contents.error().code == ErrorCode::kNotFound) {
          const bool modern = job.era == Era::kModern;
          refusal = Refusal{modern ? kInvalidParams : kResourceNotFoundLegacy, "resource not found", Json{{"uri", uri}}, modern ? 400 : 200};
        } else {
          refusal = Refusal{kInternalError, contents.error().message, Json{{"uri", uri}}, 200};
        }
      }
    } catch (const std::exception& failure) {
      // Of a tool: its client's model may do something about it.
      if (job.request.method == "tools/call") {
        result = call_result({Json::array({text_block(std::string("The tool failed: ") + failure.what())}), /*is_error=*/true});
      } else {
        refusal = Refusal{kInternalError, failure.what(), nullptr, 200};
      }
    }
  }
  finish(job);  // before the answer: the client may use the id again
  if (job.stop.stop_requested()) {
    outlet.drop();
  } else if (refusal) {
    refuse(outlet, id, *refusal);
  } else {
    if (job.era == Era::kModern) modernize(result, freshness, identity_);
    outlet.answer(result_text(id, result), 200);
  }
}

std::size_t Peer::version_of(const std::string& uri) {
  try {
    const Result<Json> contents = service_.read_resource(client_, uri);
    return contents ? std::hash<std::string>()(to_text(*contents)) | 1U : 0;
  } catch (const std::exception&) {
    return 0;  // a call that went well does not fail by it
  }
}

void Peer::tell_changes(const Job& job) {
  std::map<std::string, std::size_t> watched;
  {
    const std::lock_guard lock(mutex_);
    watched = watched_;
  }
  for (const auto& [uri, before] : watched) {
    if (job.era != Era::kLegacy || service_.resource_lane(client_, uri) != job.lane) continue;
    const std::size_t now = version_of(uri);
    if (now == before) continue;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = watched_.find(uri); found != watched_.end()) found->second = now;
    }
    job.outlet->notify(notification_text("notifications/resources/updated", Json{{"uri", uri}}));
  }
}

void Peer::finish(const Job& job) {
  const std::lock_guard lock(mutex_);
  open_.erase(job.key);
  changed_.notify_all();
}

void Peer::notification(const Message& notification) {
  if (notification.method == "notifications/cancelled" && notification.body.is_object()) {
    cancel(notification.body.value("requestId", Json()));
  }
}

void Peer::cancel(const Json& id) {
  std::optional<std::stop_source> found;
  {
    const std::lock_guard lock(mutex_);
    const auto open = open_.find(to_text(id));
    if (open != open_.end()) found = open->second;
  }
  if (found) found->request_stop();  // may run callbacks of the tool
}

void Peer::cancel_all() {
  std::vector<std::stop_source> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, stop] : open_) all.push_back(stop);
  }
  for (std::stop_source& stop : all) stop.request_stop();
}

void Peer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return open_.empty(); });
}

bool Peer::idle() const {
  const std::lock_guard lock(mutex_);
  return open_.empty();
}

}  // namespace toccata::mcp
