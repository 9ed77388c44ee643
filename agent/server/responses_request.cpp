#include "agent/server/responses_request.h"

#include <algorithm>
#include <set>

#include "agent/harmony/name_map.h"
#include "agent/server/request_fields.h"
#include "core/base/calendar.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

constexpr std::size_t kItemsMax = 100'000;

// Items of tools that other servers run. Nothing of them is in what this model said, so they are left out.
bool is_foreign_item(const std::string& type) {
  static constexpr std::string_view kTypes[] = {
      "file_search_call",        "image_generation_call",   "computer_call",         "computer_call_output",
      "local_shell_call",        "local_shell_call_output", "shell_call",            "shell_call_output",
      "apply_patch_call",        "apply_patch_call_output", "mcp_approval_request",  "mcp_approval_response",
      "compaction"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

// --- Items -> turns --------------------------------------------------------------------------------------------------

// Puts the items that came of one model call together again: reasoning, then text, then calls. A step ends where the
// client answers, and where its order cannot go on. Calls that a server made, and what was said around them, are one step.
class TurnReader {
 public:
  TurnReader(ChatRequest& request, const TokenSeal& seal) : request_(request), seal_(seal) {}

  // Labels of mcp_list_tools items.
  std::set<std::string> take_listed() { return std::move(listed_); }

  void add(const Json& item) {
    const std::string type = string_field(item, "type").value_or("message");
    if (type == "message") {
      message(item);
    } else if (type == "reasoning") {
      reasoning(item);
    } else if (type == "function_call" || type == "custom_tool_call") {
      call(item, type == "function_call" ? "arguments" : "input");
    } else if (type == "function_call_output" || type == "custom_tool_call_output") {
      call_output(item);
    } else if (type == "web_search_call" || type == "code_interpreter_call" || type == "mcp_call") {
      made_call(type, item);
    } else if (type == "mcp_list_tools") {
      listed_.insert(string_field(item, "server_label").value_or(""));
    } else if (!is_foreign_item(type)) {
      throw ApiError::bad(
          "input", "an item of type '" + type +
                       "' is not known; expected message, reasoning, function_call, function_call_output or item_reference"
      );
    }
  }

 private:
  void message(const Json& item) {
    const std::string role = string_field(item, "role").value_or("");
    std::string text = read_text(field(item, "content"), "input");
    if (role == "assistant") {
      AssistantStep& step = open_step(/*anew=*/has_calls());
      if (!step.text.empty() && !text.empty()) step.text += "\n\n";
      step.text += text;
      answered_ = string_field(item, "phase").value_or("") == "final_answer";
      return;
    }
    is_open_ = false;
    if (role == "user") {
      request_.turns.emplace_back(UserText{std::move(text)});
    } else if (role != "system" && role != "developer") {
      throw ApiError::bad("input", "unknown role '" + role + "'; expected system, developer, user or assistant");
    } else if (request_.turns.empty()) {
      request_.instructions += (request_.instructions.empty() ? "" : "\n\n") + text;
    } else {
      request_.turns.emplace_back(DeveloperText{std::move(text)});
    }
  }

  void reasoning(const Json& item) {
    const bool opened = open_box(string_field(item, "encrypted_content").value_or(""));
    const Json *content = array_field(item, "content"), *summary = array_field(item, "summary");
    // The box stands behind the whole of its step and begins nothing.
    if (opened && (content == nullptr || content->empty()) && (summary == nullptr || summary->empty())) return;
    AssistantStep& step = open_step(/*anew=*/has_calls() || answered_);
    std::string text = read_text(array_field(item, "content"), "input");
    if (text.empty()) text = read_text(array_field(item, "summary"), "input");
    if (!step.reasoning.empty() && !text.empty()) step.reasoning += "\n\n";
    step.reasoning += text;
  }

  // False for what another maker sealed: its words, if any, are all there is.
  bool open_box(const std::string& box) {
    if (!TokenSeal::is_ours(box)) return false;
    auto step = seal_.open(box);
    if (!step) {
      throw ApiError(
          400, "an item's 'encrypted_content' was changed, or sealed by a server with another key; leave the item out",
          "invalid_encrypted_content", "input"
      );
    }
    request_.sampled.insert_or_assign(std::move(step->key), std::move(step->tokens));
    return true;
  }

  void call(const Json& item, const char* arguments_key) {
    const std::string id = call_id(item);
    const std::string name = string_field(item, "name").value_or("");
    if (name.empty()) throw ApiError::bad("input", "the function_call '" + id + "' needs a 'name'");
    const std::string recipient = recipient_of({string_field(item, "namespace").value_or(""), name});
    recipient_of_call_[id] = recipient;
    open_step(/*anew=*/answered_).calls.push_back({recipient, string_field(item, arguments_key).value_or("{}")});
  }

  void call_output(const Json& item) {
    const std::string id = call_id(item);
    const auto known = recipient_of_call_.find(id);
    if (known == recipient_of_call_.end()) {
      throw ApiError::bad("input", "a function_call_output has the call_id '" + id + "', but no function_call before it has");
    }
    is_open_ = false;
    request_.turns.emplace_back(ToolText{known->second, read_text(field(item, "output"), "input")});
  }

  // Its step can be found by the rest of it; else what is known of its result is told again.
  void made_call(const std::string& type, const Json& item) {
    AssistantStep& step = open_step(/*anew=*/answered_);
    if (type == "code_interpreter_call") {
      std::string logs;
      const Json* outputs = array_field(item, "outputs");
      for (const Json& output : outputs != nullptr ? *outputs : Json::array()) {
        if (output.is_object()) logs += string_field(output, "logs").value_or("");
      }
      const std::string code = string_field(item, "code").value_or("");
      if (!code.empty() && !logs.empty()) step.made.push_back({{"python", code}, logs});
    } else if (type == "mcp_call") {
      const std::string output = string_field(item, "output").value_or("");
      const std::string name = harmony::identifier(string_field(item, "server_label").value_or("")) + "." + string_field(item, "name").value_or("");
      if (!output.empty()) step.made.push_back({{name, string_field(item, "arguments").value_or("{}")}, output});
    }
  }

  static std::string call_id(const Json& item) {
    const auto id = string_field(item, "call_id");
    if (!id || id->empty()) throw ApiError::bad("input", "an item of a function call needs a 'call_id'");
    return *id;
  }

  bool has_calls() const { return is_open_ && !std::get<AssistantStep>(request_.turns.back()).calls.empty(); }
  AssistantStep& open_step(bool anew) {
    if (!is_open_ || anew) {
      request_.turns.emplace_back(AssistantStep{});
      answered_ = false;
    }
    is_open_ = true;
    return std::get<AssistantStep>(request_.turns.back());
  }

  ChatRequest& request_;
  const TokenSeal& seal_;
  bool is_open_ = false;   // the last turn is a step that may go on
  bool answered_ = false;  // and it has its answer
  std::map<std::string, std::string> recipient_of_call_;
  std::set<std::string> listed_;
};

std::string item_id(const std::string& type, const Json& item, std::optional<std::size_t> index) {
  const char* prefix = type == "message" ? "msg_" : type == "reasoning" ? "rs_" : type == "function_call" ? "fc_" : "item_";
  return index ? prefix + text_hash(std::to_string(*index) + " " + dump(item)).substr(0, 24) : make_id(prefix);
}

// The items of the conversation that the request goes on with; their ids.
std::set<std::string> read_conversation(const Json& conversation, const Services& services, ResponsesCall& call) {
  const auto id = conversation.is_object() ? string_field(conversation, "id") : std::optional(read_text(&conversation, "conversation"));
  const auto items = services.conversations != nullptr && id ? services.conversations->items(*id) : std::nullopt;
  if (!items) throw ApiError(404, "there is no conversation '" + id.value_or("") + "'", "not_found", "conversation");
  call.conversation = *id;
  std::set<std::string> ids;
  for (const NamedItem& item : *items) {
    call.input.push_back(item.json);
    ids.insert(item.id);
  }
  return ids;
}

// `source`: the field that names it.
void read_history(const std::vector<ItemText>& history, const char* source, TurnReader& reader) {
  try {
    for (const ItemText& item : history) reader.add(json_from_valid<Json>(*item));
  } catch (const ApiError& error) {
    throw ApiError(
        error.status, std::string("the stored history cannot be read, so send it as 'input' instead: ") + error.what(),
        error.code, source
    );
  }
}

void read_items(const Json& body, const Services& services, TurnReader& reader, ResponsesCall& call) {
  if (const auto id = string_field(body, "previous_response_id")) {
    const auto previous = services.responses.find(*id);
    if (previous == nullptr) {
      throw ApiError(
          400,
          "the previous response '" + *id + "' is not stored here: it was not stored, or it was deleted; send the whole "
          "conversation as 'input'",
          "previous_response_not_found", "previous_response_id"
      );
    }
    if (!previous->is_finished()) {
      throw ApiError::bad("previous_response_id", "the previous response '" + *id + "' is still in progress");
    }
    call.input = previous->input;
    for (ItemText& item : previous->output()) call.input.push_back(std::move(item));
  }
  std::set<std::string> ids;  // of the conversation's items
  if (const Json* conversation = field(body, "conversation")) {
    if (!call.input.empty()) throw ApiError::bad("conversation", "a request has a 'conversation' or a 'previous_response_id', not both");
    ids = read_conversation(*conversation, services, call);
  }
  const bool in_conversation = !call.conversation.empty();
  read_history(call.input, in_conversation ? "conversation" : "previous_response_id", reader);
  call.n_history = call.input.size();
  const Json* input = field(body, "input");
  if (input == nullptr && call.input.empty()) {
    throw ApiError::bad("input", "'input' is missing; expected a string or an array of items");
  }
  if (input == nullptr) return;
  const auto keep = [&](const std::string& id, const ItemText& item) {
    if (in_conversation && !ids.insert(id).second) {
      throw ApiError::bad("input", "the item '" + id + "' is in the conversation already");
    }
    call.input.push_back(item);
  };
  const auto add = [&](const Json& item) {
    reader.add(item);
    const NamedItem kept = keepable_item(item, in_conversation ? std::nullopt : std::optional(call.input.size()));
    keep(kept.id, kept.json);
  };
  if (input->is_string()) return add({{"type", "message"}, {"role", "user"}, {"content", *input}});
  if (!input->is_array()) throw ApiError::bad("input", std::string("'input' must be a string or an array of items, not ") + input->type_name());
  if (input->size() + call.input.size() > kItemsMax) {
    throw ApiError::bad("input", "more than " + std::to_string(kItemsMax) + " items");
  }
  for (const Json& item : *input) {
    if (!item.is_object()) throw ApiError::bad("input", "an item must be an object");
    if (string_field(item, "type").value_or("") != "item_reference") {
      add(item);
      continue;
    }
    const std::string id = string_field(item, "id").value_or("");
    const ItemText referred = services.responses.find_item(id);
    if (referred == nullptr) throw ApiError::bad("input", "there is no stored item '" + id + "' to refer to");
    reader.add(json_from_valid<Json>(*referred));
    keep(id, referred);
  }
}

void read_input(const Json& body, const Services& services, ResponsesCall& call) {
  TurnReader reader(call.request, services.seal);
  read_items(body, services, reader, call);
  call.listed = reader.take_listed();
}

// --- Tools -----------------------------------------------------------------------------------------------------------

void read_tool(const Json& tool, const Services& services, ResponsesCall& call) {
  if (!tool.is_object()) throw ApiError::bad("tools", "a tool must be an object");
  const std::string type = string_field(tool, "type").value_or("");
  if (type == "function") {
    call.request.functions.push_back(read_function(tool, "parameters", "tools"));
    if (bool_field(tool, "strict", false)) call.request.strict_functions.insert(call.request.functions.back().name);
  } else if (type == "namespace") {
    const std::string space = read_function(tool, "", "tools").name;
    const Json* members = array_field(tool, "tools");
    if (members == nullptr) throw ApiError::bad("tools", "the namespace '" + space + "' needs 'tools'");
    call.writer.spaces.push_back(space);
    for (const Json& member : *members) {
      if (!member.is_object()) throw ApiError::bad("tools", "a tool must be an object");
      if (string_field(member, "type").value_or("function") != "function") continue;
      auto function = read_function(member, "parameters", "tools");
      function.name = space + "." + function.name;
      call.request.functions.push_back(std::move(function));
    }
  } else {
    (void)read_built_in(tool, services, call.tools);
  }
}

// The function that {"name", "namespace"?} names; ApiError when it is not declared.
std::string chosen_function(const Json& choice, const ResponsesCall& call) {
  const std::string space = string_field(choice, "namespace").value_or("");
  const std::string name = (space.empty() ? "" : space + ".") + string_field(choice, "name").value_or("");
  for (const auto& f : call.request.functions) {
    if (f.name == name) return name;
  }
  throw ApiError::bad("tool_choice", "tool_choice names '" + name + "', which is not declared as a function");
}

void require_call(ResponsesCall& call) {
  const auto& functions = call.request.functions;
  const bool has_built_in = !call.tools.offered.empty();
  if (functions.empty() && !has_built_in) throw ApiError::bad("tool_choice", "tool_choice asks for a call, but no function is declared");
  call.step.must_call = functions.size() == 1 && !has_built_in ? functions[0].name : "";
}

void read_mode(const std::string& mode, ResponsesCall& call) {
  if (mode == "none") {
    call.request.functions.clear();
    call.tools.offered.clear();
  } else if (mode == "required") {
    require_call(call);
  } else if (mode != "auto") {
    throw ApiError::bad("tool_choice", "tool_choice is '" + mode + "', expected none, auto, required or an object");
  }
}

void read_choice(const Json& choice, ResponsesCall& call) {
  if (choice.is_string()) return read_mode(choice.get<std::string>(), call);
  if (!choice.is_object()) throw ApiError::bad("tool_choice", "'tool_choice' must be a string or an object");
  const std::string type = string_field(choice, "type").value_or("");
  if (type == "function") {
    call.step.must_call = chosen_function(choice, call);
  } else if (type == "allowed_tools") {
    const Json* allowed = array_field(choice, "tools");
    if (allowed == nullptr) throw ApiError::bad("tool_choice", "allowed_tools needs 'tools'");
    std::vector<std::string> names;
    std::set<std::string> spaces;
    for (const Json& tool : *allowed) {
      if (!tool.is_object()) throw ApiError::bad("tool_choice", "an allowed tool must be an object");
      if (string_field(tool, "type").value_or("") == "function") names.push_back(chosen_function(tool, call));
      if (auto space = chosen_built_in(tool, call.tools)) spaces.insert(std::move(*space));
    }
    keep_only(spaces, call.tools);
    std::erase_if(call.request.functions, [&](const auto& f) {
      return std::find(names.begin(), names.end(), f.name) == names.end();
    });
    read_mode(string_field(choice, "mode").value_or("auto"), call);
  } else if (auto space = chosen_built_in(choice, call.tools)) {
    call.step.must_call = std::move(space);
  } else {
    throw ApiError::bad(
        "tool_choice", "tool_choice asks for a tool of type '" + type + "'; expected function, web_search, code_interpreter, mcp or allowed_tools"
    );
  }
}

// --- The rest --------------------------------------------------------------------------------------------------------

// What is shown to the model. Where no mask enforces it, a promise that something does is refused.
void read_format(const Json& body, const Services& services, ResponsesCall& call) {
  const Json* text = object_field(body, "text");
  const Json* format = text != nullptr ? object_field(*text, "format") : nullptr;
  const std::string type = format != nullptr ? string_field(*format, "type").value_or("text") : "text";
  if (type == "json_object") {
    call.request.response_format = "{\"type\":\"object\"}";
  } else if (type == "json_schema") {
    const Json* schema = object_field(*format, "schema");
    if (schema == nullptr) throw ApiError::bad("text", "text.format of type json_schema needs a 'schema'");
    call.request.strict_format = bool_field(*format, "strict", false);
    if (call.request.strict_format && !services.masks.on()) {
      throw ApiError(
          400,
          "text.format asks for a strict JSON schema, which cannot be enforced with this model; send "
          "\"strict\": false and check the answer",
          "unsupported_parameter", "text"
      );
    }
    call.request.response_format = dump(*schema);
  } else if (type != "text") {
    throw ApiError::bad("text", "text.format is of type '" + type + "', expected text, json_object or json_schema");
  }
}

void refuse_unsupported(const Json& body) {
  if (field(body, "prompt") == nullptr) return;
  throw ApiError(
      400, "'prompt' is not supported; send the template's text as 'instructions' and 'input'", "unsupported_parameter", "prompt"
  );
}

// The request's field, or what stands there without one.
Json echo(const Json& body, const char* key, Json fallback = nullptr) {
  const Json* value = field(body, key);
  return value != nullptr ? *value : std::move(fallback);
}

// All fields that the Open Responses schema requires.
Json response_of(const Json& body, const Services& services, const ResponsesCall& call) {
  const Json* reasoning = field(body, "reasoning");
  Json text = echo(body, "text", Json::object());
  if (!text.contains("format") || text["format"].is_null()) text["format"] = {{"type", "text"}};
  return {
      {"id", make_id("resp_")},
      {"object", "response"},
      {"created_at", unix_time()},
      {"conversation", call.conversation.empty() ? Json(nullptr) : Json({{"id", call.conversation}})},
      {"completed_at", nullptr},
      {"status", "in_progress"},
      {"background", call.background},
      {"error", nullptr},
      {"incomplete_details", nullptr},
      {"instructions", echo(body, "instructions")},
      {"max_output_tokens", echo(body, "max_output_tokens")},
      {"max_tool_calls", echo(body, "max_tool_calls")},
      {"model", services.options.model_id},
      {"output", Json::array()},
      {"parallel_tool_calls", bool_field(body, "parallel_tool_calls", true)},
      {"previous_response_id", echo(body, "previous_response_id")},
      {"prompt_cache_key", echo(body, "prompt_cache_key")},
      {"reasoning",
       {{"effort", reasoning != nullptr ? echo(*reasoning, "effort") : Json(nullptr)},
        {"summary", reasoning != nullptr ? echo(*reasoning, "summary") : Json(nullptr)}}},
      {"safety_identifier", echo(body, "safety_identifier")},
      {"service_tier", "default"},
      {"store", call.store},
      {"temperature", call.step.sampling.temperature},
      {"text", std::move(text)},
      {"tool_choice", echo(body, "tool_choice", "auto")},
      {"tools", echo(body, "tools", Json::array())},
      {"top_logprobs", call.step.sampling.n_top},
      {"top_p", call.step.sampling.top_p},
      {"presence_penalty", call.step.penalties.presence},
      {"frequency_penalty", call.step.penalties.frequency},
      {"truncation", "disabled"},
      {"usage", nullptr},
      {"user", echo(body, "user")},
      {"metadata", echo(body, "metadata", Json::object())}};
}

// A function that the client declared is its own, also where it is named like a built-in tool: `python`.
void keep_own_functions(ChatRequest& request) {
  const auto own = [&](std::string& recipient) {
    const bool declared = std::any_of(request.functions.begin(), request.functions.end(), [&](const auto& f) { return f.name == recipient; });
    if (declared) recipient.insert(0, "functions.");
  };
  for (Turn& turn : request.turns) {
    if (auto* result = std::get_if<ToolText>(&turn)) own(result->author);
    if (auto* step = std::get_if<AssistantStep>(&turn)) {
      for (Call& made : step->calls) own(made.recipient);
    }
  }
}

}  // namespace

void check_metadata(const Json& body) {
  const Json* metadata = object_field(body, "metadata");
  if (metadata == nullptr) return;
  if (metadata->size() > 16) throw ApiError::bad("metadata", "'metadata' has more than 16 keys");
  for (const auto& [key, value] : metadata->items()) {
    if (!value.is_string()) throw ApiError::bad("metadata", "the value of metadata '" + key + "' must be a string");
  }
}

store::NamedItem keepable_item(Json item, std::optional<std::size_t> index) {
  const std::string type = string_field(item, "type").value_or("message");
  item["type"] = type;
  std::string id = string_field(item, "id").value_or("");
  if (id.empty()) id = item_id(type, item, index);
  item["id"] = id;
  if (type == "message" && item.contains("content") && item["content"].is_string()) {
    const bool is_output = item.contains("role") && item["role"] == "assistant";
    Json part = {{"type", is_output ? "output_text" : "input_text"}, {"text", item["content"]}};
    if (is_output) part["annotations"] = Json::array();
    item["content"] = Json::array({std::move(part)});
  }
  return {std::move(id), std::make_shared<const std::string>(dump(item))};
}

void check_readable(const std::vector<store::NamedItem>& items, const Services& services) {
  ChatRequest request;
  TurnReader reader(request, services.seal);
  for (const store::NamedItem& item : items) reader.add(json_from_valid<Json>(*item.json));
}

ResponsesCall read_responses(const Json& body, const Services& services, std::string owner) {
  check_model(body, services);
  refuse_unsupported(body);
  check_metadata(body);
  ResponsesCall call;
  call.owner = std::move(owner);
  call.request.effort = services.options.effort;
  if (services.options.today) call.request.current_date = today();
  if (const Json* reasoning = object_field(body, "reasoning")) {
    if (auto effort = string_field(*reasoning, "effort")) call.request.effort = read_effort(*effort, "reasoning");
  }
  call.request.instructions = read_text(field(body, "instructions"), "instructions");
  read_input(body, services, call);
  if (const Json* tools = array_field(body, "tools")) {
    for (const Json& tool : *tools) read_tool(tool, services, call);
  }
  if (const auto calls_max = integer_field(body, "max_tool_calls", 1, INT32_MAX)) call.tools.calls_max = static_cast<int>(*calls_max);
  keep_own_functions(call.request);
  if (const Json* choice = field(body, "tool_choice")) read_choice(*choice, call);
  read_format(body, services, call);
  call.step.sampling = read_sampling(body, services);
  call.step.penalties = read_penalties(body, services);
  call.step.sampling.n_top = read_n_top(body, "top_logprobs", services);
  call.step.max_tokens = integer_field(body, "max_output_tokens", 1, INT32_MAX).value_or(0);
  for (const auto& f : call.request.functions) call.step.recipients.push_back("functions." + f.name);
  declare(call.tools, services, call.request, call.step);
  call.step.pages = pages_of(call.request);
  call.step.constraint = services.masks.of(call.request, call.step.must_call);
  if (!call.step.made_here.empty()) call.step.later_constraint = services.masks.of(call.request, std::nullopt);
  call.writer.makes_calls = !call.step.made_here.empty();
  call.writer.items.labels = call.tools.labels;
  call.writer.items.names = call.tools.names;
  call.stream = bool_field(body, "stream", false);
  call.store = bool_field(body, "store", true);
  call.request.archived_steps = call.store;
  call.background = bool_field(body, "background", false);
  if (call.background && !call.store) throw ApiError::bad("background", "a background response must be stored: 'store' is false");
  call.writer.show_reasoning = !services.options.hide_reasoning;
  if (const Json* include = array_field(body, "include")) {
    for (const Json& name : *include) {
      if (name == "message.output_text.logprobs") call.writer.logprobs = services.model.capabilities().logprobs;
      if (name == "reasoning.encrypted_content") call.seals = true;
      if (name == "web_search_call.action.sources") call.writer.items.sources = true;
      if (name == "code_interpreter_call.outputs") call.writer.items.outputs = true;
    }
  }
  call.response = response_of(body, services, call);
  if (!call.tools.off.empty()) call.response["tools_not_enabled"] = call.tools.off;
  return call;
}

}  // namespace toccata::server
