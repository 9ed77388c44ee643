// The body of POST /v1/responses. Only for the .cpp files of this folder.
#pragma once

#include <string>
#include <vector>

#include "agent/server/conversation.h"
#include "agent/server/generation.h"
#include "agent/server/json_fields.h"
#include "agent/server/response_store.h"
#include "agent/server/response_writer.h"
#include "agent/server/services.h"

namespace toccata::server {

struct ResponsesCall {
  ChatRequest request;
  StepOptions step;
  WriterOptions writer;
  Json response;                // the object of response.created, with a fresh id
  std::vector<ItemText> input;  // all that the model is given: the history of `previous_response_id`, then `input`
  bool stream = false, store = true, background = false;
};

// Throws ApiError: a field of a wrong type, an item without what it needs, an unknown previous response, and what this
// server cannot honour (strict JSON schemas, images, conversations, prompt templates). Unknown fields and tools of
// types that run elsewhere are left out.
ResponsesCall read_responses(const Json& body, const Services& services);

}  // namespace toccata::server
