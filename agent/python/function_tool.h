// Python functions as the tools of the namespace `functions`.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "tools/tool.h"

namespace toccata::python {

struct PythonFunction {
  tools::FunctionSpec spec;
  pybind11::object call;  // takes the arguments as JSON text, returns the text the model reads
  bool pure = false;        // changes nothing: a resumed run may call it again
  bool concurrent = false;  // may be called on several threads at a time
};

// What a function raises is told to the model. Must be made and destroyed with the GIL held, and called without it.
std::unique_ptr<tools::Tool> function_tool(PythonFunction function);

}  // namespace toccata::python
