// The parts of the extension module. Structured values cross as JSON text: the package turns them into Python's own.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "core/base/error.h"

namespace toccata::python {

void bind_text(pybind11::module_& module);     // Tokenizer, render, parse
void bind_grammar(pybind11::module_& module);  // Grammar, Matcher
void bind_sandbox(pybind11::module_& module);  // Sandbox
void bind_agent(pybind11::module_& module);    // Agent

}  // namespace toccata::python
