#include "agent/python/function_tool.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

// One function, so that each keeps its own effect.
class FunctionTool final : public tools::Tool {
 public:
  explicit FunctionTool(PythonFunction function) : function_(std::move(function)) {
    spec_.name_space = "functions";
    spec_.functions = {function_.spec};
    spec_.effect = function_.pure ? tools::Effect::kPure : tools::Effect::kEffectful;
    spec_.concurrent = function_.concurrent;
  }
  ~FunctionTool() override {
    const py::gil_scoped_acquire gil;
    function_.call = {};
  }

  const tools::ToolSpec& spec() const override { return spec_; }

  tools::ToolResult call(const tools::ToolCall& call, std::stop_token) override {
    const py::gil_scoped_acquire gil;
    try {
      return {tools::ToolStatus::kOk, call.recipient, py::cast<std::string>(function_.call(call.arguments)), "{}"};
    } catch (py::error_already_set& error) {
      return {tools::ToolStatus::kFailed, call.recipient, short_text(error), "{}"};
    } catch (const py::cast_error&) {
      return {tools::ToolStatus::kFailed, call.recipient, "the function returned no text", "{}"};
    }
  }

 private:
  // "ValueError: no such city"
  static std::string short_text(py::error_already_set& error) {
    const std::string type = py::cast<std::string>(error.type().attr("__name__"));
    return type + ": " + py::cast<std::string>(py::str(error.value()));
  }

  PythonFunction function_;
  tools::ToolSpec spec_;
};

}  // namespace

std::unique_ptr<tools::Tool> function_tool(PythonFunction function) { return std::make_unique<FunctionTool>(std::move(function)); }

}  // namespace toccata::python
