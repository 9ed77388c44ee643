#include "agent/task/plan.h"

#include <algorithm>
#include <set>

namespace toccata::task {
namespace {

template <class T>
void add(std::vector<Reference>& to, const T& from) {
  const auto& references = from.references();
  to.insert(to.end(), references.begin(), references.end());
}
}  // namespace

std::vector<Reference> references_of(const Assertion& assertion) {
  std::vector<Reference> all;
  if (assertion.subject) add(all, *assertion.subject);
  if (assertion.that) add(all, *assertion.that);
  if (assertion.path) add(all, *assertion.path);
  if (assertion.judge) {
    add(all, assertion.judge->wording);
    if (assertion.judge->model) add(all, *assertion.judge->model);
  }
  add(all, assertion.expected);
  for (const Assertion& inner : assertion.content) {
    const auto found = references_of(inner);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

std::vector<Reference> references_of(const Step& step) {
  std::vector<Reference> all;
  add(all, step.prompt);
  if (step.instructions) add(all, *step.instructions);
  if (step.condition) add(all, *step.condition);
  if (step.functions) add(all, *step.functions);
  if (step.foreach) add(all, *step.foreach);
  if (step.until) add(all, step.until->that);
  if (step.settings.model) add(all, *step.settings.model);
  for (const Assertion& assertion : step.assertions) {
    const auto found = references_of(assertion);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

std::vector<std::string> comes_after(const Task& task, const Step& step) {
  std::set<std::string> before(step.needs.begin(), step.needs.end());
  for (const Reference& reference : references_of(step)) {
    if (reference.size() > 1 && reference[0] == "steps") before.insert(reference[1]);
  }
  std::vector<std::string> ordered;
  for (const Step& other : task.steps) {
    if (before.contains(other.id)) ordered.push_back(other.id);
  }
  return ordered;
}

Result<std::vector<std::size_t>> order_steps(const Task& task) {
  std::vector<std::size_t> order;
  std::set<std::string> done;
  while (order.size() < task.steps.size()) {
    const std::size_t before = order.size();
    for (std::size_t i = 0; i < task.steps.size() && order.size() == before; ++i) {
      const Step& step = task.steps[i];
      if (done.contains(step.id)) continue;
      const auto needed = comes_after(task, step);
      if (!std::all_of(needed.begin(), needed.end(), [&](const std::string& id) { return done.contains(id); })) continue;
      order.push_back(i);
      done.insert(step.id);
    }
    if (order.size() > before) continue;
    // Whoever is left waits for somebody who is left: following that leads into a circle.
    const auto left = [&](const std::string& id) { return !done.contains(id); };
    const Step* at = &*std::find_if(task.steps.begin(), task.steps.end(), [&](const Step& s) { return left(s.id); });
    std::vector<std::string> walked;
    while (std::find(walked.begin(), walked.end(), at->id) == walked.end()) {
      walked.push_back(at->id);
      const auto needed = comes_after(task, *at);
      at = task.find(*std::find_if(needed.begin(), needed.end(), left));
    }
    std::string circle;
    for (auto id = std::find(walked.begin(), walked.end(), at->id); id != walked.end(); ++id) circle += *id + " -> ";
    const std::string what = "found steps that wait for each other, " + circle + at->id + ", expected an order";
    return Error{ErrorCode::kInvalidArgument, Problem{at->place, what}.text()};
  }
  return order;
}

}  // namespace toccata::task
