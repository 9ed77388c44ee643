#include "agent/loop/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <utility>

#include "agent/loop/trust.h"

namespace toccata::agent {
namespace {

using store::SegmentKind;

// What the recording says of each recipient and body, in order. Shared by the tools of one registry.
using Recording = std::map<std::pair<std::string, std::string>, std::queue<store::CallResult>>;

class RecordedTool final : public tools::Tool {
 public:
  RecordedTool(tools::ToolSpec spec, std::shared_ptr<Recording> recording)
      : spec_(std::move(spec)), recording_(std::move(recording)) {
    spec_.effect = tools::Effect::kPure;  // nothing happens
    spec_.needs_approval = false;
    spec_.concurrent = false;  // answers are given out once, in order
    spec_.stateful = false;
  }
  const tools::ToolSpec& spec() const override { return spec_; }

  tools::ToolResult call(const tools::ToolCall& call, std::stop_token) override {
    auto& results = (*recording_)[{call.recipient, call.arguments}];
    if (results.empty()) {
      return {
          tools::ToolStatus::kStopsRun,
          call.recipient,
          "The recording has no further call to " + call.recipient +
              " with these arguments: the run took another way here.",
          "{}"};
    }
    const store::CallResult result = std::move(results.front());
    results.pop();
    tools::ToolStatus status = tools::ToolStatus::kFailed;
    if (result.status == "ok") status = tools::ToolStatus::kOk;
    if (result.status == "stops_run") status = tools::ToolStatus::kStopsRun;
    return {status, result.author, result.content, result.metadata, provenance_in(result.metadata)};
  }

 private:
  tools::ToolSpec spec_;
  std::shared_ptr<Recording> recording_;
};

Result<void> sample_again(
    TokenSession& session,
    const store::Segment& segment,
    const SamplingParams& sampling,
    std::optional<harmony::Constraint>& constraint,
    const std::stop_token& stop,
    ReplayReport& report
) {
  for (const Token recorded : segment.tokens) {
    const std::int64_t position = session.n_tokens();
    Result<Sampled> sampled = session.sample(sampling, constraint ? constraint->mask() : std::nullopt, stop);
    if (!sampled) return sampled.error();
    if (constraint) constraint->observe(recorded);
    ++report.n_compared;
    if (sampled->token != recorded) {
      report.divergence = Divergence{segment.step, position, recorded, sampled->token};
      return {};
    }
  }
  return {};
}

}  // namespace

Result<ReplayReport> replay_tokens(
    TokenModel& model,
    const store::RunRecord& run,
    const SamplingParams& sampling,
    std::shared_ptr<const harmony::ConstraintPlan> plan,
    std::stop_token stop
) {
  std::optional<harmony::Constraint> constraint;
  if (plan) constraint.emplace(std::move(plan));
  Result<std::unique_ptr<TokenSession>> opened = model.open_session();
  if (!opened) return opened.error();
  ReplayReport report;
  Tokens log;  // as it stands at each segment
  report.n_tokens = std::ssize(run.timeline());
  for (const store::Segment& segment : run.segments) {
    Result<void> done;
    if (segment.kind == SegmentKind::kRollback) {
      log.resize(log.size() - std::min(log.size(), segment.tokens.size()));
      done = (*opened)->rollback(Checkpoint{std::ssize(log), 0});
      if (!done) {  // too far back for this model: it reads what is left again
        opened = model.open_session();
        if (!opened) return opened.error();
        done = (*opened)->append(log);
      }
    } else if (segment.kind == SegmentKind::kSampled) {
      done = sample_again(**opened, segment, sampling, constraint, stop, report);
    } else {
      done = (*opened)->append(segment.tokens);
      for (const Token token : segment.tokens) {
        if (constraint) constraint->observe(token);
      }
    }
    if (!done) return done.error();
    if (segment.kind != SegmentKind::kRollback) {
      log.insert(log.end(), segment.tokens.begin(), segment.tokens.end());
    }
    if (report.divergence) break;
  }
  return report;
}

tools::Registry recorded_tools(const tools::Registry& tools, const store::RunRecord& run) {
  auto recording = std::make_shared<Recording>();
  for (const store::CallRow& call : run.calls) {
    const bool ran = call.result && (call.result->status == "ok" || call.result->status == "failed" ||
                                     call.result->status == "stops_run");
    if (ran) (*recording)[{call.intent.recipient, call.intent.arguments}].push(*call.result);
  }
  tools::Registry registry;
  for (const auto& tool : tools.tools()) {
    registry.add(std::make_unique<RecordedTool>(tool->spec(), recording));
  }
  return registry;
}

}  // namespace toccata::agent
