#include "agent/server/chat_objects.h"

#include "core/base/calendar.h"
#include "core/base/json.h"

namespace toccata::server {

Json usage_of(const Counts& counts) {
  return {
      {"prompt_tokens", counts.prompt},
      {"completion_tokens", counts.output},
      {"total_tokens", counts.prompt + counts.output},
      {"prompt_tokens_details", {{"cached_tokens", counts.cached}}},
      {"completion_tokens_details", {{"reasoning_tokens", counts.reasoning}}}};
}

Json head_of(const Services& services, const std::string& id, const char* object) {
  return {
      {"id", id},
      {"object", object},
      {"created", unix_time()},
      {"model", services.options.model_id},
      {"system_fingerprint", "toccata-" + services.model.name()}};
}

void finish_answer(Exchange& exchange, Json head, Json choices, const Json& figures, bool stream, bool include_usage) {
  head["choices"] = stream ? Json::array() : std::move(choices);
  head.update(figures);
  if (!stream) return exchange.reply({.status = 200, .body = dump(head)});
  if (include_usage) exchange.send(sse(head));
  exchange.send("data: [DONE]\n\n");
  exchange.finish();
}

std::string chat_stream_error(const ApiError& error) {
  return sse({{"error",
               {{"message", error.what()},
                {"type", error_type(error.status)},
                {"param", nullptr},
                {"code", error.code.empty() ? Json(nullptr) : Json(error.code)}}}}) +
         "data: [DONE]\n\n";
}

}  // namespace toccata::server
