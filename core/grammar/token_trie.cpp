#include "core/grammar/token_trie.h"

#include <algorithm>
#include <map>

#include "core/grammar/lexeme_states.h"

namespace toccata::grammar {
namespace {

constexpr int kStoredLengths = 16;

using Entry = std::pair<std::string_view, std::int32_t>;

// The trie of sorted, distinct, non-empty strings.
Trie trie_of(const std::vector<Entry>& entries) {
  Trie trie;
  std::vector<std::uint32_t> path;  // nodes of the current string
  std::string_view before;
  const auto close_to = [&](std::size_t depth) {
    while (path.size() > depth) {
      TrieNode& node = trie[path.back()];
      node.skip_and_byte |= static_cast<std::uint32_t>(trie.size() - path.back()) << 8;
      path.pop_back();
    }
  };
  for (const auto& [text, value] : entries) {
    std::size_t common = 0;
    while (common < before.size() && common < text.size() && before[common] == text[common]) ++common;
    close_to(common);
    for (std::size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<std::uint32_t>(trie.size()));
      trie.push_back({static_cast<std::uint8_t>(text[i]), -1});
    }
    trie[path.back()].value = value;
    before = text;
  }
  close_to(0);
  return trie;
}

// Whole characters that may stand unescaped in a JSON string; their number, or -1.
int safe_length(LexemeStates& string, std::string_view text) {
  std::int32_t state = string.inside();
  int n = 0;
  for (const char c : text) {
    if (c == '\\' || c == '"') return -1;
    if (string.at_character(state)) ++n;
    state = string.step(state, static_cast<std::uint8_t>(c));
    if (state < 0) return -1;
  }
  return string.at_character(state) ? n : -1;
}

}  // namespace

std::shared_ptr<const TokenTrie> TokenTrie::make(const tokenizer::Tokenizer& tokenizer) {
  auto trie = std::make_shared<TokenTrie>();
  trie->n_vocab_ = tokenizer.n_vocab();
  trie->bytes_.resize(trie->n_vocab_);
  for (Token token = 0; token < trie->n_vocab_; ++token) {
    if (tokenizer.is_special(token)) continue;
    if (const auto bytes = tokenizer.token_bytes(token)) trie->bytes_[token] = *bytes;
  }
  trie->classify();
  trie->sort_closers();
  return trie;
}

void TokenTrie::classify() {
  const Dfa any = Dfa::everything();
  LexemeStates string(Lexeme::Form::kString, any);
  std::vector<Entry> sorted;
  for (Token token = 0; token < n_vocab_; ++token) {
    if (!bytes_[token].empty()) sorted.emplace_back(bytes_[token], token);
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<Entry> safe, other;
  safe_mask_.assign(n_words(), 0);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto& [text, token] = sorted[i];
    if (i > 0 && sorted[i - 1].first == text) {
      Token lowest = sorted[i - 1].second;
      if (!twins_.empty() && twins_.back().second == lowest) lowest = twins_.back().first;
      twins_.emplace_back(lowest, token);
      continue;
    }
    const int length = safe_length(string, text);
    (length >= 0 ? safe : other).push_back(sorted[i]);
    if (length < 0) continue;
    set_token(safe_mask_, token);
    if (static_cast<int>(by_length_.size()) <= length) by_length_.resize(length + 1);
    by_length_[length].push_back(token);
  }
  if (by_length_.empty()) by_length_.resize(1);
  safe_ = trie_of(safe);
  other_ = trie_of(other);
  TokenMask mask(n_words(), 0);
  for (int n = 0; n <= std::min(kStoredLengths, longest_safe()); ++n) {
    for (const Token token : by_length_[n]) set_token(mask, token);
    up_to_length_.push_back(mask);
  }
}

void TokenTrie::sort_closers() {
  const Dfa any = Dfa::everything();
  LexemeStates string(Lexeme::Form::kString, any);
  inside_mask_ = safe_mask_;
  std::map<std::string_view, std::vector<Token>> rests;
  std::vector<Entry> closers;
  for (Token token = 0; token < n_vocab_; ++token) {
    const std::string& text = bytes_[token];
    if (text.empty() || has_token(safe_mask_, token)) continue;
    std::int32_t state = string.inside();
    std::size_t i = 0;
    for (; i < text.size() && state >= 0; ++i) state = string.step(state, static_cast<std::uint8_t>(text[i]));
    if (state >= 0) set_token(inside_mask_, token);
    if (state != LexemeStates::kEnded) continue;
    rests[std::string_view(text).substr(i)].push_back(token);
    closers.emplace_back(text, token);
  }
  std::vector<Entry> entries;
  for (auto& [rest, tokens] : rests) {
    if (rest.empty()) {
      closing_alone_ = tokens;
      continue;
    }
    entries.emplace_back(rest, static_cast<std::int32_t>(rest_groups_.size()));
    rest_groups_.push_back(tokens);
  }
  rests_ = trie_of(entries);
  std::sort(closers.begin(), closers.end());
  closers.erase(
      std::unique(closers.begin(), closers.end(), [](const Entry& a, const Entry& b) { return a.first == b.first; }),
      closers.end()
  );
  closers_ = trie_of(closers);
}

void TokenTrie::add_safe(std::int64_t n_characters, TokenMask& mask) const {
  if (n_characters <= 0) return;
  if (n_characters >= longest_safe()) {
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] |= safe_mask_[i];
    return;
  }
  const auto stored = std::min<std::int64_t>(n_characters, static_cast<std::int64_t>(up_to_length_.size()) - 1);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] |= up_to_length_[stored][i];
  for (std::int64_t n = stored + 1; n <= n_characters; ++n) {
    for (const Token token : by_length_[n]) set_token(mask, token);
  }
}

void TokenTrie::spread_twins(TokenMask& mask) const {
  for (const auto& [lower, higher] : twins_) {
    if (has_token(mask, lower)) {
      set_token(mask, higher);
    } else {
      clear_token(mask, higher);
    }
  }
}

std::size_t TokenTrie::memory_bytes() const {
  std::size_t n = (safe_.size() + other_.size() + rests_.size() + closers_.size()) * sizeof(TrieNode);
  n += (2 + up_to_length_.size()) * n_words() * sizeof(std::uint32_t);
  for (const std::string& text : bytes_) n += sizeof(std::string) + (text.size() > 15 ? text.size() + 1 : 0);
  for (const auto& list : by_length_) n += list.size() * sizeof(Token);
  return n;
}

}  // namespace toccata::grammar
