// Guesses what a model says next by looking where its last words stood before (prompt lookup): agents quote what their
// tools returned. Reading several guessed tokens costs a pass little more than reading one, and a right guess saves a pass.
// Source: A. Saxena, "Prompt Lookup Decoding", 2023.
#pragma once

#include <cstddef>
#include <span>

#include "core/base/token.h"

namespace toccata::engine {

class Drafter {
 public:
  // What followed the last place before the end where the last three tokens stand too; a view into `tokens`, at most
  // `n_max` of them. Empty where there is no such place. `price`: what reading one token more costs, in passes of one
  // token; while fewer guesses than that come true, one in thirty-two is made.
  std::span<const Token> guess(std::span<const Token> tokens, std::size_t n_max, double price);
  // How the last guess did: guesses become longer or shorter.
  void judge(std::size_t n_guessed, std::size_t n_right);

 private:
  std::size_t length_ = 4;
  double rate_ = 0.5;  // of guessed tokens that came true, lately
  int left_out_ = 0;
};

}  // namespace toccata::engine
