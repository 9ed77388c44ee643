// Toccata's own routes: what earlier runs did, from the ledger, and new runs of the agent.
//   GET  /v1/toccata/status            what this server offers its page
//   GET  /v1/toccata/runs              newest first; ?limit=1..100&after=ID
//   GET  /v1/toccata/runs/{id}         one run: steps, messages, calls, notes
//   GET  /v1/toccata/runs/{id}/tokens  its token log with the text of each token; ?offset=N&limit=1..8192
//   POST /v1/toccata/runs/{id}/fork    {step}: a new run that begins as this one did; {id}
//   POST /v1/toccata/runs/{id}/steer   {input}: said to a run while it is under way, before its next model call
//   POST /v1/toccata/runs              {input, run?, reasoning?}: the events of `toccata run --json`, server-sent
// A page of another origin gets none of it, whatever --cors-origin allows: a ledger is its owner's diary.
#pragma once

#include <memory>

#include "agent/server/services.h"

namespace toccata::server {

constexpr std::string_view kRunsPath = "/v1/toccata/runs";

HttpReply server_status(Services& services, const HttpRequest& request);
// {"n_layers", "n_experts", "tokens": [[n of each expert] of each layer]}; null where the model does not tell.
HttpReply expert_load(Services& services, const HttpRequest& request);
// GET and POST of kRunsPath and all below it.
void runs(Services& services, const std::shared_ptr<Exchange>& exchange);

}  // namespace toccata::server
