// A run as spans, named by OpenTelemetry's conventions for generative AI: one "invoke_agent" for a turn, and in it a
// "chat" for each model call and an "execute_tool" for each tool call. A run that another one makes stands in the same
// trace: a sub-agent's "invoke_agent" below the call that made it, a candidate's below the turn that it may become the
// answer of. What users, models and tools said stays out unless it is asked for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/loop/agent.h"
#include "agent/telemetry/otlp.h"

namespace toccata::telemetry {

struct RunSpansOptions {
  std::string model;
  std::string agent = "toccata";
  bool capture_content = false;  // prompts, answers, arguments and results too
};

// One run at a time, and those that it makes, on its thread. The exporter must outlive it.
//   RunSpans spans(exporter, {.model = model.name()});
//   config.trace = spans.trace();
//   config.on_model_call = [&](const agent::ModelCall& call) { spans.model_call(call); };
//   Agent agent(model, tools, ledger, config, [&](const agent::Event& event) { spans.event(event); view(event); });
class RunSpans {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Clock = std::function<Time()>;
  RunSpans(OtlpExporter& exporter, RunSpansOptions options, Clock clock = std::chrono::system_clock::now);

  // Which the agent is to have: its turns say in it where they belong.
  const std::shared_ptr<agent::Trace>& trace() const { return trace_; }

  void event(const agent::Event& event);
  void model_call(const agent::ModelCall& call);

 private:
  // A turn that is under way.
  struct Turn {
    Span span;
    std::map<std::string, Span> tools = {};  // that run, by item
    std::string final = {};
  };
  // `run`: whose event it is; `made_by`: null for the run that nobody made.
  void take(const agent::Event& event, const std::string& run, Time at, const agent::ChildEvent* made_by);
  Span begin(std::string name, const char* operation, Span::Kind kind, const std::string& run, Time at) const;
  void begin_turn(const agent::TurnStarted& turn, const std::string& run, Time at, const agent::ChildEvent* made_by);
  void begin_tool(const agent::ItemStarted& started, const std::string& run, Time at);
  void end_item(const agent::ItemCompleted& completed, const std::string& run, Time at);
  void end_turn(const std::string& run, Time at, const agent::TokenUsage& usage, const agent::TurnFailed* failed);

  OtlpExporter& exporter_;
  const RunSpansOptions options_;
  const Clock clock_;
  const std::shared_ptr<agent::Trace> trace_ = std::make_shared<agent::Trace>(/*exported=*/true);
  std::string run_id_;                 // of the run that nobody made
  std::map<std::string, Turn> turns_;  // by run
};

}  // namespace toccata::telemetry
