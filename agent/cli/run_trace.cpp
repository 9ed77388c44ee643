#include "agent/cli/run_trace.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "agent/cli/version.h"
#include "agent/telemetry/run_spans.h"
#include "tools/web/web_url.h"

namespace toccata::cli {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string lower_variable(const Environment& env, const char* name) { return lower(env.variable(name).value_or("")); }

// The address, of the flag or of the variables; empty: nobody asked.
std::string endpoint(const AgentOptions& options, const Environment& env) {
  if (!options.otlp.empty()) return telemetry::traces_url(options.otlp).value_or_throw();
  if (lower_variable(env, "OTEL_SDK_DISABLED") == "true" || lower_variable(env, "OTEL_TRACES_EXPORTER") == "none") return {};
  if (const auto whole = env.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) {
    (void)telemetry::traces_url(*whole).value_or_throw();  // an address at all; it is used as it is
    return *whole;
  }
  const auto base = env.variable("OTEL_EXPORTER_OTLP_ENDPOINT");
  return base ? telemetry::traces_url(*base).value_or_throw() : std::string();
}

telemetry::Attributes resource(const Environment& env) {
  telemetry::Attributes all;
  if (const auto more = env.variable("OTEL_RESOURCE_ATTRIBUTES")) {
    for (const auto& [key, value] : telemetry::parse_pairs(*more).value_or_throw()) all.emplace_back(key, value);
  }
  const auto add = [&](const char* key, const std::string& value, bool wins) {
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.first == key; });
    if (known == all.end()) {
      all.emplace_back(key, value);
    } else if (wins) {
      known->second = value;
    }
  };
  const auto name = env.variable("OTEL_SERVICE_NAME");
  add("service.name", name.value_or("toccata"), name.has_value());
  add("service.version", kVersion, false);
  return all;
}

telemetry::OtlpOptions exporter_options(const std::string& url, const Environment& env) {
  telemetry::OtlpOptions options{.url = url};
  auto headers = env.variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
  if (!headers) headers = env.variable("OTEL_EXPORTER_OTLP_HEADERS");
  if (headers) options.headers = telemetry::parse_pairs(*headers).value_or_throw();
  const std::string timeout = env.variable("OTEL_EXPORTER_OTLP_TIMEOUT").value_or("");
  const bool number = !timeout.empty() && timeout.size() < 8 && timeout.find_first_not_of("0123456789") == std::string::npos;
  if (number) options.timeout = std::chrono::milliseconds(std::max(1, std::stoi(timeout)));
  options.resource = resource(env);
  return options;
}

}  // namespace

RunTrace::RunTrace(const AgentOptions& options, const Environment& env)
    : parent_(env.variable("TRACEPARENT").value_or("")), quiet_(options.quiet) {
  std::string problem;
  try {
    const std::string url = endpoint(options, env);
    if (url.empty()) return;
    if (options.offline && !tools::is_this_machine(tools::parse_web_url(url).value_or_throw())) {
      throw Exception(ErrorCode::kUnavailable, "--offline forbids the trace collector at " + url);
    }
    exporter_ = std::make_unique<telemetry::OtlpExporter>(exporter_options(url, env));
  } catch (const Exception& failure) {
    if (!options.otlp.empty()) throw;
    if (!quiet_) std::fprintf(stderr, "toccata: no traces are sent: %s\n", failure.what());
  }
  const std::string capture = lower_variable(env, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT");
  capture_content_ = capture == "true" || capture == "1" || capture == "span_only" || capture == "span_and_event";
}

RunTrace::~RunTrace() {
  if (!exporter_) return;
  const telemetry::Delivery told = exporter_->finish();
  const auto n_lost = told.n_rejected + told.n_dropped;
  if (quiet_ || (n_lost == 0 && told.problem.empty())) return;
  std::fprintf(
      stderr, "toccata: %lld of %lld spans did not reach the trace collector: %s\n", static_cast<long long>(n_lost),
      static_cast<long long>(n_lost + told.n_taken), told.problem.c_str()
  );
}

agent::EventSink RunTrace::watch(const std::string& model, agent::AgentConfig& config, agent::EventSink sink) {
  if (!exporter_) {
    // The spans of others, which requests of this run are below.
    if (parent_.empty()) return sink;
    config.trace = std::make_shared<agent::Trace>(/*exported=*/false);
    config.trace->set_parent(parent_);
    return sink;
  }
  const auto spans = std::make_shared<telemetry::RunSpans>(
      *exporter_, telemetry::RunSpansOptions{.model = model, .capture_content = capture_content_}
  );
  spans->trace()->set_parent(parent_);
  config.trace = spans->trace();
  config.on_model_call = [spans](const agent::ModelCall& call) { spans->model_call(call); };
  return [spans, sink = std::move(sink)](const agent::Event& event) {
    spans->event(event);
    if (sink) sink(event);
  };
}

}  // namespace toccata::cli
