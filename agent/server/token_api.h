// Models, tokens, and the few probes of Ollama's API that clients send before they talk OpenAI's.
#pragma once

#include "agent/server/services.h"

namespace toccata::server {

HttpReply list_models(Services& services, const HttpRequest& request);
HttpReply one_model(Services& services, const HttpRequest& request);
// {"content" | "prompt": text, "add_special": false} -> {"tokens", "count"}
HttpReply tokenize(Services& services, const HttpRequest& request);
// {"tokens"} -> {"content"}
HttpReply detokenize(Services& services, const HttpRequest& request);
HttpReply ollama_version(Services& services, const HttpRequest& request);
HttpReply ollama_tags(Services& services, const HttpRequest& request);
HttpReply ollama_show(Services& services, const HttpRequest& request);

}  // namespace toccata::server
