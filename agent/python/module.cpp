#include "agent/python/bindings.h"

#include "agent/cli/version.h"

namespace toccata::python {
namespace {

// ErrorCode -> the exception a Python user expects.
PyObject* exception_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return PyExc_ValueError;
    case ErrorCode::kNotFound: return PyExc_FileNotFoundError;
    case ErrorCode::kUnsupported: return PyExc_NotImplementedError;
    case ErrorCode::kResourceExhausted: return PyExc_MemoryError;
    case ErrorCode::kPermissionDenied: return PyExc_PermissionError;
    case ErrorCode::kTimeout: return PyExc_TimeoutError;
    case ErrorCode::kCancelled: return PyExc_InterruptedError;
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnavailable:
    case ErrorCode::kIo: return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

}  // namespace

PYBIND11_MODULE(_toccata, module) {
  module.doc() = "gpt-oss models as working agents: the extension module behind the package toccata.";
  module.attr("__version__") = cli::kVersion;
  pybind11::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Exception& error) {
      PyErr_SetString(exception_for(error.code()), error.what());
    }
  });
  bind_text(module);
  bind_grammar(module);
  bind_sandbox(module);
  bind_agent(module);
}

}  // namespace toccata::python
