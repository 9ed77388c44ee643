#include "agent/python/function_tool.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

class FunctionTool final : public tools::Tool {
 public:
  FunctionTool(std::vector<PythonFunction> functions, bool pure) : functions_(std::move(functions)) {
    spec_.name_space = "functions";
    for (const PythonFunction& f : functions_) spec_.functions.push_back(f.spec);
    spec_.effect = pure ? tools::Effect::kPure : tools::Effect::kEffectful;
  }
  ~FunctionTool() override {
    const py::gil_scoped_acquire gil;
    functions_.clear();
  }

  const tools::ToolSpec& spec() const override { return spec_; }

  tools::ToolResult call(const tools::ToolCall& call, std::stop_token) override {
    const std::string name = call.recipient.substr(call.recipient.find('.') + 1);
    const py::gil_scoped_acquire gil;
    for (const PythonFunction& f : functions_) {
      if (f.spec.name != name) continue;
      try {
        return {tools::ToolStatus::kOk, call.recipient, py::cast<std::string>(f.call(call.arguments)), "{}"};
      } catch (py::error_already_set& error) {
        return {tools::ToolStatus::kFailed, call.recipient, short_text(error), "{}"};
      } catch (const py::cast_error&) {
        return {tools::ToolStatus::kFailed, call.recipient, "the function returned no text", "{}"};
      }
    }
    return {tools::ToolStatus::kFailed, call.recipient, "no function " + name, "{}"};
  }

 private:
  // "ValueError: no such city"
  static std::string short_text(py::error_already_set& error) {
    const std::string type = py::cast<std::string>(error.type().attr("__name__"));
    return type + ": " + py::cast<std::string>(py::str(error.value()));
  }

  std::vector<PythonFunction> functions_;
  tools::ToolSpec spec_;
};

}  // namespace

std::unique_ptr<tools::Tool> function_tool(std::vector<PythonFunction> functions, bool pure) {
  return std::make_unique<FunctionTool>(std::move(functions), pure);
}

}  // namespace toccata::python
