// How much of a function call the format leaves no choice about: forced_bench FILE, lines {"schema", "texts"} as
// scripts/bench_grammar.py writes them. Each text that the schema takes is followed as a whole call, in the tokens a
// model would write; what Constraint::forced() gives must be these tokens.
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/harmony/constraint.h"
#include "core/base/json.h"

using namespace toccata;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: forced_bench CASES.jsonl\n";
    return 2;
  }
  const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
  const auto renderer = harmony::Renderer::make(tokenizer).value_or_throw();
  const auto trie = grammar::TokenTrie::make(*tokenizer);
  std::ifstream in(argv[1]);
  std::string line;
  std::int64_t n_calls = 0, n_tokens = 0, n_forced = 0, n_other = 0, n_runs = 0;
  while (std::getline(in, line)) {
    const auto json = json_from_valid<nlohmann::ordered_json>(line);
    harmony::ConstraintRules rules;
    rules.tools = {{"functions.find", json_text(json.at("schema"))}, {"functions.ping", ""}};
    const auto plan = harmony::ConstraintPlan::make(rules, renderer, trie, 201'088);
    if (!plan) continue;
    harmony::Constraint constraint(*plan);
    for (const auto& text : json.at("texts")) {
      Tokens call = tokenizer->encode(
          "<|channel|>commentary to=functions.find <|constrain|>json<|message|>", tokenizer::Specials::kAll
      );
      tokenizer->encode_into(text.get<std::string>(), tokenizer::Specials::kNone, call);
      call.push_back(renderer.control().call);
      constraint.begin();
      std::int64_t forced_here = 0, other_here = 0, runs_here = 0;
      for (std::size_t i = 0; i < call.size() && constraint.mask();) {
        const Tokens forced = constraint.forced();
        runs_here += forced.empty() ? 0 : 1;
        for (const Token token : forced) {
          other_here += i >= call.size() || token != call[i] ? 1 : 0;
          constraint.observe(token);
          ++forced_here;
          ++i;
        }
        if (forced.empty()) constraint.observe(call[i++]);
      }
      if (!constraint.at_end()) continue;
      ++n_calls;
      n_tokens += std::ssize(call);
      n_forced += forced_here;
      n_other += other_here;
      n_runs += runs_here;
    }
  }
  std::cout << json_text(nlohmann::ordered_json{
      {"calls", n_calls}, {"tokens", n_tokens}, {"forced", n_forced}, {"runs", n_runs},
      {"share", n_tokens > 0 ? static_cast<double>(n_forced) / static_cast<double>(n_tokens) : 0.0},
      {"spelled_otherwise", n_other}}) << '\n';
}
