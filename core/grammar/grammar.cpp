#include "core/grammar/grammar.h"

#include "core/grammar/regex.h"

namespace toccata::grammar {
namespace {

std::shared_ptr<const Grammar> text_grammar(Dfa dfa) {
  auto grammar = std::make_shared<Grammar>();
  grammar->lexemes.push_back({Lexeme::Form::kText, std::make_shared<const Dfa>(std::move(dfa))});
  grammar->nodes.push_back({{0}, {}, {}});
  return grammar;
}

}  // namespace

Result<std::shared_ptr<const Grammar>> Grammar::from_regex(std::string_view pattern) {
  Result<Dfa> dfa = compile_regex(pattern, RegexMatch::kWhole);
  if (!dfa) return dfa.error();
  if (dfa->empty()) return Error{ErrorCode::kInvalidArgument, "nothing matches the expression"};
  return text_grammar(std::move(*dfa));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_literals(const std::vector<std::string>& literals) {
  if (literals.empty()) return Error{ErrorCode::kInvalidArgument, "no literal is given"};
  std::vector<std::vector<Symbol>> words;
  for (const std::string& literal : literals) words.push_back(code_points(literal));
  return text_grammar(Dfa::words(words));
}

}  // namespace toccata::grammar
