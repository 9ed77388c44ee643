#include "agent/server/token_api.h"

#include "agent/server/json_fields.h"

namespace toccata::server {
namespace {

// The oldest Ollama that clients accept for the Responses API.
constexpr const char* kOllamaVersion = "0.13.4";

Json model_json(const Services& services) {
  const auto& capabilities = services.model.capabilities();
  return {
      {"id", services.options.model_id},
      {"object", "model"},
      {"created", 0},
      {"owned_by", "toccata"},
      {"max_model_len", capabilities.n_context},
      {"meta", {{"n_ctx_train", capabilities.n_context}, {"n_vocab", capabilities.n_vocab}}}};
}

}  // namespace

HttpReply list_models(Services& services, const HttpRequest&) {
  return {.body = dump({{"object", "list"}, {"data", Json::array({model_json(services)})}})};
}

HttpReply one_model(Services& services, const HttpRequest& request) {
  const std::string id = request.path.substr(std::string("/v1/models/").size());
  if (id != services.options.model_id) {
    throw ApiError(404, "the model '" + id + "' is not served here; served: " + services.options.model_id, "model_not_found", "model");
  }
  return {.body = dump(model_json(services))};
}

HttpReply tokenize(Services& services, const HttpRequest& request) {
  const Json body = parse_object(request.body);
  auto text = string_field(body, "content");
  if (!text) text = string_field(body, "prompt");
  if (!text) throw ApiError::bad("content", "'content' (or 'prompt') is missing");
  const bool special = bool_field(body, "add_special", false) || bool_field(body, "parse_special", false);
  const Tokens tokens = services.renderer.tokenizer().encode(
      *text, special ? tokenizer::Specials::kAll : tokenizer::Specials::kNone
  );
  return {.body = dump({{"tokens", tokens}, {"count", tokens.size()}, {"max_model_len", services.model.capabilities().n_context}})};
}

HttpReply detokenize(Services& services, const HttpRequest& request) {
  const Json body = parse_object(request.body);
  const Json* list = array_field(body, "tokens");
  if (list == nullptr) throw ApiError::bad("tokens", "'tokens' is missing; expected an array of ids");
  Tokens tokens;
  for (const Json& id : *list) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() > INT32_MAX) {
      throw ApiError::bad("tokens", "a token id must be a non-negative integer");
    }
    tokens.push_back(id.get<Token>());
  }
  const auto bytes = services.renderer.tokenizer().decode_bytes(tokens);
  if (!bytes) throw ApiError::bad("tokens", bytes.error().message);
  const std::string text = tokenizer::to_valid_utf8(*bytes);
  return {.body = dump({{"content", text}, {"prompt", text}})};
}

HttpReply ollama_version(Services&, const HttpRequest&) {
  return {.body = dump({{"version", kOllamaVersion}})};
}

HttpReply ollama_tags(Services& services, const HttpRequest&) {
  const std::string& id = services.options.model_id;
  return {.body = dump({{"models", Json::array({{{"name", id}, {"model", id}, {"size", 0}, {"details", {{"family", "gptoss"}}}}})}})};
}

HttpReply ollama_show(Services& services, const HttpRequest&) {
  return {.body = dump(
              {{"details", {{"family", "gptoss"}}},
               {"model_info", {{"gptoss.context_length", services.model.capabilities().n_context}}},
               {"capabilities", Json::array({"completion", "tools", "thinking"})}}
          )};
}

}  // namespace toccata::server
