// Grammars and the token masks that keep a text inside them.
#include <pybind11/stl.h>

#include "agent/python/bindings.h"
#include "core/grammar/matcher.h"
#include "core/grammar/schema.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

using grammar::Matcher;

// pybind11 holds no pointers to const; nothing here changes a grammar.
struct SharedGrammar {
  std::shared_ptr<const grammar::Grammar> grammar;
};

SharedGrammar from_schema(const std::string& text) {
  auto compiled = grammar::compile_schema_text(text);
  if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) {
    throw Exception(ErrorCode::kUnsupported, error->text());
  }
  return {std::get<0>(std::move(compiled))};
}

}  // namespace

void bind_grammar(py::module_& module) {
  py::class_<SharedGrammar>(module, "Grammar")
      .def_static("from_schema", &from_schema, py::arg("schema_json"))
      .def_static("from_regex", [](const std::string& pattern) {
             return SharedGrammar{grammar::Grammar::from_regex(pattern).value_or_throw()};
           }, py::arg("pattern"))
      .def("matches", [](const SharedGrammar& self, const std::string& text) { return grammar::matches(self.grammar, text); },
           py::arg("text"));
  py::class_<grammar::TokenTrie, std::shared_ptr<grammar::TokenTrie>>(module, "TokenTrie")
      .def(py::init([](const tokenizer::Tokenizer& tokenizer) {
             return std::const_pointer_cast<grammar::TokenTrie>(grammar::TokenTrie::make(tokenizer));
           }), py::arg("tokenizer"));
  py::class_<Matcher>(module, "Matcher")
      .def(py::init([](const SharedGrammar& g, std::shared_ptr<grammar::TokenTrie> trie) {
             return std::make_unique<Matcher>(g.grammar, std::move(trie));
           }), py::arg("grammar"), py::arg("trie"))
      .def("mask", [](Matcher& self) {
        const grammar::TokenMask& mask = self.mask();
        return py::bytes(reinterpret_cast<const char*>(mask.data()), mask.size() * sizeof(mask[0]));
      })
      .def("accept", &Matcher::accept, py::arg("token"))
      .def("accept_text", [](Matcher& self, const std::string& text) { return self.accept_text(text); }, py::arg("text"))
      .def("allows", &Matcher::allows, py::arg("token"))
      .def("rollback", [](Matcher& self, int n) {
             if (n < 0 || n > self.n_accepted()) {
               throw Exception(ErrorCode::kInvalidArgument, "rollback of " + std::to_string(n) + " of " + std::to_string(self.n_accepted()) + " accepted");
             }
             self.rollback(n);
           }, py::arg("n"))
      .def("forced_text", [](Matcher& self) { return py::bytes(self.forced_text()); })
      .def_property_readonly("at_end", &Matcher::at_end);
}

}  // namespace toccata::python
