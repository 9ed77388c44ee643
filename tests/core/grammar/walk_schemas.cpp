// JSON Lines: a schema a line in; {"error": {...}} or {"texts": [...], "dead_ends": n, "unfinished": n} out.
// For scripts/check_grammar.py. Usage: walk_schemas [walks per schema and kind]
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/grammar/schema.h"
#include "tests/core/grammar/walk.h"

namespace {

using toccata::json_from_valid;
using toccata::json_text;

// Every required name, as a key.
void collect_keys(const nlohmann::json& schema, std::vector<std::string>& keys) {
  if (schema.is_object() && schema.contains("required") && schema["required"].is_array()) {
    for (const auto& name : schema["required"]) keys.push_back(json_text(name) + ":");
  }
  if (!schema.is_structured()) return;
  for (const auto& child : schema) collect_keys(child, keys);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace toccata;
  const int n_walks = argc > 1 ? std::atoi(argv[1]) : 5;
  const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
  const auto trie = grammar::TokenTrie::make(*tokenizer);
  std::string line;
  std::mt19937_64 random(7);
  while (std::getline(std::cin, line)) {
    const grammar::CompiledSchema compiled = grammar::compile_schema_text(line);
    nlohmann::ordered_json reply;
    if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) {
      reply["error"] = {{"keyword", error->keyword}, {"path", error->path}, {"message", error->message}};
    } else {
      int dead_ends = 0, unfinished = 0;
      reply["texts"] = nlohmann::ordered_json::array();
      grammar::Matcher matcher(std::get<0>(compiled), trie);
      std::vector<std::string> keys;
      collect_keys(json_from_valid<nlohmann::json>(line), keys);
      for (int i = 0; i < 2 * n_walks; ++i) {
        const auto draw = i % 2 == 0 ? grammar::Draw::kUniform : grammar::Draw::kBigram;
        const grammar::Walk walk = grammar::walk(matcher, random, draw, 3 + static_cast<int>(random() % 25), 600, keys);
        matcher.rollback(matcher.n_accepted());
        dead_ends += walk.empty_mask ? 1 : 0;
        unfinished += !walk.finished && !walk.empty_mask ? 1 : 0;
        if (walk.finished) reply["texts"].push_back(walk.text);
      }
      reply["dead_ends"] = dead_ends;
      reply["unfinished"] = unfinished;
    }
    std::cout << json_text(reply) << '\n';
  }
  return 0;
}
