// A run as spans, named by OpenTelemetry's conventions for generative AI: one "invoke_agent" for a turn, and in it a
// "chat" for each model call and an "execute_tool" for each tool call. What users, models and tools said stays out unless
// it is asked for.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/loop/agent.h"
#include "agent/telemetry/otlp.h"

namespace toccata::telemetry {

struct RunSpansOptions {
  std::string model;
  std::string agent = "toccata";
  bool capture_content = false;  // prompts, answers, arguments and results too
};

// One run at a time, on its thread. The exporter must outlive it.
//   RunSpans spans(exporter, {.model = model.name()});
//   config.on_model_call = [&](const agent::ModelCall& call) { spans.model_call(call); };
//   Agent agent(model, tools, ledger, config, [&](const agent::Event& event) { spans.event(event); view(event); });
class RunSpans {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;
  RunSpans(OtlpExporter& exporter, RunSpansOptions options, Clock clock = std::chrono::system_clock::now);

  void event(const agent::Event& event);
  void model_call(const agent::ModelCall& call);

 private:
  Span begin(std::string name, const char* operation, Span::Kind kind) const;
  void begin_turn(const agent::TurnStarted& turn);
  void begin_tool(const agent::Item& item);
  void end_item(const agent::Item& item);
  void end_turn(const agent::TokenUsage& usage, const agent::TurnFailed* failed);

  OtlpExporter& exporter_;
  const RunSpansOptions options_;
  const Clock clock_;
  std::string run_id_;
  Span turn_;                         // no name: none is open
  std::map<std::string, Span> tools_;  // that run, by item
  std::string final_;
};

}  // namespace toccata::telemetry
