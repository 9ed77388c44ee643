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
  // `n_max` of them. Empty where there is no such place, and for some time after guesses that were wrong.
  std::span<const Token> guess(std::span<const Token> tokens, std::size_t n_max);
  // How the last guess did: guesses become longer or shorter, or pause.
  void judge(std::size_t n_guessed, std::size_t n_right);

 private:
  std::size_t length_ = 4;
  int pause_ = 0;  // guesses left out after the next wrong one
  int wait_ = 0;   // of them, those still to be left out
};

}  // namespace toccata::engine
