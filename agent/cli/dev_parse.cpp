#include "agent/cli/dev_parse.h"

#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "agent/harmony/arguments.h"
#include "agent/harmony/header.h"
#include "agent/harmony/parser.h"
#include "agent/harmony/wire.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;
using harmony::MessageDone;

Tokens request_tokens(const tokenizer::Tokenizer& tokenizer, const ordered_json& request) {
  if (const auto ids = request.find("tokens"); ids != request.end()) {
    if (!ids->is_array()) throw Exception(ErrorCode::kInvalidArgument, "'tokens' is not a list");
    Tokens tokens;
    for (const ordered_json& id : *ids) {
      if (!id.is_number_integer()) throw Exception(ErrorCode::kInvalidArgument, "a token is not a number");
      const auto wide = id.get<std::int64_t>();
      // Ids of no vocabulary stay unknown ids.
      tokens.push_back(wide < 0 || wide > INT32_MAX ? INT32_MAX : static_cast<Token>(wide));
    }
    return tokens;
  }
  const auto text = request.find("text");
  if (text == request.end() || !text->is_string()) {
    throw Exception(ErrorCode::kInvalidArgument, "expected 'tokens' or 'text'");
  }
  return tokenizer.encode(text->get<std::string>(), tokenizer::Specials::kAll);
}

harmony::ParserOptions parser_options(const ordered_json& request, bool strict) {
  harmony::ParserOptions options;
  options.strict = strict;
  const auto role = request.find("role");
  options.role.reset();
  if (role != request.end() && role->is_string()) {
    options.role = harmony::role_from_string(role->get<std::string>());
    if (!options.role) throw Exception(ErrorCode::kInvalidArgument, "Unknown role: " + role->get<std::string>());
  }
  if (const auto tools = request.find("tools"); tools != request.end() && tools->is_array()) {
    for (const ordered_json& name : *tools) options.tools.push_back(name.get<std::string>());
  }
  return options;
}

const char* end_name(const harmony::ControlTokens& control, const Tokens& tokens) {
  if (tokens.empty()) return "none";
  if (tokens.back() == control.return_) return "return";
  if (tokens.back() == control.call) return "call";
  if (tokens.back() == control.end) return "end";
  if (tokens.back() == control.endoftext) return "endoftext";
  return "none";
}

// A call that was cut off must not be run: one that ended at no stop token and is no whole JSON, or JSON that does
// not parse.
bool incomplete(const MessageDone& done) {
  const harmony::Message& m = done.message;
  if (m.role != harmony::Role::kAssistant || !m.recipient) return false;
  const std::string body = m.text();
  const bool whole = is_json(body) || harmony::json_arguments(*m.recipient, body).ok();
  if (done.end == MessageDone::End::kEos) return body.empty() || !whole;
  if (done.end == MessageDone::End::kImplied) return true;
  const bool is_json = m.content_type && m.content_type->find("json") != std::string::npos;
  return is_json && !whole;
}

ordered_json calls_json(const harmony::Projection& projection) {
  ordered_json list = ordered_json::array();
  for (const harmony::CallRequest& call : projection.calls) {
    list.push_back({{"name", call.recipient}, {"arguments", call.arguments}});
  }
  return list;
}

ordered_json projection_json(const std::vector<harmony::Message>& messages, const std::vector<std::string>& tools) {
  const harmony::Projection raw = harmony::project(messages, {});
  harmony::Projection resolved = harmony::project(messages, tools);
  for (harmony::CallRequest& call : resolved.calls) {
    call.recipient = harmony::clean_name(call.recipient);
    while (call.recipient.rfind("functions.", 0) == 0) call.recipient.erase(0, 10);
  }
  return {
      {"reasoning", raw.reasoning},
      {"preamble", raw.preamble},
      {"final", raw.final},
      {"tool_calls", calls_json(raw)},
      {"tool_calls_resolved", calls_json(resolved)}};
}

struct Collected {
  ordered_json deltas = ordered_json::array();
  ordered_json warnings = ordered_json::array();
  bool incomplete_call = false;

  void take(const std::vector<harmony::ParseEvent>& events) {
    for (const harmony::ParseEvent& event : events) {
      if (const auto* delta = std::get_if<harmony::ContentDelta>(&event)) deltas.push_back(delta->text);
      if (const auto* done = std::get_if<MessageDone>(&event)) incomplete_call = incomplete(*done);
      if (const auto* warning = std::get_if<harmony::Warning>(&event)) {
        warnings.push_back({{"position", warning->position}, {"what", warning->what}});
      }
    }
  }
};

ordered_json parse(const harmony::Renderer& renderer, const ordered_json& request, bool strict) {
  const Tokens tokens = request_tokens(renderer.tokenizer(), request);
  const harmony::ParserOptions options = parser_options(request, strict);
  harmony::Parser parser(renderer, options);
  Collected collected;
  for (const Token token : tokens) collected.take(parser.push(token).value_or_throw());
  if (request.value("eos", true)) collected.take(parser.finish().value_or_throw());
  ordered_json messages = ordered_json::array();
  for (const harmony::Message& message : parser.messages()) messages.push_back(harmony::to_json(message));
  return {
      {"messages", messages},
      {"projection", projection_json(parser.messages(), options.tools)},
      {"deltas", collected.deltas},
      {"warnings", collected.warnings},
      {"end", end_name(renderer.control(), tokens)},
      {"incomplete_call", collected.incomplete_call}};
}

}  // namespace

int dev_parse(const DevParseOptions& options, std::istream& in, std::ostream& out) {
  const auto renderer = harmony::Renderer::make(tokenizer::Tokenizer::o200k_harmony()).value_or_throw();
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    return parse(renderer, request, options.strict);
  });
}

}  // namespace toccata::cli
