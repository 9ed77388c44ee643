// Texts and their ids as another implementation gives them; scripts/check_tokenizer.py --golden writes the files.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::tokenizer {

struct Golden {
  std::string text;
  Tokens tokens;         // Specials::kNone
  Tokens with_specials;  // Specials::kAll
};

inline std::vector<Golden> read_golden(const std::string& name) {
  std::ifstream file(TOCCATA_SOURCE_DIR "/tests/core/tokenizer/" + name);
  std::vector<Golden> goldens;
  for (std::string line; std::getline(file, line);) {
    const auto json = json_from_valid<nlohmann::json>(line);
    const auto tokens = json.at("tokens").get<Tokens>();
    goldens.push_back({json.at("text"), tokens, json.value("with_specials", tokens)});
  }
  return goldens;
}

inline void expect_golden(const Tokenizer& tokenizer, const std::vector<Golden>& goldens) {
  ASSERT_GT(goldens.size(), 10U);
  for (const Golden& golden : goldens) {
    SCOPED_TRACE(golden.text);
    EXPECT_EQ(tokenizer.encode(golden.text, Specials::kNone), golden.tokens);
    EXPECT_EQ(tokenizer.encode(golden.text, Specials::kAll), golden.with_specials);
    EXPECT_EQ(*tokenizer.decode_bytes(golden.tokens), golden.text);
  }
}

}  // namespace toccata::tokenizer
