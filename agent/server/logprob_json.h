// A token's log-probability as the APIs of OpenAI write it, with those of the likeliest in its place.
#pragma once

#include "agent/server/generation.h"
#include "agent/server/json_fields.h"

namespace toccata::server {

inline Json logprob_json(const TokenLogprob& token, bool is_top = false) {
  Json bytes = Json::array();
  for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
  Json json = {{"token", token.bytes}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
  if (is_top) return json;
  json["top_logprobs"] = Json::array();
  for (const TokenLogprob& likely : token.top) json["top_logprobs"].push_back(logprob_json(likely, true));
  return json;
}

}  // namespace toccata::server
