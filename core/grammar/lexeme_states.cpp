#include "core/grammar/lexeme_states.h"

#include <algorithm>

namespace toccata::grammar {
namespace {

constexpr int kLastingStatesMax = 5'000;  // above, it would cost more than it saves

constexpr Symbol kSurrogates = 0xD800, kLowSurrogates = 0xDC00, kAfterSurrogates = 0xE000;

bool intersects(const Bits& a, const Bits& b) {
  const std::size_t n = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < n; ++i) {
    if ((a[i] & b[i]) != 0) return true;
  }
  return false;
}

int hex_value(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int lower = byte | 32;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

LexemeStates::LexemeStates(Lexeme::Form form, const Dfa& dfa) : form_(form), dfa_(dfa) {
  if (dfa.empty()) return;
  start_ = state(0, form == Lexeme::Form::kString ? Kind::kStart : Kind::kChar, 0, 0, 0);
}

std::int32_t LexemeStates::state(
    std::int32_t q, Kind kind, std::uint8_t n, Symbol low, Symbol high, Symbol lead
) {
  const std::array<std::uint32_t, 5> key = {
      static_cast<std::uint32_t>(q), static_cast<std::uint32_t>(kind) << 8 | n, low, high, lead};
  const auto [at, is_new] = ids_.emplace(key, static_cast<std::int32_t>(infos_.size()));
  if (is_new) {
    infos_.push_back({q, kind, n, low, high, lead});
    rows_.push_back(std::make_unique_for_overwrite<Row>());
    rows_.back()->fill(kUnknown);
  }
  return at->second;
}

std::int32_t LexemeStates::fill(std::int32_t from, std::uint8_t byte) {
  const Info info = infos_[from];
  const std::int32_t to = next(info, byte);  // may add rows
  (*rows_[from])[byte] = to;
  return to;
}

std::int32_t LexemeStates::next(const Info& info, std::uint8_t byte) {
  switch (info.kind) {
    case Kind::kStart: return byte == '"' ? inside() : kNone;
    case Kind::kChar: return character(info, byte);
    case Kind::kUtf8: {
      if ((byte & 0xC0) != 0x80) return kNone;
      // The bits of this byte cut the range of characters.
      const int shift = 6 * (info.n - 1);
      const Symbol low = (info.low >> (shift + 6) << (shift + 6)) | static_cast<Symbol>(byte & 0x3F) << shift;
      const Symbol high = low | ((Symbol{1} << shift) - 1);
      return narrowed(info.q, info.n - 1, std::max(low, info.low), std::min(high, info.high));
    }
    case Kind::kEscape: return escape(info.q, byte);
    case Kind::kHex:
    case Kind::kLowHex: return hex(info, byte);
    case Kind::kLowBackslash: return byte == '\\' ? state(info.q, Kind::kLowU, 0, 0, 0, info.lead) : kNone;
    case Kind::kLowU: return byte == 'u' ? state(info.q, Kind::kLowHex, 4, 0, 0, info.lead) : kNone;
  }
  return kNone;
}

std::int32_t LexemeStates::character(const Info& info, std::uint8_t byte) {
  if (form_ == Lexeme::Form::kBytes) return after_character(info.q, byte);
  if (form_ == Lexeme::Form::kString) {
    if (byte == '"') return dfa_.accepting(info.q) ? kEnded : kNone;
    if (byte == '\\') {
      const Info escape{info.q, Kind::kEscape, 0, 0, 0, 0};
      return any_of(escape, nullptr) ? state(info.q, Kind::kEscape, 0, 0, 0) : kNone;
    }
    if (byte < 0x20) return kNone;
  }
  if (byte < 0x80) return after_character(info.q, byte);
  if (byte >= 0xC2 && byte <= 0xDF) return narrowed(info.q, 1, (byte & 0x1FU) << 6, (byte & 0x1FU) << 6 | 0x3F);
  if (byte >= 0xE0 && byte <= 0xEF) {
    const Symbol base = (byte & 0x0FU) << 12;
    return narrowed(info.q, 2, std::max<Symbol>(base, 0x800), byte == 0xED ? kSurrogates - 1 : base | 0xFFF);
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    const Symbol base = (byte & 0x07U) << 18;
    return narrowed(info.q, 3, std::max<Symbol>(base, 0x10000), std::min<Symbol>(base | 0x3FFFF, kLastSymbol));
  }
  return kNone;
}

std::int32_t LexemeStates::after_character(std::int32_t q, Symbol symbol) {
  const std::int32_t to = dfa_.step(q, symbol);
  return to == kDead ? kNone : state(to, Kind::kChar, 0, 0, 0);
}

std::int32_t LexemeStates::narrowed(std::int32_t q, std::uint8_t n, Symbol low, Symbol high) {
  if (low > high || !any(q, low, high, nullptr)) return kNone;
  return n == 0 ? after_character(q, low) : state(q, Kind::kUtf8, n, low, high);
}

std::int32_t LexemeStates::escape(std::int32_t q, std::uint8_t byte) {
  switch (byte) {
    case '"':
    case '\\':
    case '/': return after_character(q, byte);
    case 'b': return after_character(q, '\b');
    case 'f': return after_character(q, '\f');
    case 'n': return after_character(q, '\n');
    case 'r': return after_character(q, '\r');
    case 't': return after_character(q, '\t');
    case 'u': {
      const Info info{q, Kind::kHex, 4, 0, 0, 0};
      return any_of(info, nullptr) ? state(q, Kind::kHex, 4, 0, 0) : kNone;
    }
    default: return kNone;
  }
}

std::int32_t LexemeStates::hex(const Info& info, std::uint8_t byte) {
  const int digit = hex_value(byte);
  if (digit < 0) return kNone;
  Info to = info;
  to.low = info.low << 4 | static_cast<Symbol>(digit);
  to.n = info.n - 1;
  if (!any_of(to, nullptr)) return kNone;
  if (to.n > 0) return state(to.q, to.kind, to.n, to.low, 0, to.lead);
  if (to.kind == Kind::kLowHex) {
    return after_character(to.q, 0x10000 + ((to.lead - kSurrogates) << 10) + (to.low - kLowSurrogates));
  }
  if (to.low >= kSurrogates && to.low < kLowSurrogates) return state(to.q, Kind::kLowBackslash, 0, 0, 0, to.low);
  return after_character(to.q, to.low);
}

// Whether some character of low..high leads on (to a tag among `allowed`).
bool LexemeStates::any(std::int32_t q, Symbol low, Symbol high, const Bits* allowed) const {
  if (low > high) return false;
  for (const Edge& e : dfa_.edges(q)) {
    if (e.low > high) return false;
    if (e.high >= low && (allowed == nullptr || intersects(reach_[e.to], *allowed))) return true;
  }
  return false;
}

bool LexemeStates::any_of(const Info& info, const Bits* allowed) const {
  const auto some = [&](Symbol low, Symbol high) { return any(info.q, low, high, allowed); };
  // Characters a \u escape with these leading digits can name, alone or as the first of two.
  const auto from_units = [&](Symbol low, Symbol high) {
    if (some(low, std::min(high, kSurrogates - 1)) || some(std::max(low, kAfterSurrogates), high)) return true;
    const Symbol first = std::max(low, kSurrogates), last = std::min(high, kLowSurrogates - 1);
    return first <= last &&
           some(0x10000 + ((first - kSurrogates) << 10), 0x10000 + ((last - kSurrogates) << 10) + 0x3FF);
  };
  switch (info.kind) {
    case Kind::kStart:
    case Kind::kChar: return true;
    case Kind::kUtf8: return some(info.low, info.high);
    case Kind::kEscape: return from_units(0, 0xFFFF);
    case Kind::kHex: {
      const int shift = 4 * info.n;
      return from_units(info.low << shift, (info.low << shift) | ((Symbol{1} << shift) - 1));
    }
    case Kind::kLowBackslash:
    case Kind::kLowU: {
      const Symbol base = 0x10000 + ((info.lead - kSurrogates) << 10);
      return some(base, base + 0x3FF);
    }
    case Kind::kLowHex: {
      const int shift = 4 * info.n;
      const Symbol low = std::max(info.low << shift, kLowSurrogates);
      const Symbol high = std::min((info.low << shift) | ((Symbol{1} << shift) - 1), kAfterSurrogates - 1);
      const Symbol base = 0x10000 + ((info.lead - kSurrogates) << 10);
      return low <= high && some(base + (low - kLowSurrogates), base + (high - kLowSurrogates));
    }
  }
  return false;
}

bool LexemeStates::reaches(std::int32_t state, const Bits& allowed) {
  if (reach_.empty()) compute_reach();
  const Info& info = infos_[state];
  if (info.kind == Kind::kChar || info.kind == Kind::kStart) return intersects(reach_[info.q], allowed);
  return any_of(info, &allowed);
}

bool LexemeStates::accepts_anything(std::int32_t state) const {
  const Info& info = infos_[state];
  if (info.kind == Kind::kChar) return dfa_.universal(info.q);
  if (info.kind != Kind::kUtf8) return false;
  for (const Edge& e : dfa_.edges(info.q)) {
    if (e.low <= info.low && e.high >= info.high) return dfa_.universal(e.to);
  }
  return false;
}

bool LexemeStates::never_fails(std::int32_t state, const Bits* allowed) {
  if (lasts_.empty()) compute_lasting();
  const std::int32_t q = infos_[state].q;
  return lasts_[q] != 0 && (allowed == nullptr || intersects(lasting_tags_[q], *allowed));
}

// Both are largest fixed points: a state that fails takes those that lead to it along, a tag that is lost is lost there.
void LexemeStates::compute_lasting() {
  if (reach_.empty()) compute_reach();
  lasts_.assign(dfa_.size(), 0);
  lasting_tags_ = reach_;
  if (dfa_.size() > kLastingStatesMax) return;
  std::vector<std::vector<std::int32_t>> back(dfa_.size());
  std::vector<std::int32_t> queue;
  for (std::int32_t q = 0; q < dfa_.size(); ++q) {
    Symbol next = 0;
    for (const Edge& e : dfa_.edges(q)) {
      back[e.to].push_back(q);
      if (e.low == next) next = e.high + 1;
    }
    lasts_[q] = next == kLastSymbol + 1 ? 1 : 0;
    queue.push_back(q);
  }
  while (!queue.empty()) {
    const std::int32_t q = queue.back();
    queue.pop_back();
    for (const std::int32_t from : back[q]) {
      bool changed = lasts_[from] > lasts_[q];
      lasts_[from] = std::min(lasts_[from], lasts_[q]);
      Bits& tags = lasting_tags_[from];
      for (std::size_t i = 0; i < tags.size(); ++i) {
        const std::uint64_t both = tags[i] & (i < lasting_tags_[q].size() ? lasting_tags_[q][i] : 0);
        changed = changed || both != tags[i];
        tags[i] = both;
      }
      if (changed) queue.push_back(from);
    }
  }
}

void LexemeStates::compute_reach() {
  std::vector<std::vector<std::int32_t>> back(dfa_.size());
  std::vector<std::int32_t> queue;
  reach_.resize(dfa_.size());
  for (std::int32_t q = 0; q < dfa_.size(); ++q) {
    for (const Edge& e : dfa_.edges(q)) back[e.to].push_back(q);
    if (!dfa_.accepting(q)) continue;
    set_bit(reach_[q], dfa_.tag(q));
    queue.push_back(q);
  }
  while (!queue.empty()) {
    const std::int32_t q = queue.back();
    queue.pop_back();
    for (const std::int32_t from : back[q]) {
      Bits& bits = reach_[from];
      bool grew = false;
      if (bits.size() < reach_[q].size()) bits.resize(reach_[q].size());
      for (std::size_t i = 0; i < reach_[q].size(); ++i) {
        const std::uint64_t merged = bits[i] | reach_[q][i];
        grew |= merged != bits[i];
        bits[i] = merged;
      }
      if (grew) queue.push_back(from);
    }
  }
}

}  // namespace toccata::grammar
