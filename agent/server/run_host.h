// What the server needs to run agents: the program implements it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/loop/agent.h"
#include "agent/loop/events.h"

namespace toccata::server {

struct RunOrder {
  std::string input;      // the user's message
  std::string run;        // id of a recorded run to go on with; empty: a new one
  std::string reasoning;  // "low", "medium", "high"; empty: as configured
  // Of those of tools(), what the model may call; of a run that goes on, those that it began with. None: all.
  std::optional<std::vector<std::string>> tools = {};
  std::string traceparent = {};  // W3C trace context that the turn belongs to; "" = one of its own
};

// Any thread, several at once.
class RunHost {
 public:
  virtual ~RunHost() = default;
  // Names of what the model may call.
  virtual std::vector<std::string> tools() const = 0;
  // One turn of an agent with its own tools, recorded in the ledger; returns when it has ended. Throws Exception where
  // no run can begin: no sandbox, no ledger.
  virtual agent::RunOutcome run(const RunOrder& order, const agent::EventSink& sink, std::stop_token stop) = 0;
  // What the user says while a turn of run `id` is under way; the model reads it before its next call. False when none is.
  virtual bool steer(const std::string& id, const std::string& input) = 0;
};

}  // namespace toccata::server
