#include <iostream>
#include <iterator>

#include "agent/cli/agent_session.h"
#include "agent/cli/verbs.h"

namespace toccata::cli {
namespace {

std::string task_text(const std::string& argument) {
  if (argument != "-") return argument;
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

int run_verb(const RunOptions& options, const Environment& env) {
  const std::string task = task_text(options.task);
  if (!options.resume.empty()) {
    RunsResumeOptions resume{options.agent, options.given, options.resume, std::nullopt};
    if (!task.empty()) resume.message = task;
    return runs_resume_verb(resume, env);
  }
  if (task.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, "the task is empty: toccata run \"what to do\"");
  }
  return with_agent(options.agent, env, [&](agent::Agent& agent, std::stop_token stop) {
    return agent.run(task, stop);
  });
}

}  // namespace toccata::cli
