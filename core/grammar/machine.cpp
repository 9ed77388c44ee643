#include "core/grammar/machine.h"

#include <algorithm>
#include <bit>

namespace toccata::grammar {
namespace {

constexpr int kIndentMax = 32;
constexpr int kNothing = 0, kSpace = 1, kLine = 2;  // kLine + blanks behind the line end

// White space so far and one more byte; -1: not white space, or too much of it.
int white_space(int so_far, std::uint8_t byte) {
  if (so_far == kNothing && byte == ' ') return kSpace;
  if (so_far == kNothing && byte == '\n') return kLine;
  if (so_far >= kLine && so_far < kLine + kIndentMax && (byte == ' ' || byte == '\t')) return so_far + 1;
  return -1;
}

int n_bits(const Bits& bits) {
  int n = 0;
  for (const std::uint64_t word : bits) n += std::popcount(word);
  return n;
}

int n_missing(const Bits& of, const Bits& in) {
  int n = 0;
  for (std::size_t i = 0; i < of.size(); ++i) n += std::popcount(of[i] & ~(i < in.size() ? in[i] : 0));
  return n;
}

}  // namespace

std::size_t Machine::FrameHash::operator()(const Frame& f) const {
  std::uint64_t hash = 0;
  for (const std::int32_t part :
       {f.parent, static_cast<std::int32_t>(f.type), f.index, f.seen, f.count, f.others}) {
    hash = (hash ^ static_cast<std::uint32_t>(part)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
  }
  return hash;
}

std::size_t Machine::BitsHash::operator()(const Bits& bits) const {
  std::uint64_t hash = bits.size();
  for (const std::uint64_t word : bits) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
  }
  return hash;
}

Machine::Machine(const Grammar& grammar) : grammar_(grammar) {
  lexemes_.resize(grammar.lexemes.size());
  keys_.resize(grammar.objects.size());
  frames_.emplace_back();
  seen_set({});
}

std::int32_t Machine::frame(const Frame& frame) {
  const auto [at, is_new] = frame_ids_.emplace(frame, static_cast<std::int32_t>(frames_.size()));
  if (is_new) frames_.push_back(frame);
  return at->second;
}

std::int32_t Machine::seen_set(const Bits& bits) {
  const auto [at, is_new] = seen_ids_.emplace(bits, static_cast<std::int32_t>(seen_sets_.size()));
  if (is_new) seen_sets_.push_back(bits);
  return at->second;
}

LexemeStates& Machine::lexeme(int index) {
  auto& states = lexemes_[index];
  if (!states) {
    const Lexeme& lexeme = grammar_.lexemes[index];
    states = std::make_unique<LexemeStates>(lexeme.form, *lexeme.dfa);
  }
  return *states;
}

LexemeStates& Machine::keys(int object) {
  auto& states = keys_[object];
  if (!states) states = std::make_unique<LexemeStates>(Lexeme::Form::kString, grammar_.objects[object].keys);
  return *states;
}

LexemeStates& Machine::states_of(const Thread& thread) {
  return thread.phase == Phase::kKey ? keys(frames_[thread.frame].index) : lexeme(thread.a);
}

bool Machine::may_end(const Thread& thread) {
  if (thread.frame != 0) return false;
  if (thread.phase == Phase::kDone) return true;
  if (thread.phase == Phase::kLexeme) {
    return grammar_.lexemes[thread.a].form != Lexeme::Form::kString && lexeme(thread.a).may_end(thread.b);
  }
  if (thread.phase != Phase::kValue) return false;
  for (const int index : grammar_.nodes[thread.a].lexemes) {  // an empty text
    if (grammar_.lexemes[index].form == Lexeme::Form::kText && lexeme(index).may_end(lexeme(index).start())) {
      return true;
    }
  }
  return false;
}

void Machine::step(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out) {
  switch (thread.phase) {
    case Phase::kLexeme: return step_lexeme(thread, byte, out);
    case Phase::kKey: return step_key(thread, byte, out);
    case Phase::kValue:
      if (byte == ' ' && thread.b == 1) {
        out.push_back({thread.frame, Phase::kValue, thread.a, 0, 0});
      } else {
        begin_value(thread.frame, thread.a, byte, out);
      }
      return;
    case Phase::kColon:
      if (byte == ':') out.push_back({thread.frame, Phase::kValue, thread.a, 1, 0});
      return;
    case Phase::kObjectOpen:
    case Phase::kObjectComma:
    case Phase::kObjectAfter: return step_object(thread, byte, out);
    case Phase::kArrayOpen:
    case Phase::kArrayComma:
    case Phase::kArrayAfter: return step_array(thread, byte, out);
    case Phase::kDone: return;
  }
}

void Machine::begin_value(std::int32_t at, int node, std::uint8_t byte, std::vector<Thread>& out) {
  const Node& alternatives = grammar_.nodes[node];
  for (const int index : alternatives.lexemes) {
    LexemeStates& states = lexeme(index);
    const std::int32_t to = states.step(states.start(), byte);
    if (to >= 0) out.push_back({at, Phase::kLexeme, index, to});
  }
  if (byte == '{') {
    for (const int index : alternatives.objects) {
      out.push_back({frame({at, Frame::Type::kObject, index}), Phase::kObjectOpen});
    }
  } else if (byte == '[') {
    for (const int index : alternatives.arrays) {
      out.push_back({frame({at, Frame::Type::kArray, index}), Phase::kArrayOpen});
    }
  }
}

void Machine::value_done(std::int32_t at, std::vector<Thread>& out) {
  Frame top = frames_[at];
  if (top.type == Frame::Type::kBottom) {
    out.push_back({at, Phase::kDone});
  } else if (top.type == Frame::Type::kObject) {
    out.push_back({at, Phase::kObjectAfter});
  } else {
    const ArrayType& array = grammar_.arrays[top.index];
    const auto enough = std::max<std::int64_t>(array.items_min, static_cast<std::int64_t>(array.prefix.size()));
    if (array.items_max != kUnlimited || top.count < enough) ++top.count;
    out.push_back({frame(top), Phase::kArrayAfter});
  }
}

void Machine::step_lexeme(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out) {
  LexemeStates& states = lexeme(thread.a);
  const Lexeme& lexeme = grammar_.lexemes[thread.a];
  const std::int32_t to = states.step(thread.b, byte);
  if (to >= 0) {
    std::int32_t n = thread.n;
    if (lexeme.form == Lexeme::Form::kString && states.at_character(thread.b)) {
      if (n >= lexeme.length_max) return;
      // Beyond the least length nothing depends on the count when there is no highest.
      if (lexeme.length_max != kUnlimited || n < lexeme.length_min) ++n;
    }
    out.push_back({thread.frame, Phase::kLexeme, thread.a, to, n});
  } else if (to == LexemeStates::kEnded) {
    if (thread.n >= lexeme.length_min) value_done(thread.frame, out);
  } else if (lexeme.form == Lexeme::Form::kBytes && thread.frame != 0 && states.may_end(thread.b)) {
    // The byte behind a number belongs to what is around it.
    std::vector<Thread> after;
    value_done(thread.frame, after);
    for (const Thread& next : after) step(next, byte, out);
  }
}

void Machine::step_key(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out) {
  LexemeStates& states = keys(frames_[thread.frame].index);
  const std::int32_t to = states.step(thread.b, byte);
  if (to == LexemeStates::kEnded) return key_done(thread, out);
  if (to >= 0 && key_is_open(thread, to)) out.push_back({thread.frame, Phase::kKey, 0, to});
}

bool Machine::key_is_open(const Thread& thread, std::int32_t state) {
  return keys(frames_[thread.frame].index).reaches(state, allowed(thread.frame));
}

bool Machine::takes_any_character(const Thread& thread) {
  if (thread.phase == Phase::kKey) {
    return keys(frames_[thread.frame].index).never_fails(thread.b, &allowed(thread.frame));
  }
  return states_of(thread).never_fails(thread.b, nullptr);
}

void Machine::key_done(const Thread& thread, std::vector<Thread>& out) {
  Frame top = frames_[thread.frame];
  const ObjectType& object = grammar_.objects[top.index];
  const std::int32_t tag = keys(top.index).tag(thread.b);
  if (tag < 0 || !has_bit(allowed(thread.frame), tag)) return;
  if (tag < object.n_declared) {
    Bits seen = seen_sets_[top.seen];
    set_bit(seen, tag);
    top.seen = seen_set(seen);
  } else {
    top.others = object.properties_min > 0 ? 1 : 0;
  }
  if (object.properties_max != kUnlimited) ++top.count;
  out.push_back({frame(top), Phase::kColon, object.value[tag]});
}

void Machine::close_string(const Thread& thread, std::vector<Thread>& out) {
  if (thread.phase == Phase::kKey) {
    key_done(thread, out);
  } else {
    value_done(thread.frame, out);
  }
}

void Machine::step_object(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out) {
  const Frame& top = frames_[thread.frame];
  const bool after = thread.phase == Phase::kObjectAfter;
  if (const int space = white_space(thread.n, byte); space >= 0) {
    if (!after || may_close_object(top)) out.push_back({thread.frame, thread.phase, 0, 0, space});
  } else if (byte == '"' && !after) {
    LexemeStates& states = keys(top.index);
    if (grammar_.objects[top.index].keys.empty()) return;
    const std::int32_t inside = states.inside();
    if (key_is_open(thread, inside)) out.push_back({thread.frame, Phase::kKey, 0, inside});
  } else if (byte == ',' && after && thread.n == kNothing) {
    if (grammar_.objects[top.index].keys.empty()) return;
    const std::int32_t inside = keys(top.index).inside();
    if (key_is_open(thread, inside)) out.push_back({thread.frame, Phase::kObjectComma});
  } else if (byte == '}' && thread.phase != Phase::kObjectComma && may_close_object(top)) {
    value_done(top.parent, out);
  }
}

void Machine::step_array(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out) {
  const Frame top = frames_[thread.frame];
  const ArrayType& array = grammar_.arrays[top.index];
  const bool after = thread.phase == Phase::kArrayAfter;
  const bool may_close = top.count >= array.items_min;
  const bool may_go_on = top.count < array.items_max && item_node(top) >= 0;
  if (const int space = white_space(thread.n, byte); space >= 0) {
    if (!after || may_close) out.push_back({thread.frame, thread.phase, 0, 0, space});
  } else if (byte == ']' && thread.phase != Phase::kArrayComma) {
    if (may_close) value_done(top.parent, out);
  } else if (after) {
    if (byte == ',' && thread.n == kNothing && may_go_on) out.push_back({thread.frame, Phase::kArrayComma});
  } else if (may_go_on) {
    begin_value(thread.frame, item_node(top), byte, out);
  }
}

int Machine::item_node(const Frame& top) const {
  const ArrayType& array = grammar_.arrays[top.index];
  return top.count < static_cast<std::int64_t>(array.prefix.size()) ? array.prefix[top.count] : array.items;
}

bool Machine::may_close_object(const Frame& top) const {
  const ObjectType& object = grammar_.objects[top.index];
  const Bits& seen = seen_sets_[top.seen];
  if (n_missing(object.required, seen) > 0) return false;
  if (object.properties_min > n_bits(seen) + top.others) return false;
  for (int i = 0; i < static_cast<int>(object.needs.size()); ++i) {
    if (has_bit(seen, i) && n_missing(object.needs[i], seen) > 0) return false;
  }
  return true;
}

const Bits& Machine::allowed(std::int32_t at) {
  if (const auto found = allowed_.find(at); found != allowed_.end()) return found->second;
  const Frame& top = frames_[at];
  const ObjectType& object = grammar_.objects[top.index];
  const Bits& seen = seen_sets_[top.seen];
  const int missing = n_missing(object.required, seen);
  const int distinct = n_bits(seen) + top.others;
  // A key may come when what must come after it still fits under maxProperties.
  const auto fits = [&](int missing_after, int distinct_after) {
    if (object.properties_max == kUnlimited) return true;
    const std::int64_t need = std::max<std::int64_t>(missing_after, object.properties_min - distinct_after);
    return top.count + 1 + std::max<std::int64_t>(need, 0) <= object.properties_max;
  };
  Bits bits;
  for (int tag = 0; tag < static_cast<int>(object.value.size()); ++tag) {
    if (!has_bit(object.usable, tag)) continue;
    if (tag < object.n_declared) {
      if (has_bit(seen, tag) || !fits(missing - (has_bit(object.required, tag) ? 1 : 0), distinct + 1)) continue;
    } else if (!fits(missing, distinct + (top.others != 0 ? 0 : 1))) {
      continue;
    }
    set_bit(bits, tag);
  }
  return allowed_.emplace(at, std::move(bits)).first->second;
}

}  // namespace toccata::grammar
