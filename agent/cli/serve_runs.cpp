#include "agent/cli/serve_runs.h"

#include <algorithm>

#include "agent/cli/mcp_setup.h"
#include "agent/cli/session_setup.h"

namespace toccata::cli {
namespace {

// Each holds a sandboxed interpreter and the tokens of its run.
constexpr std::size_t kIdleMax = 8;

}  // namespace

struct ServedRuns::Kept {
  AgentSetup setup;
  agent::EventSink sink;  // of the turn that runs
  std::unique_ptr<agent::Agent> agent;
};

ServedRuns::ServedRuns(AgentOptions options, const Environment& env, ChosenModel model)
    : options_(std::move(options)), env_(env), model_(std::move(model)), trace_(options_, env) {
  std::erase_if(options_.tools, names_mcp);  // whoever may ask a server may not start programs by it
  if (options_.approve != "always") options_.approve = "never";
  (void)set_up(options_, env_, model_);
}

ServedRuns::~ServedRuns() = default;

std::unique_ptr<ServedRuns::Kept> ServedRuns::make(const server::RunOrder& order) {
  AgentOptions options = options_;
  if (!order.reasoning.empty()) options.reasoning = order.reasoning;
  if (order.tools) options.tools = *order.tools;
  auto kept = std::make_unique<Kept>();
  kept->setup = set_up(options, env_, model_);
  AgentSetup& s = kept->setup;
  const agent::EventSink sink = trace_.watch(s.model.model->name(), s.config, [it = kept.get()](const agent::Event& event) { it->sink(event); });
  if (!s.config.trace) s.config.trace = std::make_shared<agent::Trace>(/*exported=*/false);
  kept->agent = std::make_unique<agent::Agent>(*s.model.model, s.tools, *s.ledger, s.config, sink);
  return kept;
}

std::unique_ptr<ServedRuns::Kept> ServedRuns::take(const std::string& run) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const auto& kept) { return kept->agent->run_id() == run; });
  if (run.empty() || found == idle_.end()) return nullptr;
  std::unique_ptr<Kept> kept = std::move(*found);
  idle_.erase(found);
  return kept;
}

void ServedRuns::keep(std::unique_ptr<Kept> kept) {
  std::unique_ptr<Kept> oldest;  // ends behind the lock: its interpreter takes a while
  const std::lock_guard lock(mutex_);
  idle_.push_front(std::move(kept));
  if (idle_.size() <= kIdleMax) return;
  oldest = std::move(idle_.back());
  idle_.pop_back();
}

// Reached by steer() from the moment the run has an id.
class ServedRuns::Working {
 public:
  Working(ServedRuns& runs, agent::Agent& agent) : runs_(runs), agent_(agent) {}
  ~Working() {
    const std::lock_guard lock(runs_.mutex_);
    runs_.working_.erase(id_);
  }
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;
  void name(const std::string& id) {
    if (id.empty() || !id_.empty()) return;
    const std::lock_guard lock(runs_.mutex_);
    id_ = id;
    runs_.working_[id] = &agent_;
  }

 private:
  ServedRuns& runs_;
  agent::Agent& agent_;
  std::string id_;
};

bool ServedRuns::steer(const std::string& id, const std::string& input) {
  const std::lock_guard lock(mutex_);  // held: the agent stays
  const auto found = working_.find(id);
  if (found == working_.end()) return false;
  found->second->steer(input);
  return true;
}

agent::RunOutcome ServedRuns::run(const server::RunOrder& order, const agent::EventSink& sink, std::stop_token stop) {
  std::unique_ptr<Kept> kept = take(order.run);
  const bool fresh = kept == nullptr;
  if (fresh) kept = make(order);
  agent::RunOutcome outcome;
  {
    Working working(*this, *kept->agent);
    kept->setup.config.trace->set_parent(order.traceparent);
    if (!fresh) working.name(order.run);
    kept->sink = [&](const agent::Event& event) {
      if (const auto* started = std::get_if<agent::ThreadStarted>(&event)) working.name(started->thread_id);
      sink(event);
    };
    outcome = fresh && !order.run.empty() ? kept->agent->resume(order.run, order.input, stop) : kept->agent->run(order.input, stop);
    kept->sink = {};
  }
  // Whatever ended otherwise is better read again from the ledger.
  if (outcome.exit_code == 0) keep(std::move(kept));
  return outcome;
}

}  // namespace toccata::cli
