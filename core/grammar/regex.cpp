#include "core/grammar/regex.h"

#include <algorithm>
#include <memory>

namespace toccata::grammar {
namespace {

struct Range {
  Symbol low, high;
};
using Ranges = std::vector<Range>;

constexpr int kUnbounded = -1;
constexpr int kRepeatMax = 5000;
constexpr int kDepthMax = 200;

struct Ast {
  enum class Kind { kEmpty, kSet, kCat, kAlt, kRepeat, kBegin, kEnd } kind = Kind::kEmpty;
  Ranges set;
  std::vector<std::unique_ptr<Ast>> children;
  int min = 0, max = 0;
};
using AstPtr = std::unique_ptr<Ast>;

const Ranges kDigit = {{'0', '9'}};
const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
// Space in ECMA-262 and in Python; and in either of them.
const Ranges kSpace = {{9, 13}, {32, 32}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
                       {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
const Ranges kSpaceOfEither = {{9, 13}, {28, 32}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A},
                               {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
                               {0xFEFF, 0xFEFF}};
const Ranges kLineEnd = {{10, 10}, {13, 13}, {0x2028, 0x2029}};
const Ranges kNotAscii = {{0x80, kLastSymbol}};

Ranges normal(Ranges set) {
  std::sort(set.begin(), set.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  Ranges out;
  for (const Range& r : set) {
    if (!out.empty() && r.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, r.high);
    } else {
      out.push_back(r);
    }
  }
  return out;
}

Ranges complement(const Ranges& set) {
  Ranges out;
  Symbol from = 0;
  for (const Range& r : normal(set)) {
    if (from < r.low) out.push_back({from, r.low - 1});
    from = r.high + 1;
  }
  if (from <= kLastSymbol) out.push_back({from, kLastSymbol});
  return out;
}

void add(Ranges& to, const Ranges& more) { to.insert(to.end(), more.begin(), more.end()); }

Error unsupported(const std::string& what) { return {ErrorCode::kUnsupported, what + " is not supported"}; }

// A class as it counts when it is let through and as it counts when it is excluded.
struct ClassPair {
  Ranges least, most;
};

ClassPair class_escape(char name) {
  switch (name) {
    case 'd': {
      Ranges most = kDigit;
      add(most, kNotAscii);
      return {kDigit, most};
    }
    case 'w': {
      Ranges most = kWord;
      add(most, kNotAscii);
      return {kWord, most};
    }
    case 's': return {kSpace, kSpaceOfEither};
    case 'D':
    case 'W': {
      const ClassPair positive = class_escape(name == 'D' ? 'd' : 'w');
      return {complement(positive.most), complement(positive.least)};
    }
    default: return {complement(kSpaceOfEither), complement(kSpace)};  // S
  }
}

class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : text_(code_points(pattern)) {}

  AstPtr parse() {
    AstPtr ast = alternatives(0);
    if (at_ < text_.size()) fail("unmatched ')'");
    return ast;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Exception(ErrorCode::kInvalidArgument, what + " at character " + std::to_string(at_));
  }
  bool more() const { return at_ < text_.size(); }
  Symbol peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : kLastSymbol + 1;
  }
  bool take(char c) {
    if (peek() != static_cast<Symbol>(c)) return false;
    ++at_;
    return true;
  }

  AstPtr alternatives(int depth) {
    if (depth > kDepthMax) fail("groups too deep");
    auto alt = std::make_unique<Ast>();
    alt->kind = Ast::Kind::kAlt;
    do {
      auto cat = std::make_unique<Ast>();
      cat->kind = Ast::Kind::kCat;
      while (more() && peek() != '|' && peek() != ')') cat->children.push_back(repeated(depth));
      alt->children.push_back(std::move(cat));
    } while (take('|'));
    return alt->children.size() == 1 ? std::move(alt->children[0]) : std::move(alt);
  }

  AstPtr repeated(int depth) {
    AstPtr atom = this->atom(depth);
    while (more()) {
      int min = 0, max = kUnbounded;
      if (take('*')) {
      } else if (take('+')) {
        min = 1;
      } else if (take('?')) {
        max = 1;
      } else if (!braces(min, max)) {
        break;
      }
      take('?');  // laziness does not change the language
      if (peek() == '+') throw Exception(unsupported("a possessive quantifier"));
      if (max != kUnbounded && max < min) fail("numbers out of order in {}");
      auto repeat = std::make_unique<Ast>();
      repeat->kind = Ast::Kind::kRepeat;
      repeat->min = min;
      repeat->max = max;
      repeat->children.push_back(std::move(atom));
      atom = std::move(repeat);
    }
    return atom;
  }

  // {m}, {m,} or {m,n}; a brace that is none of these is a character.
  bool braces(int& min, int& max) {
    if (peek() != '{') return false;
    std::size_t i = at_ + 1;
    const auto number = [&](int& value) {
      const std::size_t begin = i;
      value = 0;
      while (i < text_.size() && text_[i] >= '0' && text_[i] <= '9') {
        value = std::min(value * 10 + static_cast<int>(text_[i++] - '0'), 1'000'000);
      }
      return i > begin;
    };
    if (!number(min)) return false;
    max = min;
    if (i < text_.size() && text_[i] == ',') {
      ++i;
      if (!number(max)) max = kUnbounded;
    }
    if (i >= text_.size() || text_[i] != '}') return false;
    at_ = i + 1;
    if (min > kRepeatMax || max > kRepeatMax) {
      throw Exception(
          ErrorCode::kResourceExhausted, "a repeat above " + std::to_string(kRepeatMax) + " (use maxLength)"
      );
    }
    return true;
  }

  AstPtr set_of(Ranges ranges) {
    auto ast = std::make_unique<Ast>();
    ast->kind = Ast::Kind::kSet;
    ast->set = normal(std::move(ranges));
    return ast;
  }

  AstPtr atom(int depth) {
    const Symbol c = peek();
    if (c == '*' || c == '+' || c == '?') fail("nothing to repeat");
    ++at_;
    switch (c) {
      case '(': return group(depth);
      case '[': return set_of(bracket());
      case '.': return set_of(complement(kLineEnd));
      case '\\': return escape();
      case '^':
      case '$': {
        auto ast = std::make_unique<Ast>();
        ast->kind = c == '^' ? Ast::Kind::kBegin : Ast::Kind::kEnd;
        return ast;
      }
      default: return set_of({{c, c}});
    }
  }

  AstPtr group(int depth) {
    if (take('?')) {
      if (peek() == '=' || peek() == '!') throw Exception(unsupported("look-ahead (?" + std::string(1, static_cast<char>(peek())) + "...)"));
      if (peek() == '<' && (peek(1) == '=' || peek(1) == '!')) throw Exception(unsupported("look-behind"));
      if (peek() == 'P') ++at_;
      if (take('<')) {
        while (more() && peek() != '>') ++at_;
        if (!take('>')) fail("unfinished group name");
      } else if (!take(':')) {
        throw Exception(unsupported("a group with flags"));
      }
    }
    AstPtr inside = alternatives(depth + 1);
    if (!take(')')) fail("missing ')'");
    return inside;
  }

  AstPtr escape() {
    if (!more()) fail("a lone backslash");
    const Symbol c = peek();
    if (c == 'b' || c == 'B') throw Exception(unsupported("the word boundary \\b"));
    if (c >= '1' && c <= '9') throw Exception(unsupported("a back-reference"));
    if (c == 'k') throw Exception(unsupported("a back-reference"));
    if (is_class(c)) {
      ++at_;
      return set_of(class_escape(static_cast<char>(c)).least);
    }
    const Symbol symbol = character_escape();
    return set_of({{symbol, symbol}});
  }

  static bool is_class(Symbol c) {
    return c == 'd' || c == 'D' || c == 'w' || c == 'W' || c == 's' || c == 'S';
  }

  Symbol hex(int n_digits) {
    Symbol value = 0;
    for (int i = 0; i < n_digits; ++i) {
      const Symbol c = peek();
      if (c >= '0' && c <= '9') {
        value = value * 16 + (c - '0');
      } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
        value = value * 16 + ((c | 32) - 'a' + 10);
      } else {
        fail("expected a hexadecimal digit");
      }
      ++at_;
    }
    return value;
  }

  // After the backslash.
  Symbol character_escape() {
    const Symbol c = peek();
    ++at_;
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'f': return '\f';
      case 'v': return '\v';
      case '0': return 0;
      case 'x': return hex(2);
      case 'u': return unicode_escape();
      case 'p':
      case 'P': throw Exception(unsupported("the Unicode property \\p{...}"));
      case 'c': throw Exception(unsupported("the control escape \\c"));
      default: break;
    }
    if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
      throw Exception(unsupported("the escape \\" + std::string(1, static_cast<char>(c))));
    }
    return c;
  }

  Symbol unicode_escape() {
    if (take('{')) {
      Symbol value = 0;
      while (more() && peek() != '}') {
        value = value * 16 + hex(1);
        if (value > kLastSymbol) fail("a code point above U+10FFFF");
      }
      if (!take('}')) fail("unfinished \\u{...}");
      return value;
    }
    const Symbol high = hex(4);
    if (high >= 0xD800 && high < 0xDC00 && peek() == '\\' && peek(1) == 'u') {
      at_ += 2;
      return 0x10000 + ((high - 0xD800) << 10) + (hex(4) - 0xDC00);
    }
    return high;
  }

  Ranges bracket() {
    const bool negated = take('^');
    Ranges least, most;
    while (true) {
      if (!more()) fail("missing ']'");
      if (take(']')) break;
      ClassPair item = bracket_item();
      const bool single = item.least.size() == 1 && item.least[0].low == item.least[0].high && !was_class_;
      if (single && peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        const Symbol low = item.least[0].low;
        const ClassPair end = bracket_item();
        if (was_class_) fail("a class as the end of a range");
        if (end.least[0].low < low) fail("a range out of order");
        item.least = item.most = {{low, end.least[0].low}};
      }
      add(least, item.least);
      add(most, item.most);
    }
    return negated ? complement(most) : least;
  }

  ClassPair bracket_item() {
    was_class_ = false;
    Symbol c = peek();
    ++at_;
    if (c == '\\') {
      if (!more()) fail("a lone backslash");
      if (is_class(peek())) {
        was_class_ = true;
        c = peek();
        ++at_;
        return class_escape(static_cast<char>(c));
      }
      if (peek() == 'b') {
        ++at_;
        c = 8;
      } else {
        c = character_escape();
      }
    }
    return {{{c, c}}, {{c, c}}};
  }

  std::vector<Symbol> text_;
  std::size_t at_ = 0;
  bool was_class_ = false;
};

class Emitter {
 public:
  explicit Emitter(Nfa& nfa) : nfa_(nfa) {}

  // The end of the part of the automaton that begins at `from`.
  int emit(const Ast& ast, int from) {
    if (nfa_.size() > 4 * kRegexStatesMax) {
      throw Exception(ErrorCode::kResourceExhausted, "the expression is too large");
    }
    switch (ast.kind) {
      case Ast::Kind::kEmpty: return from;
      case Ast::Kind::kSet: {
        const int to = nfa_.add();
        for (const Range& r : ast.set) nfa_.edge(from, r.low, r.high, to);
        return to;
      }
      case Ast::Kind::kCat:
        for (const AstPtr& child : ast.children) from = emit(*child, from);
        return from;
      case Ast::Kind::kAlt: {
        const int to = nfa_.add();
        for (const AstPtr& child : ast.children) {
          const int begin = nfa_.add();
          nfa_.epsilon(from, begin);
          nfa_.epsilon(emit(*child, begin), to);
        }
        return to;
      }
      case Ast::Kind::kRepeat: return repeat(ast, from);
      case Ast::Kind::kBegin: {
        const int to = nfa_.add();
        nfa_.at_begin(from, to);
        return to;
      }
      case Ast::Kind::kEnd: {
        const int to = nfa_.add();
        nfa_.at_end(from, to);
        return to;
      }
    }
    return from;
  }

 private:
  int repeat(const Ast& ast, int from) {
    for (int i = 0; i < ast.min; ++i) from = emit(*ast.children[0], from);
    if (ast.max == kUnbounded) {
      const int loop = nfa_.add();
      nfa_.epsilon(from, loop);
      nfa_.epsilon(emit(*ast.children[0], loop), loop);
      return loop;
    }
    const int to = nfa_.add();
    nfa_.epsilon(from, to);
    for (int i = ast.min; i < ast.max; ++i) {
      const int begin = nfa_.add();
      nfa_.epsilon(from, begin);
      from = emit(*ast.children[0], begin);
      nfa_.epsilon(from, to);
    }
    return to;
  }

  Nfa& nfa_;
};

}  // namespace

Result<Dfa> compile_regex(std::string_view pattern, RegexMatch match) {
  try {
    const AstPtr ast = RegexParser(pattern).parse();
    Nfa nfa;
    const int start = nfa.add();
    const int accept = nfa.add();
    const int begin = nfa.add();
    nfa.epsilon(start, begin);
    if (match == RegexMatch::kSearch) {
      // What stands before the match; its own node, so that ^ holds at the very beginning only.
      const int before = nfa.add();
      nfa.edge(start, 0, kLastSymbol, before);
      nfa.edge(before, 0, kLastSymbol, before);
      nfa.epsilon(before, begin);
      nfa.edge(accept, 0, kLastSymbol, accept);
    }
    Emitter emitter(nfa);
    nfa.epsilon(emitter.emit(*ast, begin), accept);
    std::optional<Dfa> dfa = nfa.determinise(start, accept, kRegexStatesMax);
    if (!dfa) return Error{ErrorCode::kResourceExhausted, "the expression needs too many states"};
    return *std::move(dfa);
  } catch (const Exception& failure) {
    return failure.error();
  }
}

}  // namespace toccata::grammar
