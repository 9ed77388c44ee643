// Where the spans of this program's runs go, when somebody asked for them: --otlp, or the variables of OpenTelemetry.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "agent/loop/agent.h"
#include "agent/telemetry/otlp.h"

namespace toccata::cli {

// One for the program. Any number of agents may be watched, on threads of their own.
class RunTrace {
 public:
  // Throws Exception(kInvalidArgument) for a bad --otlp; bad variables cost a warning and the spans, never the run.
  RunTrace(const AgentOptions& options, const Environment& env);
  // Says on stderr what was lost, unless the program is to be quiet.
  ~RunTrace();
  RunTrace(const RunTrace&) = delete;
  RunTrace& operator=(const RunTrace&) = delete;

  // Before an agent is made of `config`: its model calls are told, its requests name its trace, which goes on from TRACEPARENT, and
  // the sink returned is to get its events. It passes them on to `sink`, which may be empty.
  agent::EventSink watch(const std::string& model, agent::AgentConfig& config, agent::EventSink sink);

 private:
  const std::string parent_;  // the traceparent that this program was started with
  std::unique_ptr<telemetry::OtlpExporter> exporter_;  // null: nobody asked
  bool capture_content_ = false;
  bool quiet_ = false;
};

}  // namespace toccata::cli
