// An agent with everything it needs, wired as the command line wires it.
#include <pybind11/stl.h>

#include <nlohmann/json.hpp>

#include "agent/cli/agent_options_json.h"
#include "agent/cli/session_setup.h"
#include "agent/loop/events_json.h"
#include "agent/python/bindings.h"
#include "agent/python/function_tool.h"
#include "core/base/json.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

using nlohmann::ordered_json;

std::string outcome_json(const agent::RunOutcome& outcome) {
  return json_text(ordered_json{
      {"final", outcome.final},
      {"exit_code", outcome.exit_code},
      {"reason", outcome.terminal_reason},
      {"message", outcome.message},
      {"run_id", outcome.run_id},
      {"usage", agent::to_json(outcome.usage)}});
}

// One conversation. One thread at a time, except stop() and steer().
class PythonAgent {
 public:
  PythonAgent(const std::string& options, std::vector<PythonFunction> functions) {
    std::vector<std::unique_ptr<tools::Tool>> more;
    for (PythonFunction& function : functions) more.push_back(function_tool(std::move(function)));
    const py::gil_scoped_release release;
    cli::Environment env = cli::read_environment();
    env.stdin_is_terminal = false;  // nobody is asked on a terminal that is not ours
    setup_.emplace(cli::set_up(cli::agent_options_from_json(options), env, std::move(more)));
    agent_ = std::make_unique<agent::Agent>(
        *setup_->model.model, setup_->tools, *setup_->ledger, setup_->config,
        [this](const agent::Event& event) { tell(event); }
    );
  }

  std::string run(const std::string& message, py::object sink) {
    return guarded(std::move(sink), [&] { return agent_->run(message, stop_.get_token()); });
  }
  std::string resume(const std::string& run_id, const std::optional<std::string>& message, py::object sink) {
    return guarded(std::move(sink), [&] {
      if (message) return agent_->resume(run_id, *message, stop_.get_token());
      return agent_->resume(run_id, std::nullopt, stop_.get_token());
    });
  }
  void stop() { stop_.request_stop(); }
  void steer(const std::string& text) { agent_->steer(text); }
  std::string run_id() const { return agent_->run_id(); }
  std::string sandbox_level() const { return setup_->config.sandbox_level; }

 private:
  template <class Work>
  std::string guarded(py::object sink, const Work& work) {
    if (running_) throw Exception(ErrorCode::kInvalidArgument, "this agent is running: wait for it, or use another agent");
    running_ = true;
    stop_ = std::stop_source();
    sink_ = std::move(sink);
    raised_.reset();
    agent::RunOutcome outcome;
    {
      const py::gil_scoped_release release;
      outcome = work();
    }
    running_ = false;
    sink_ = py::none();
    if (raised_) throw *std::exchange(raised_, std::nullopt);
    return outcome_json(outcome);
  }

  // On the thread of run(), which has let the GIL go. What the callback raises ends the run and comes out of it.
  void tell(const agent::Event& event) {
    const py::gil_scoped_acquire gil;
    if (sink_.is_none() || raised_) return;
    try {
      sink_(agent::json_line(event));
    } catch (py::error_already_set& error) {
      raised_.emplace(error);
      stop_.request_stop();
    }
  }

  std::optional<cli::AgentSetup> setup_;
  std::unique_ptr<agent::Agent> agent_;
  std::stop_source stop_;
  py::object sink_ = py::none();
  std::optional<py::error_already_set> raised_;
  bool running_ = false;
};

std::vector<PythonFunction> functions_from(const py::list& list) {
  std::vector<PythonFunction> functions;
  for (const py::handle& item : list) {
    const auto tuple = py::cast<py::tuple>(item);
    functions.push_back(
        {{py::cast<std::string>(tuple[0]), py::cast<std::string>(tuple[1]), py::cast<std::string>(tuple[2])},
         py::cast<py::object>(tuple[3]), py::cast<bool>(tuple[4]), py::cast<bool>(tuple[5])}
    );
  }
  return functions;
}

}  // namespace

void bind_agent(py::module_& module) {
  py::class_<PythonAgent>(module, "Agent")
      .def(py::init([](const std::string& options, const py::list& functions) {
             return std::make_unique<PythonAgent>(options, functions_from(functions));
           }), py::arg("options_json"), py::arg("functions"))
      .def("run", &PythonAgent::run, py::arg("message"), py::arg("sink"))
      .def("resume", &PythonAgent::resume, py::arg("run_id"), py::arg("message"), py::arg("sink"))
      .def("stop", &PythonAgent::stop)
      .def("steer", &PythonAgent::steer, py::arg("text"))
      .def_property_readonly("run_id", &PythonAgent::run_id)
      .def_property_readonly("sandbox_level", &PythonAgent::sandbox_level);
}

}  // namespace toccata::python
