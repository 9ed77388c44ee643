// What the model does, as the output items and the stream events of OpenAI's Responses API.
// Order and fields of the events: the types of openai-node 7.57; the clients that were run against them stand in
// docs/compat.md. Only for the .cpp files of this folder.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/server/built_in_items.h"
#include "agent/server/generation.h"
#include "agent/server/json_fields.h"
#include "agent/server/response_store.h"
#include "agent/server/services.h"

namespace toccata::server {

// A harmony recipient as a client's (namespace, name), and back. Functions of a client's namespace `n` are declared to
// the model as "functions.n.member"; a name without "functions." is one of the model's built-in tools.
struct FunctionName {
  std::string space;  // empty: none
  std::string name;
};
FunctionName function_name(const std::string& recipient, const std::vector<std::string>& spaces);
std::string recipient_of(const FunctionName& function);

struct WriterOptions {
  std::vector<std::string> spaces;  // namespaces of functions that the request declared
  bool makes_calls = false;         // the server does, but for functions
  ItemOptions items = {};           // of those
  bool show_reasoning = true;
  bool logprobs = false;
};

// One response, from created() to one of the ends. One thread.
class ResponseWriter : public StepListener {
 public:
  using Send = std::function<void(std::string_view event)>;
  // `response`: the object of response.created, status "in_progress". Without `send` only the object is made.
  ResponseWriter(Json response, WriterOptions options, Send send);

  void created();
  void started(MessageKind kind, const std::string& recipient) override;
  void text(MessageKind kind, std::string_view delta, const std::vector<TokenLogprob>& logprobs) override;
  void cited(const agent::Citation& citation, std::string_view link) override;
  void done(MessageKind kind, const std::string& text, bool whole) override;
  void tool(const agent::Event& event) override;

  // The container is known, and the calls begin to be made: before the first step.
  void set_items(ItemOptions items) { options_.items = std::move(items); }
  // What an MCP server offers: [{"name", "description", "input_schema"}].
  void listed(const std::string& server_label, Json tools);

  // An item that carries only `encrypted_content`. Last of a step: it holds all of it.
  void sealed(std::string box);

  // The ends: each makes the last event, which is returned and not sent.
  std::string end(const StepOutcome& outcome, const Counts& counts);
  std::string fail(const ApiError& error, bool cancelled);

  const Json& response() const { return response_; }
  // Ids and texts of the finished items.
  std::vector<NamedItem> output() const;

 private:
  void open_item(MessageKind kind);
  void open_call();
  void call_text(std::string_view delta);
  void call_done(const std::string& text, bool whole);
  void call_begins(const agent::Item& call);
  void call_ends(const agent::Item& call);
  // An event about the open item, without further fields.
  void progress(const std::string& type) { event(("response." + type).c_str(), {{"item_id", item_["id"]}}); }
  void close_item(const char* status);
  void part(const char* event, Json part);
  void event(const char* type, Json fields);
  std::string framed(const char* type, Json fields);
  std::string last_event(const char* type);

  Json response_;
  WriterOptions options_;
  const Send send_;
  std::int64_t n_events_ = 0;
  Json item_;  // the open one; null: none
  std::string recipient_;
  ToolKind made_ = ToolKind::kNone;  // of a call that the server makes
  bool is_made_ = false;             // the open message is such a call
  Json logprobs_ = Json::array(), annotations_ = Json::array();  // of the open message
  std::int64_t n_chars_ = 0;                                     // of its text so far
};

}  // namespace toccata::server
