// What Chat Completions and Completions answer alike. Source: OpenAI API reference, "The chat completion object" and
// "The completion object".
#pragma once

#include <string>

#include "agent/server/json_fields.h"
#include "agent/server/services.h"

namespace toccata::server {

Json usage_of(const Counts& counts);

// An answer or a chunk without its "choices". id: "chatcmpl-..." or "cmpl-..."; object: what "object" says.
Json head_of(const Services& services, const std::string& id, const char* object);

// Ends an exchange: the whole answer, or what still belongs into its stream. figures: "usage" and what else counts; a stream
// has them only where they were asked for.
void finish_answer(Exchange& exchange, Json head, Json choices, const Json& figures, bool stream, bool include_usage);

// The last bytes of a stream that fails.
std::string chat_stream_error(const ApiError& error);

}  // namespace toccata::server
