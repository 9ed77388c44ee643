#include "agent/cli/task_host.h"

#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/recording_tool.h"
#include "agent/cli/sandbox_setup.h"
#include "agent/cli/session_setup.h"
#include "core/base/json.h"
#include "tools/files/work_folder.h"

namespace toccata::cli {
namespace {

constexpr std::size_t kFilesMax = 256;                     // of a workspace, kept for assertions
constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;  // of these together

// So that `runs show` tells which task and step a run belongs to.
std::string with_names(const std::string& params, const task::StepOrder& order) {
  auto json = json_from_valid<nlohmann::ordered_json>(params);
  json["task"] = order.task;
  json["step"] = order.step;
  return json_text(json);
}

task::Files workspace_of(sandbox::Session& session) {
  task::Files files;
  auto listed = session.list_files();
  if (!listed) return files;
  std::size_t left = kFileBytesMax;
  for (const sandbox::WorkspaceFile& file : *listed) {
    if (files.size() == kFilesMax || file.size > left) continue;
    Result<std::string> bytes = session.download(file.path);
    if (!bytes || bytes->size() > left) continue;
    left -= bytes->size();
    files[file.path] = std::move(*bytes);
  }
  return files;
}

task::Files workspace_of(const AgentSetup& setup, const task::Files& given) {
  sandbox::Session* const session = setup.slot ? setup.slot->session() : nullptr;
  return session != nullptr ? workspace_of(*session) : given;  // else nobody has touched them
}

template <class To, class From>
void take(To& to, const std::optional<From>& from) {
  if (from) to = static_cast<To>(*from);
}

}  // namespace

AgentOptions TaskHost::options_for(const task::StepOrder& order) const {
  AgentOptions o = options_;
  const task::Settings& s = order.settings;
  if (order.model) o.model = *order.model;
  if (order.is_judge) {
    o.subagents = 0;
    o.best_of = 1;
    o.no_project_notes = true;
    if (!judge_model_.empty()) o.model = judge_model_;
    o.tool_files.clear();
  } else if (s.tool_files) {
    o.tool_files = *s.tool_files;
  }
  if (s.tools) o.tools = *s.tools;
  if (s.reasoning) o.reasoning = *s.reasoning;
  if (order.instructions) o.instructions = *order.instructions;
  if (order.output_schema) o.output_schema = *order.output_schema;
  if (s.temperature) o.temperature = static_cast<float>(*s.temperature);
  if (s.seed) o.seed = static_cast<std::uint64_t>(*s.seed);
  take(o.max_turns, s.max_turns);
  take(o.budget_tokens, s.budget_tokens);
  take(o.max_step_tokens, s.max_step_tokens);
  take(o.max_reasoning_tokens, s.max_reasoning_tokens);
  take(o.subagents, s.subagents);
  take(o.best_of, s.best_of);
  if (s.judge) o.judge = *s.judge;
  take(o.timeout_s, s.timeout_s);
  take(o.max_sandbox_cpu_s, s.max_sandbox_cpu_s);
  return o;
}

ChosenModel TaskHost::model(const AgentOptions& options) {
  const std::scoped_lock lock(mutex_);
  const auto known = models_.find(options.model);
  if (known != models_.end()) return known->second;
  return models_[options.model] = choose_model(options.model, {options.device, options.precision, options.kv, options.prefix_cache_mib, options.prefix_folder}, options.offline, env_);
}

task::StepEnd TaskHost::run_step(const task::StepOrder& order, std::stop_token stop) {
  task::StepEnd end;
  const AgentOptions options = options_for(order);
  try {
    std::vector<std::unique_ptr<tools::Tool>> more;
    const RecordingTool* recorder = nullptr;
    if (order.functions.is_array() && !order.functions.empty()) {
      auto tool = std::make_unique<RecordingTool>(order.functions);
      recorder = tool.get();
      more.push_back(std::move(tool));
    }
    AgentSetup setup = set_up(options, env_, model(options), std::move(more));
    if (setup.slot) setup.slot->add_files(order.files);
    setup.config.params = with_names(setup.config.params, order);
    agent::EventSink sink;
    if (sink_) sink = [&](const agent::Event& event) { sink_(order.step, event); };
    sink = trace_.watch(setup.model.model->name(), setup.config, std::move(sink));
    agent::Agent agent(*setup.model.model, setup.tools, *setup.ledger, setup.config, sink);
    const agent::RunOutcome outcome = with_answers_used(agent.run(order.prompt, stop), setup);
    end.exit_code = outcome.exit_code;
    end.reason = outcome.terminal_reason;
    end.message = outcome.message;
    end.final = outcome.final;
    end.run_id = outcome.run_id;
    const agent::Usage usage = agent.session_usage();
    end.tokens = usage.prefilled + usage.decoded;
    if (recorder != nullptr) end.calls = recorder->calls();
    if (order.keep_files) end.files = workspace_of(setup, order.files);
  } catch (const ModelError& e) {
    end.exit_code = kExitModel;
    end.reason = "model_error";
    end.message = e.what();
  } catch (const Exception& e) {
    end.exit_code = exit_code(e.code());
    end.reason = to_string(e.code());
    end.message = e.what();
  }
  return end;
}

task::CheckEnd TaskHost::run_check(const task::CheckOrder& order, std::stop_token stop) {
  sandbox::Sandbox* sandbox = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (!checks_) checks_ = std::make_unique<sandbox::Sandbox>(make_sandbox(options_, env_));
    sandbox = checks_.get();
  }
  const auto session = sandbox->open().value_or_throw();
  for (const auto& [path, bytes] : order.context) session->upload(path, bytes).value_or_throw();
  for (const auto& [path, bytes] : order.files) {
    // What cannot be put there is missing for the check, which is the author's to notice.
    if (const Result<void> put = session->upload(path, bytes); !put) continue;
  }
  const auto timeout = std::chrono::milliseconds(static_cast<std::int64_t>(order.timeout_s * 1000));
  const sandbox::Outcome outcome = session->execute(order.code, timeout, stop);
  task::CheckEnd end{outcome.status == sandbox::Status::kOk, outcome.output, {}};
  if (end.output == sandbox::kNoOutput) end.output.clear();
  if (order.keep_files) end.files = workspace_of(*session);
  return end;
}

Result<std::string> TaskHost::keep_artifact(const std::string& folder, const std::string& name, const std::string& bytes) {
  std::error_code failure;
  std::filesystem::create_directories(artifacts_, failure);
  Result<tools::WorkFolder> kept = tools::WorkFolder::open(artifacts_);
  if (!kept) return kept.error();
  // Names are a model's: they stay beneath the folder whatever they are.
  if (const Result<void> written = kept->write(folder + "/" + name, bytes); !written) return written.error();
  return (artifacts_ / folder / name).string();
}

Result<std::string> TaskHost::read_file(const std::string& path) {
  Result<tools::WorkFolder> folder = tools::WorkFolder::open(options_.workspace);
  if (!folder) return folder.error();
  return folder->read(path);
}

}  // namespace toccata::cli
