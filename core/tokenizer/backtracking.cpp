#include "core/tokenizer/backtracking.h"

#include <algorithm>
#include <bit>

#include "core/base/error.h"

namespace toccata::tokenizer {
namespace {

std::uint32_t first_two(std::string_view bytes) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1]);
}

std::size_t bytes_of(const Vocabulary& vocabulary) {
  std::size_t bytes = 0;
  for (Token token = 0; token < vocabulary.size(); ++token) bytes += vocabulary.bytes(token).value_or("").size();
  return bytes;
}

}  // namespace

TokenTree::TokenTree(std::size_t bytes)
    : nodes_(std::bit_ceil(std::clamp<std::size_t>(bytes / 2, 1 << 16, kNodesMax))),
      shift_(32 - std::countr_zero(nodes_.size())),
      roots_(1 << 16, kEmpty) {
  bytes_.fill(kNoToken);
}

std::size_t TokenTree::slot_of(std::uint32_t key) const { return key * 0x9E3779B1U >> shift_; }

bool TokenTree::add(std::string_view bytes, Token token) {
  if (bytes.size() == 1) {
    bytes_[static_cast<unsigned char>(bytes[0])] = token;
    return true;
  }
  if (used_ + bytes.size() > nodes_.size() / 8 * 7) return false;
  const auto child = [&](std::uint32_t key) {
    std::size_t at = slot_of(key);
    while (nodes_[at].key != kEmpty && nodes_[at].key != key) at = (at + 1) & (nodes_.size() - 1);
    if (nodes_[at].key == kEmpty) ++used_;
    nodes_[at].key = key;
    return static_cast<std::uint32_t>(at);
  };
  std::uint32_t& root = roots_[first_two(bytes)];
  if (root == kEmpty) root = child(0xFF000000U | first_two(bytes));  // no other key: nodes are below 2^23
  std::uint32_t node = root;
  for (const char byte : bytes.substr(2)) node = child(node << 8 | static_cast<unsigned char>(byte));
  nodes_[node].token = token;
  return true;
}

void TokenTree::find(std::string_view text, Matches& matches) const {
  matches.assign(1, {bytes_[static_cast<unsigned char>(text[0])], 1});
  if (text.size() == 1) return;
  std::size_t node = roots_[first_two(text)];
  if (node == kEmpty) return;
  for (std::size_t at = 2;; ++at) {
    if (nodes_[node].token != kNoToken) matches.push_back({nodes_[node].token, at});
    if (at == text.size()) return;
    const std::uint32_t key = static_cast<std::uint32_t>(node << 8) | static_cast<unsigned char>(text[at]);
    node = slot_of(key);
    while (nodes_[node].key != key) {
      if (nodes_[node].key == kEmpty) return;
      node = (node + 1) & (nodes_.size() - 1);
    }
  }
}

BacktrackingEncoder::BacktrackingEncoder(const Vocabulary& vocabulary)
    : tree_(bytes_of(vocabulary)), parts_(vocabulary.size()), merges_(vocabulary.size()) {
  // In the order of ranks: the tree holds what merging can make before a token when its turn comes.
  TokenTree::Matches starts;
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const auto bytes = vocabulary.bytes(token);
    if (!bytes || vocabulary.find(*bytes) != token) continue;
    if (bytes->size() == 1) {
      parts_[token] = {token, token, 1};
      complete_ &= tree_.add(*bytes, token);
      continue;
    }
    for (tree_.find(*bytes, starts); !starts.empty(); starts.pop_back()) {
      const auto [left, cut] = starts.back();
      if (left == kNoToken) continue;
      const Token right = vocabulary.find(bytes->substr(cut));
      if (right == kNoToken || right >= token) continue;
      if (!may_be_neighbours(left, right, token)) continue;
      parts_[token] = {left, right, static_cast<std::uint32_t>(bytes->size())};
      merges_.add({left, right, token}, static_cast<std::uint32_t>(token));
      complete_ &= tree_.add(*bytes, token);
      break;
    }
    complete_ &= parts_[token].left != kNoToken;
    if (!complete_) return;
  }
}

// Undoes the merges next to the border, the later one first, and looks for one across it that would have come earlier.
// Of equal ranks the left one comes first: a merge across the border loses to one on its left, not to one on its right.
bool BacktrackingEncoder::may_be_neighbours(Token left, Token right, Token end) const {
  Token limit = end;
  for (;;) {
    const Token across = merges_.find(left, right).merged;
    if (across != kNoToken && across < limit) return false;
    bool undo_left = left > right;
    for (bool other = false;; other = true, undo_left = !undo_left) {
      Token& token = undo_left ? left : right;
      const Token part = undo_left ? parts_[token].right : parts_[token].left;
      limit = undo_left ? token : token + 1;
      const bool undone = part != token;
      token = part;
      if (undone) break;
      if (other) return true;
    }
  }
}

bool BacktrackingEncoder::may_follow(Token left, Token right, Memory& memory) const {
  const std::uint64_t pair = std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  const std::uint64_t key = (pair << 1) + 2;  // never 0; ids have fewer than 31 bits
  std::uint64_t& seen = memory.neighbours[pair * 0x9E3779B97F4A7C15U >> (64 - kNeighbourBits)];
  if ((seen & ~std::uint64_t{1}) == key) return (seen & 1) != 0;
  const bool may = may_be_neighbours(left, right, static_cast<Token>(parts_.size()));
  seen = key | (may ? 1 : 0);
  return may;
}

void BacktrackingEncoder::encode(std::string_view piece, Memory& memory, Tokens& out) const {
  const std::size_t begin = out.size();
  memory.left.assign(piece.size() / 64 + 1, 0);
  const auto was_left = [&](std::size_t place) { return (memory.left[place / 64] >> (place % 64) & 1) != 0; };
  std::size_t at = 0;
  TokenTree::Matches& next = memory.matches;  // what may stand at `at` and was not tried yet
  tree_.find(piece, next);
  while (true) {
    if (next.empty()) {
      TOCCATA_CHECK(out.size() > begin, "no tokens for a piece");
      memory.left[at / 64] |= std::uint64_t{1} << (at % 64);
      const std::size_t length = parts_[out.back()].length;
      out.pop_back();
      at -= length;
      if (length > 1) tree_.find(piece.substr(at, length - 1), next);
      continue;
    }
    const auto [token, length] = next.back();
    next.pop_back();
    if (was_left(at + length) || (out.size() > begin && !may_follow(out.back(), token, memory))) continue;
    out.push_back(token);
    at += length;
    if (at == piece.size()) return;
    tree_.find(piece.substr(at), next);
  }
}

}  // namespace toccata::tokenizer
