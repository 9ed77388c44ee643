#include "agent/cli/dev_render.h"

#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "agent/harmony/renderer.h"
#include "agent/harmony/wire.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;

const ordered_json& field(const ordered_json& request, const char* key) {
  const auto it = request.find(key);
  if (it == request.end()) {
    throw Exception(ErrorCode::kInvalidArgument, std::string("the request has no '") + key + "'");
  }
  return *it;
}

bool flag(const ordered_json& request, const char* group, const char* key, bool fallback) {
  const auto it = request.find(group);
  if (it == request.end() || !it->is_object()) return fallback;
  return it->value(key, fallback);
}

harmony::Role next_role(const ordered_json& request) {
  const std::string name = request.value("next_role", "assistant");
  const auto role = harmony::role_from_string(name);
  if (!role) throw Exception(ErrorCode::kInvalidArgument, "Unknown role: " + name);
  return *role;
}

Tokens render(const harmony::Renderer& renderer, const ordered_json& request) {
  const std::string mode = request.value("mode", "conversation");
  if (mode == "message") {
    const bool functions = flag(request, "render_options", "conversation_has_function_tools", false);
    return renderer.message(harmony::message_from_json(field(request, "message")).value_or_throw(), functions)
        .value_or_throw();
  }
  const auto conversation = harmony::conversation_from_json(field(request, "conversation")).value_or_throw();
  harmony::RenderConfig config;
  config.drop = flag(request, "config", "auto_drop_analysis", true) ? harmony::DropRule::kReference
                                                                    : harmony::DropRule::kNone;
  if (mode == "completion") {
    return renderer.completion(conversation, next_role(request), config).value_or_throw();
  }
  if (mode == "training") return renderer.training(conversation, config).value_or_throw();
  if (mode == "conversation") return renderer.conversation(conversation, config).value_or_throw();
  throw Exception(
      ErrorCode::kInvalidArgument,
      "mode '" + mode + "', expected completion, conversation, training or message"
  );
}

}  // namespace

int dev_render(const DevRenderOptions&, std::istream& in, std::ostream& out) {
  const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
  const auto renderer = harmony::Renderer::make(tokenizer).value_or_throw();
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    const Tokens tokens = render(renderer, request);
    return ordered_json{{"text", tokenizer->decode_bytes(tokens).value_or_throw()}, {"tokens", tokens}};
  });
}

}  // namespace toccata::cli
