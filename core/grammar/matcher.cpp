#include "core/grammar/matcher.h"

#include <algorithm>

namespace toccata::grammar {
namespace {

// Characters of printable ASCII that lead from a state straight into one that takes anything.
int n_free_characters(const Dfa& dfa, std::int32_t q) {
  int n = 0;
  for (const Edge& e : dfa.edges(q)) {
    const Symbol low = std::max<Symbol>(e.low, 0x20), high = std::min<Symbol>(e.high, 0x7E);
    if (low <= high && dfa.universal(e.to)) n += static_cast<int>(high - low) + 1;
  }
  return n;
}

constexpr int kMostlyFree = 60;  // of 95: then it is cheaper to take away than to add

}  // namespace

std::size_t Matcher::KeyHash::operator()(const Thread& t) const {
  std::uint64_t hash = 0;
  for (const std::int32_t part : {t.frame, static_cast<std::int32_t>(t.phase), t.a, t.b, t.n}) {
    hash = (hash ^ static_cast<std::uint32_t>(part)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
  }
  return hash;
}

Matcher::Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)), machine_(*grammar_) {
  history_.push_back({machine_.start()});
}

void Matcher::step(const Threads& from, std::uint8_t byte, Threads& to) {
  to.clear();
  for (const Thread& thread : from) machine_.step(thread, byte, to);
  if (to.size() < 2) return;
  // Equal readings are one. Beyond the limit readings are dropped: what is left can still be finished.
  for (std::size_t i = 1; i < to.size();) {
    if (std::find(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(i), to[i]) != to.begin() + static_cast<std::ptrdiff_t>(i)) {
      to.erase(to.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  if (to.size() > kThreadsMax) to.resize(kThreadsMax);
}

bool Matcher::run(std::string_view bytes, Threads& threads) {
  Threads next;
  for (const char c : bytes) {
    step(threads, static_cast<std::uint8_t>(c), next);
    if (next.empty()) return false;
    threads.swap(next);
  }
  return true;
}

bool Matcher::accept_text(std::string_view bytes) {
  Threads threads = history_.back();
  if (bytes.empty() || !run(bytes, threads)) return false;
  history_.push_back(std::move(threads));
  return true;
}

bool Matcher::accept(Token token) {
  return token >= 0 && token < trie_->n_vocab() && accept_text(trie_->bytes(token));
}

bool Matcher::allows(Token token) {
  if (token < 0 || token >= trie_->n_vocab() || trie_->bytes(token).empty()) return false;
  Threads threads = history_.back();
  return run(trie_->bytes(token), threads);
}

void Matcher::rollback(int n) {
  TOCCATA_CHECK(n >= 0 && n <= n_accepted());
  history_.resize(history_.size() - static_cast<std::size_t>(n));
}

bool Matcher::at_end() {
  const Threads& now = history_.back();
  return std::any_of(now.begin(), now.end(), [&](const Thread& t) { return machine_.may_end(t); });
}

bool Matcher::must_end() {
  return at_end() && std::all_of(history_.back().begin(), history_.back().end(), [](const Thread& t) {
           return t.phase == Phase::kDone;
         });
}

std::string Matcher::forced_text(std::size_t n_max) {
  std::string out;
  Threads now = history_.back(), next;
  while (out.size() < n_max) {
    if (std::any_of(now.begin(), now.end(), [&](const Thread& t) { return machine_.may_end(t); })) break;
    const auto byte = only_byte(now, next);
    if (!byte) break;
    out += static_cast<char>(*byte);
    now.swap(next);
  }
  return out;
}

std::optional<std::uint8_t> Matcher::only_byte(const Threads& now, Threads& next) {
  std::optional<std::uint8_t> only;
  bool escape = false;
  Threads there;
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<std::uint8_t>(i);
    step(now, byte, there);
    if (there.empty()) continue;
    if (byte == '\\') {
      escape = true;
    } else if (only) {
      return std::nullopt;
    } else {
      only = byte;
      next.swap(there);
    }
  }
  if (!escape) return only;
  if (only) return escapes_only(now, *only) ? only : std::nullopt;
  step(now, '\\', next);
  return '\\';
}

// Whether every escape that `now` allows stands for `character`, which may also come as it is.
bool Matcher::escapes_only(const Threads& now, std::uint8_t character) {
  if (character >= 0x80 || character == '"') return false;
  Threads escape, next;
  step(now, '\\', escape);
  const auto leads_on = [&](std::uint8_t byte) { return step(escape, byte, next), !next.empty(); };
  for (const char letter : std::string_view("\"\\bfnrt")) {
    if (leads_on(static_cast<std::uint8_t>(letter))) return false;
  }
  if (character != '/' && leads_on('/')) return false;
  if (!leads_on('u')) return true;
  escape.swap(next);
  static constexpr std::string_view kLower = "0123456789abcdef", kUpper = "0123456789ABCDEF";
  for (const int digit : {0, 0, character >> 4, character & 15}) {
    for (int other = 0; other < 16; ++other) {
      if (other != digit && (leads_on(static_cast<std::uint8_t>(kLower[other])) || leads_on(static_cast<std::uint8_t>(kUpper[other])))) return false;
    }
    step(escape, static_cast<std::uint8_t>(kLower[digit]), next);
    if (next.empty()) return false;
    escape.swap(next);
  }
  return true;
}

const TokenMask& Matcher::mask() {
  const Threads& now = history_.back();
  if (now.size() == 1) return mask_of(now[0]);
  united_.assign(trie_->n_words(), 0);
  for (const Thread& thread : now) {
    const TokenMask& one = mask_of(thread);
    for (std::size_t i = 0; i < one.size(); ++i) united_[i] |= one[i];
  }
  return united_;
}

// Threads that differ only in counts too far from their limits for one token to reach them are one.
Thread Matcher::cache_key(const Thread& thread) const {
  if (thread.phase != Phase::kLexeme) return thread;
  const Lexeme& lexeme = grammar_->lexemes[thread.a];
  if (lexeme.form != Lexeme::Form::kString || (lexeme.length_max == kUnlimited && lexeme.length_min == 0)) return thread;
  const std::int64_t far = trie_->longest_safe() + 1;
  const std::int64_t missing = std::clamp<std::int64_t>(lexeme.length_min - thread.n, 0, far);
  const std::int64_t left = std::min<std::int64_t>(lexeme.length_max - thread.n, far);
  Thread key = thread;
  key.n = static_cast<std::int32_t>(missing * (far + 1) + left);
  return key;
}

const TokenMask& Matcher::mask_of(const Thread& thread) {
  const Thread key = cache_key(thread);
  if (const auto found = mask_of_.find(key); found != mask_of_.end()) {
    ++counters_.cached;
    masks_.splice(masks_.begin(), masks_, found->second);
    return masks_.front().mask;
  }
  ++counters_.made;
  if (masks_.size() >= kMasksMax) {  // the oldest one's memory is used again
    mask_of_.erase(masks_.back().key);
    masks_.splice(masks_.begin(), masks_, std::prev(masks_.end()));
  } else {
    masks_.emplace_front();
  }
  masks_.front().key = key;
  make_mask(thread, masks_.front().mask);
  mask_of_[key] = masks_.begin();
  return masks_.front().mask;
}

void Matcher::make_mask(const Thread& thread, TokenMask& mask) {
  if (!string_mask(thread, mask)) {
    mask.assign(trie_->n_words(), 0);
    walk(trie_->safe(), thread, mask);
    walk(trie_->other(), thread, mask);
  }
  trie_->spread_twins(mask);
}

// The short ways, inside a string between two characters. False: there is none.
bool Matcher::string_mask(const Thread& thread, TokenMask& mask) {
  const bool key = thread.phase == Phase::kKey;
  if (!key && (thread.phase != Phase::kLexeme || grammar_->lexemes[thread.a].form != Lexeme::Form::kString)) return false;
  LexemeStates& states = machine_.states_of(thread);
  if (thread.b == states.start() || !states.at_character(thread.b)) return false;
  if (states.accepts_anything(thread.b)) {
    if (key) {
      mask = trie_->inside_mask();
      closers_mask(thread, mask);
      return true;
    }
    const Lexeme& lexeme = grammar_->lexemes[thread.a];
    const std::int64_t left = lexeme.length_max == kUnlimited ? kUnlimited : lexeme.length_max - thread.n;
    if (left > trie_->longest_safe() + 1 && thread.n >= lexeme.length_min) {
      mask = trie_->inside_mask();
      closers_mask(thread, mask);
      return true;
    }
    mask.assign(trie_->n_words(), 0);
    trie_->add_safe(left, mask);
    walk(trie_->other(), thread, mask);
    return true;
  }
  const std::int64_t length_max = key ? kUnlimited : grammar_->lexemes[thread.a].length_max;
  if ((length_max == kUnlimited || length_max - thread.n > trie_->longest_safe() + 1) && machine_.takes_any_character(thread)) {
    mask = trie_->inside_mask();
    walk(trie_->closers(), thread, mask);
    return true;
  }
  const Dfa& dfa = key ? machine_.key_dfa(thread) : *grammar_->lexemes[thread.a].dfa;
  if (n_free_characters(dfa, states.character_state(thread.b)) < kMostlyFree) return false;
  mask = trie_->safe_mask();
  subtract(thread, mask);
  walk(trie_->other(), thread, mask);
  return true;
}

void Matcher::closers_mask(const Thread& thread, TokenMask& mask) {
  Threads after;
  machine_.close_string(thread, after);
  if (after.empty()) return;
  for (const Token token : trie_->closing_alone()) set_token(mask, token);
  walk_each(trie_->rests(), after, [&](std::int32_t group) {
    for (const Token token : trie_->rest_groups()[group]) set_token(mask, token);
  });
}

void Matcher::walk(const Trie& trie, const Thread& start, TokenMask& mask) {
  walk_each(trie, {start}, [&](std::int32_t token) { set_token(mask, token); });
}

template <class Found>
void Matcher::walk_each(const Trie& trie, const Threads& start, Found found) {
  // Threads after each node of the current path, one behind the other.
  std::vector<Level>& levels = levels_;
  levels.clear();
  buffer_ = start;
  levels.push_back({static_cast<std::uint32_t>(trie.size()), 0});
  for (std::uint32_t i = 0; i < trie.size();) {
    const TrieNode node = trie[i];
    while (levels.back().end <= i) {
      buffer_.resize(levels.back().first);
      levels.pop_back();
    }
    const std::uint32_t first = levels.back().first;
    const auto last = static_cast<std::uint32_t>(buffer_.size());
    if (last - first == 1) {
      const Thread thread = buffer_[first];
      machine_.step(thread, node.byte(), buffer_);
    } else {
      scratch_.assign(buffer_.begin() + first, buffer_.begin() + last);
      Threads next;
      step(scratch_, node.byte(), next);
      buffer_.insert(buffer_.end(), next.begin(), next.end());
    }
    if (buffer_.size() == last) {
      i += node.skip();
      continue;
    }
    if (node.value >= 0) found(node.value);
    if (node.skip() == 1) {
      buffer_.resize(last);
    } else {
      levels.push_back({i + node.skip(), last});
    }
    ++i;
  }
}

void Matcher::subtract(const Thread& start, TokenMask& mask) {
  const Trie& trie = trie_->safe();
  struct Place {
    std::uint32_t end;  // of the subtree
    std::int32_t state;
  };
  std::vector<Place> levels{{static_cast<std::uint32_t>(trie.size()), start.b}};
  LexemeStates& states = machine_.states_of(start);
  const bool key = start.phase == Phase::kKey;
  for (std::uint32_t i = 0; i < trie.size();) {
    const TrieNode node = trie[i];
    while (levels.back().end <= i) levels.pop_back();
    const std::int32_t to = states.step(levels.back().state, node.byte());
    const bool dead = to < 0 || (key && !machine_.key_is_open(start, to));
    if (dead) {
      for (std::uint32_t j = i; j < i + node.skip(); ++j) {
        if (trie[j].value >= 0) clear_token(mask, trie[j].value);
      }
      i += node.skip();
    } else if (states.accepts_anything(to)) {
      i += node.skip();
    } else {
      levels.push_back({i + node.skip(), to});
      ++i;
    }
  }
}

bool matches(std::shared_ptr<const Grammar> grammar, std::string_view text) {
  Matcher matcher(std::move(grammar), nullptr);
  return (text.empty() || matcher.accept_text(text)) && matcher.at_end();
}

}  // namespace toccata::grammar
