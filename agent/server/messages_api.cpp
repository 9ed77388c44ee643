#include "agent/server/messages_api.h"

#include "agent/server/messages_request.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

using Finish = StepOutcome::Finish;

// Clients send a thinking block back only with a signature; nothing here depends on it.
constexpr const char* kSignature = "toccata";

const char* stop_reason(Finish finish) {
  if (finish == Finish::kCalls) return "tool_use";
  if (finish == Finish::kLength) return "max_tokens";
  if (finish == Finish::kStopString) return "stop_sequence";
  return "end_turn";
}

// A call's arguments as the object that `input` has to be.
Json input_of(const std::string& arguments) {
  if (arguments.empty()) return Json::object();
  Json input = json_from<Json>(arguments);
  if (!input.is_object()) return {{"invalid_json", arguments}};
  return input;
}

// Gathers the message, and streams it when there is a stream.
class MessageWriter : public StepListener {
 public:
  MessageWriter(const Services& services, bool show_thinking, Exchange* stream)
      : show_thinking_(show_thinking), stream_(stream) {
    message_ = {
        {"id", make_id("msg_")},
        {"type", "message"},
        {"role", "assistant"},
        {"model", services.options.model_id},
        {"content", Json::array()},
        {"stop_reason", nullptr},
        {"stop_sequence", nullptr},
        {"usage", nullptr}};
  }

  void begun(std::int64_t n_prompt, std::int64_t n_cached) override {
    // What was read from the cache does not count as input.
    message_["usage"] = {
        {"input_tokens", n_prompt - n_cached},
        {"cache_creation_input_tokens", 0},
        {"cache_read_input_tokens", n_cached},
        {"output_tokens", 0}};
    send("message_start", {{"message", message_}});
    send("ping", Json::object());
  }

  void started(MessageKind kind, const std::string& recipient) override {
    if (kind != MessageKind::kCall) return;  // an empty block is none
    std::string name = recipient;
    if (name.starts_with("functions.")) name = name.substr(10);
    open({{"type", "tool_use"}, {"id", make_id("toolu_")}, {"name", name}, {"input", Json::object()}});
  }

  void text(MessageKind kind, std::string_view delta, const std::vector<TokenLogprob>&) override {
    if (kind == MessageKind::kReasoning && !show_thinking_) return;
    if (block_.is_null()) {
      open(kind == MessageKind::kReasoning ? Json{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}
                                           : Json{{"type", "text"}, {"text", ""}});
    }
    if (stream_ == nullptr) return;
    if (kind == MessageKind::kReasoning) {
      this->delta({{"type", "thinking_delta"}, {"thinking", delta}});
    } else if (kind == MessageKind::kCall) {
      this->delta({{"type", "input_json_delta"}, {"partial_json", delta}});
    } else {
      this->delta({{"type", "text_delta"}, {"text", delta}});
    }
  }

  void done(MessageKind kind, const std::string& text, bool) override {
    if (block_.is_null()) return;
    if (kind == MessageKind::kReasoning) {
      block_["thinking"] = text;
      block_["signature"] = kSignature;
      delta({{"type", "signature_delta"}, {"signature", kSignature}});
    } else if (kind == MessageKind::kCall) {
      block_["input"] = input_of(text);
    } else {
      block_["text"] = text;
    }
    send("content_block_stop", {{"index", message_["content"].size()}});
    message_["content"].push_back(std::exchange(block_, nullptr));
  }

  void end(const StepOutcome& outcome) {
    message_["stop_reason"] = stop_reason(outcome.finish);
    if (!outcome.stop_string.empty()) message_["stop_sequence"] = outcome.stop_string;
    message_["usage"]["output_tokens"] = outcome.tokens.size();
    send(
        "message_delta",
        {{"delta", {{"stop_reason", message_["stop_reason"]}, {"stop_sequence", message_["stop_sequence"]}}},
         {"usage", message_["usage"]}}
    );
    send("message_stop", Json::object());
  }

  const Json& message() const { return message_; }

 private:
  void open(Json block) {
    block_ = std::move(block);
    send("content_block_start", {{"index", message_["content"].size()}, {"content_block", block_}});
  }
  void delta(Json delta) {
    send("content_block_delta", {{"index", message_["content"].size()}, {"delta", std::move(delta)}});
  }
  void send(const char* type, Json fields) {
    if (stream_ == nullptr) return;
    Json data = {{"type", type}};
    data.update(fields);
    stream_->send(sse(data, type));
  }

  const bool show_thinking_;
  Exchange* stream_;
  Json message_;
  Json block_;  // the open one; null: none
};

void serve_messages(Services& services, Exchange& exchange, const MessagesCall& call) {
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  check_fits(services, *prompt);
  if (call.stream) exchange.start_stream("text/event-stream");
  MessageWriter writer(services, call.show_thinking, call.stream ? &exchange : nullptr);
  Counts counts;
  writer.end(run_prompt(services, *prompt, call.step, writer, exchange.stop(), counts));
  if (!call.stream) return exchange.reply({.body = dump(writer.message())});
  exchange.finish();
}

}  // namespace

void messages(Services& services, const std::shared_ptr<Exchange>& exchange) {
  auto call = std::make_shared<MessagesCall>(read_messages_call(parse_object(exchange->request().body), services));
  call->step.traceparent = traceparent_of(exchange->request());
  std::function<std::string(const ApiError&)> stream_error;
  if (call->stream) {
    stream_error = [exchange](const ApiError& error) {
      return sse(json_from_valid<Json>(error_reply(exchange->request(), error).body), "error");
    };
  }
  submit(
      services, exchange, [&services, exchange, call] { serve_messages(services, *exchange, *call); },
      std::move(stream_error)
  );
}

HttpReply count_message_tokens(Services& services, const HttpRequest& request) {
  const MessagesCall call = read_messages_call(parse_object(request.body), services);
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  return {.body = dump({{"input_tokens", prompt->tokens.size()}})};
}

}  // namespace toccata::server
