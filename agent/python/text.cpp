// Tokens and harmony: text to ids and back, conversations to prompts, completions to messages.
#include <pybind11/stl.h>

#include <nlohmann/json.hpp>

#include "agent/harmony/parser.h"
#include "agent/harmony/renderer.h"
#include "agent/harmony/wire.h"
#include "agent/python/bindings.h"
#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

using nlohmann::ordered_json;
using tokenizer::Specials;
using tokenizer::Tokenizer;

Specials specials(bool on) { return on ? Specials::kAll : Specials::kNone; }

const harmony::Renderer& renderer() {
  // The vocabulary of gpt-oss is data of the program; so is what renders with it.
  static const auto instance = harmony::Renderer::make(Tokenizer::o200k_harmony()).value_or_throw();
  return instance;
}

harmony::Role role_of(const std::string& name) {
  const auto role = harmony::role_from_string(name);
  if (!role) throw Exception(ErrorCode::kInvalidArgument, "unknown role '" + name + "'");
  return *role;
}

ordered_json parse_json(const std::string& text) {
  ordered_json json = json_from<ordered_json>(text);
  if (json.is_discarded()) throw Exception(ErrorCode::kInvalidArgument, "not JSON: " + text.substr(0, 80));
  return json;
}

Tokens render(const std::string& conversation_json, std::optional<std::string> next_role, bool live) {
  const auto conversation = harmony::conversation_from_json(parse_json(conversation_json)).value_or_throw();
  const harmony::RenderConfig config = live ? harmony::RenderConfig::live() : harmony::RenderConfig{};
  if (next_role) return renderer().completion(conversation, role_of(*next_role), config).value_or_throw();
  return renderer().conversation(conversation, config).value_or_throw();
}

std::string parse(const Tokens& tokens, std::optional<std::string> role, const std::vector<std::string>& tools, bool strict) {
  harmony::ParserOptions options{.role = std::nullopt, .strict = strict, .tools = tools};
  if (role) options.role = role_of(*role);
  harmony::Parser parser(renderer(), options);
  std::vector<harmony::ParseEvent> events;
  for (const Token token : tokens) parser.push(token, events).value_or_throw();
  parser.finish(events).value_or_throw();
  ordered_json out = {{"messages", ordered_json::array()}, {"warnings", ordered_json::array()}};
  for (const harmony::ParseEvent& event : events) {
    if (const auto* done = std::get_if<harmony::MessageDone>(&event)) {
      out["messages"].push_back(harmony::to_json(done->message));
    } else if (const auto* warning = std::get_if<harmony::Warning>(&event)) {
      out["warnings"].push_back({{"position", warning->position}, {"what", warning->what}});
    }
  }
  return json_text(out);
}

}  // namespace

void bind_text(py::module_& module) {
  py::class_<Tokenizer, std::shared_ptr<Tokenizer>>(module, "Tokenizer", "Text <-> token ids. Immutable; any number of threads may share one.")
      .def_static("o200k_harmony", [] { return std::const_pointer_cast<Tokenizer>(Tokenizer::o200k_harmony()); },
           "The vocabulary of gpt-oss, from the program itself.")
      .def_static("from_file", [](const std::string& path) {
             return std::const_pointer_cast<Tokenizer>(Tokenizer::from_hf_file(path).value_or_throw());
           }, py::arg("path"), "A Hugging Face tokenizer.json.")
      .def("encode", [](const Tokenizer& self, const std::string& text, bool on) { return self.encode(text, specials(on)); },
           py::arg("text"), py::arg("specials") = false, py::call_guard<py::gil_scoped_release>(),
           "Ids of `text`; with `specials`, spellings such as <|start|> become control tokens.")
      .def("decode_bytes", [](const Tokenizer& self, const Tokens& tokens) {
             return py::bytes(self.decode_bytes(tokens).value_or_throw());
           }, py::arg("tokens"), "The exact bytes. ValueError for an unknown id.")
      .def("decode", [](const Tokenizer& self, const Tokens& tokens) {
             return tokenizer::to_valid_utf8(self.decode_bytes(tokens).value_or_throw());
           }, py::arg("tokens"), "The text; what is no UTF-8 is U+FFFD.")
      .def("special_id", [](const Tokenizer& self, const std::string& spelling) { return self.special_id(spelling); },
           py::arg("spelling"), "The id of <|start|> and the like; None when there is none.")
      .def_property_readonly("n_vocab", &Tokenizer::n_vocab, "One past the highest id.");
  module.def("render", &render, py::arg("conversation_json"), py::arg("next_role"), py::arg("live"));
  module.def("parse", &parse, py::arg("tokens"), py::arg("role"), py::arg("tools"), py::arg("strict"));
}

}  // namespace toccata::python
