#include "agent/task/expression.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "agent/task/number_text.h"

namespace toccata::task {

struct Expression::Node {
  enum class Kind { kConstant, kPath, kNot, kAnd, kOr, kCompare, kFilter, kList } kind = Kind::kConstant;
  Value constant = {};              // kConstant; kPath: the keys and indices, a list
  std::string name = {};            // kCompare: the operator; kFilter: the filter
  std::vector<std::shared_ptr<const Node>> parts = {};  // operands; kFilter: subject, then arguments
};

namespace {

using Node = Expression::Node;
using NodePtr = std::shared_ptr<const Node>;
using Kind = Node::Kind;

constexpr int kDepthMax = 64;

// A path led nowhere: `| default(x)` may still answer.
class Missing : public Exception {
 public:
  explicit Missing(const std::string& message) : Exception(ErrorCode::kInvalidArgument, message) {}
};

[[noreturn]] void wrong(const std::string& message) { throw Exception(ErrorCode::kInvalidArgument, message); }

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool name_part(char c) { return name_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-'; }

const std::map<std::string, int>& filters() {  // name -> arguments
  static const std::map<std::string, int> all = {{"default", 1}, {"json", 0},  {"length", 0}, {"upper", 0},
                                                 {"lower", 0},   {"trim", 0},  {"first", 0},  {"last", 0},
                                                 {"join", 1},    {"lines", 0}, {"number", 0}, {"text", 0}};
  return all;
}

std::vector<std::string> filter_names() {
  std::vector<std::string> names;
  for (const auto& [name, n_arguments] : filters()) names.push_back(name);
  return names;
}

class Parser {
 public:
  Parser(std::string_view source, std::vector<Reference>& references) : source_(source), references_(references) {}

  NodePtr parse() {
    NodePtr node = either();
    blanks();
    if (at_ < source_.size()) fail("'" + std::string(source_.substr(at_, 12)) + "' is not expected here");
    return node;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    wrong("in the expression '" + std::string(source_) + "', at character " + std::to_string(at_ + 1) + ": " + what);
  }

  void blanks() {
    while (at_ < source_.size() && std::isspace(static_cast<unsigned char>(source_[at_])) != 0) ++at_;
  }

  bool take(std::string_view symbol) {
    blanks();
    if (!source_.substr(at_).starts_with(symbol)) return false;
    const std::size_t end = at_ + symbol.size();
    if (name_start(symbol[0]) && end < source_.size() && name_part(source_[end])) return false;
    at_ = end;
    return true;
  }

  void need(std::string_view symbol) {
    if (!take(symbol)) fail("expected '" + std::string(symbol) + "'");
  }

  static NodePtr make(Kind kind, std::vector<NodePtr> parts, std::string name = "", Value constant = {}) {
    return std::make_shared<const Node>(Node{kind, std::move(constant), std::move(name), std::move(parts)});
  }

  NodePtr either() {
    NodePtr left = both();
    while (take("or")) left = make(Kind::kOr, {left, both()});
    return left;
  }

  NodePtr both() {
    NodePtr left = negated();
    while (take("and")) left = make(Kind::kAnd, {left, negated()});
    return left;
  }

  NodePtr negated() {
    if (take("not")) {
      const Depth deeper(*this);
      return make(Kind::kNot, {negated()});
    }
    return compared();
  }

  NodePtr compared() {
    NodePtr left = filtered();
    for (const char* op : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
      if (take(op)) return make(Kind::kCompare, {left, filtered()}, op);
    }
    if (take("not")) {
      need("in");
      return make(Kind::kNot, {make(Kind::kCompare, {left, filtered()}, "in")});
    }
    if (take("=")) fail("a comparison is written '=='");
    return left;
  }

  NodePtr filtered() {
    NodePtr node = primary();
    while (take("|")) {
      blanks();
      const std::string name = take_name();
      const auto known = filters().find(name);
      if (known == filters().end()) {
        std::string names;
        for (const std::string& each : filter_names()) names += (names.empty() ? "" : ", ") + each;
        fail("unknown filter '" + name + "', expected one of " + names + did_you_mean(name, filter_names()));
      }
      std::vector<NodePtr> parts = {node};
      if (take("(")) {
        while (!take(")")) {
          if (parts.size() > 1) need(",");
          parts.push_back(nested());
        }
      }
      if (static_cast<int>(parts.size()) - 1 != known->second) {
        fail("filter '" + name + "' takes " + std::to_string(known->second) + " argument(s), found " +
             std::to_string(parts.size() - 1));
      }
      node = make(Kind::kFilter, std::move(parts), name);
    }
    return node;
  }

  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDepthMax) parser_.fail("nested too deep");
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  NodePtr nested() {
    const Depth deeper(*this);
    return either();
  }

  NodePtr primary() {
    blanks();
    if (at_ == source_.size()) fail("it ends where a value was expected");
    const char c = source_[at_];
    if (take("(")) {
      NodePtr node = nested();
      need(")");
      return node;
    }
    if (take("[")) {
      std::vector<NodePtr> parts;
      while (!take("]")) {
        if (!parts.empty()) need(",");
        parts.push_back(nested());
      }
      return make(Kind::kList, std::move(parts));
    }
    if (c == '\'' || c == '"') return make(Kind::kConstant, {}, "", quoted(c));
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-') return make(Kind::kConstant, {}, "", number());
    if (name_start(c)) return path();
    fail("expected a value, found '" + std::string(1, c) + "'");
  }

  std::string quoted(char quote) {
    std::string text;
    for (++at_; at_ < source_.size(); ++at_) {
      const char c = source_[at_];
      if (c == quote) {
        ++at_;
        return text;
      }
      if (c == '\\' && at_ + 1 < source_.size()) {
        const char next = source_[++at_];
        text += next == 'n' ? '\n' : next == 't' ? '\t' : next;
      } else {
        text += c;
      }
    }
    fail("a text has no closing quote");
  }

  Value number() {
    std::size_t end = at_ + 1;
    while (end < source_.size() && (std::isalnum(static_cast<unsigned char>(source_[end])) != 0 || source_[end] == '.' ||
                                    ((source_[end] == '-' || source_[end] == '+') && (source_[end - 1] | 32) == 'e'))) {
      ++end;
    }
    Value value;
    const std::string text(source_.substr(at_, end - at_));
    if (!parse_json(text, value) || !value.is_number()) fail("'" + text + "' is not a number");
    at_ = end;
    return value;
  }

  std::string take_name() {
    if (at_ == source_.size() || !name_start(source_[at_])) fail("expected a name");
    const std::size_t begin = at_;
    while (at_ < source_.size() && name_part(source_[at_])) ++at_;
    return std::string(source_.substr(begin, at_ - begin));
  }

  NodePtr path() {
    const std::string first = take_name();
    if (first == "true") return make(Kind::kConstant, {}, "", true);
    if (first == "false") return make(Kind::kConstant, {}, "", false);
    if (first == "null") return make(Kind::kConstant, {});
    if (first == "and" || first == "or" || first == "not" || first == "in") fail("expected a value before '" + first + "'");
    Value keys = Value::array({first});
    Reference reference = {first};
    bool constant = true;
    while (at_ < source_.size()) {
      if (source_[at_] == '.') {
        ++at_;
        keys.push_back(take_name());
        if (constant) reference.push_back(keys.back());
      } else if (source_[at_] == '[') {
        ++at_;
        blanks();
        if (at_ == source_.size()) fail("expected an index");
        const char c = source_[at_];
        keys.push_back(c == '\'' || c == '"' ? Value(quoted(c)) : number());
        if (!keys.back().is_string() && !keys.back().is_number_integer()) fail("an index is a whole number or a quoted key");
        constant = constant && keys.back().is_string();
        if (constant) reference.push_back(keys.back());
        need("]");
      } else {
        break;
      }
    }
    references_.push_back(std::move(reference));
    return make(Kind::kPath, {}, "", std::move(keys));
  }

  std::string_view source_;
  std::vector<Reference>& references_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Value look_up(const Value& keys, const Scope& scope) {
  const Value* at = &scope;
  std::string walked;
  for (const Value& key : keys) {
    if (key.is_string()) {
      const std::string& name = key.get_ref<const std::string&>();
      if (!at->is_object() || !at->contains(name)) {
        std::string message = walked.empty() ? "there is no '" + name + "' here" : walked + " has no '" + name + "'";
        if (at->is_object()) {
          std::vector<std::string> names;
          for (const auto& [known, unused] : at->items()) names.push_back(known);
          std::string list;
          for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
          message += "; it has " + (list.empty() ? "nothing" : list) + did_you_mean(name, names);
        } else {
          message += ": it is " + std::string(kind_of(*at));
        }
        throw Missing(message);
      }
      at = &(*at)[name];
      walked += (walked.empty() ? "" : ".") + name;
    } else {
      const auto index = key.get<std::int64_t>();
      const auto size = static_cast<std::int64_t>(at->size());
      if (!at->is_array()) throw Missing(walked + " is " + kind_of(*at) + ", so it has no element " + std::to_string(index));
      if (index >= size || index < -size) {
        throw Missing(walked + " has " + std::to_string(size) + " element(s), so there is none at " + std::to_string(index));
      }
      at = &(*at)[static_cast<std::size_t>(index < 0 ? index + size : index)];
      walked += "[" + std::to_string(index) + "]";
    }
  }
  return *at;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string mapped(std::string text, int (*change)(int)) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(change(c));
  }
  return text;
}

Value lines_of(const std::string& text) {
  Value lines = Value::array();
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

Value apply_filter(const std::string& name, const Value& subject, const Value& argument) {
  if (name == "json") return to_json_text(subject);
  if (name == "text") return to_text(subject);
  if (name == "upper") return mapped(to_text(subject), std::toupper);
  if (name == "lower") return mapped(to_text(subject), std::tolower);
  if (name == "trim") return trimmed(to_text(subject));
  if (name == "lines") return lines_of(to_text(subject));
  if (name == "number") {
    const auto number = last_number(subject);
    if (!number) wrong("there is no number in '" + to_text(subject).substr(0, 80) + "'");
    constexpr double kExact = 9007199254740992;  // 2^53: whole numbers below it are exact
    if (std::trunc(*number) == *number && std::abs(*number) < kExact) return static_cast<std::int64_t>(*number);
    return *number;
  }
  if (name == "length") {
    if (subject.is_string()) return subject.get_ref<const std::string&>().size();
    if (subject.is_structured()) return subject.size();
    wrong(std::string("'length' is of a text, list or mapping, found ") + kind_of(subject));
  }
  if (!subject.is_array()) wrong("'" + name + "' is of a list, found " + kind_of(subject));
  if (name == "join") {
    std::string text;
    for (const Value& item : subject) text += (&item == &subject.front() ? "" : to_text(argument)) + to_text(item);
    return text;
  }
  if (subject.empty()) throw Missing("'" + name + "' of an empty list");
  return name == "first" ? subject.front() : subject.back();
}

bool contains(const Value& whole, const Value& part) {
  if (whole.is_string()) return whole.get_ref<const std::string&>().find(to_text(part)) != std::string::npos;
  if (whole.is_object()) return whole.contains(to_text(part));
  if (!whole.is_array()) wrong(std::string("'in' looks into a text, list or mapping, found ") + kind_of(whole));
  return std::any_of(whole.begin(), whole.end(), [&](const Value& item) { return same(item, part); });
}

bool compare(const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return same(a, b);
  if (op == "!=") return !same(a, b);
  if (op == "in") return contains(b, a);
  int order = 0;
  if (a.is_number() && b.is_number()) {
    order = a < b ? -1 : b < a ? 1 : 0;
  } else if (a.is_string() && b.is_string()) {
    order = a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
  } else {
    wrong("'" + op + "' compares two numbers or two texts, found " + kind_of(a) + " and " + kind_of(b));
  }
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  return op == ">" ? order > 0 : order >= 0;
}

Value evaluate_node(const Node& node, const Scope& scope) {
  const auto part = [&](std::size_t i) { return evaluate_node(*node.parts[i], scope); };
  switch (node.kind) {
    case Kind::kConstant: return node.constant;
    case Kind::kPath: return look_up(node.constant, scope);
    case Kind::kNot: return !truthy(part(0));
    case Kind::kAnd: return truthy(part(0)) && truthy(part(1));
    case Kind::kOr: return truthy(part(0)) || truthy(part(1));
    case Kind::kCompare: return compare(node.name, part(0), part(1));
    case Kind::kList: {
      Value list = Value::array();
      for (const NodePtr& each : node.parts) list.push_back(evaluate_node(*each, scope));
      return list;
    }
    case Kind::kFilter: break;
  }
  if (node.name == "default") {
    try {
      Value value = part(0);
      if (!value.is_null()) return value;
    } catch (const Missing&) {
    }
    return part(1);
  }
  return apply_filter(node.name, part(0), node.parts.size() > 1 ? part(1) : Value());
}

void check_texts(const Value& source, std::vector<Reference>& references, int depth) {
  if (depth > kDepthMax) wrong("nested too deep");
  if (source.is_string()) {
    const Template text = Template::parse(source.get_ref<const std::string&>()).value_or_throw();
    const auto found = text.references();
    references.insert(references.end(), found.begin(), found.end());
  } else if (source.is_structured()) {
    for (const Value& item : source) check_texts(item, references, depth + 1);
  }
}

Value filled(const Value& source, const Scope& scope) {
  if (source.is_string()) return Template::parse(source.get_ref<const std::string&>()).value_or_throw().value(scope);
  if (!source.is_structured()) return source;
  Value result = source;
  for (Value& item : result) item = filled(item, scope);
  return result;
}

}  // namespace

Result<Expression> Expression::parse(std::string_view source) {
  Expression expression;
  expression.source_ = trimmed(std::string(source));
  try {
    expression.root_ = Parser(expression.source_, expression.references_).parse();
  } catch (const Exception& e) {
    return e.error();
  }
  return expression;
}

Value Expression::evaluate(const Scope& scope) const {
  try {
    return evaluate_node(*root_, scope);
  } catch (const Exception& e) {
    wrong("{{ " + source_ + " }}: " + e.what());
  }
}

Result<Template> Template::parse(std::string_view source) {
  Template result;
  result.source_ = source;
  std::size_t at = 0;
  while (at < source.size()) {
    const std::size_t open = source.find("{{", at);
    if (open > at) result.pieces_.push_back({std::string(source.substr(at, open - at)), nullptr});
    if (open == std::string_view::npos) break;
    const std::size_t close = source.find("}}", open);
    if (close == std::string_view::npos) {
      return Error{ErrorCode::kInvalidArgument, "'{{' without '}}': '" + std::string(source.substr(open, 40)) + "'"};
    }
    Result<Expression> expression = Expression::parse(source.substr(open + 2, close - open - 2));
    if (!expression) return expression.error();
    result.pieces_.push_back({"", std::make_shared<const Expression>(std::move(*expression))});
    at = close + 2;
  }
  return result;
}

std::string Template::render(const Scope& scope) const {
  std::string text;
  for (const Piece& piece : pieces_) text += piece.expression ? to_text(piece.expression->evaluate(scope)) : piece.text;
  return text;
}

std::string Template::render_known(const Scope& scope) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    try {
      text += piece.expression ? to_text(piece.expression->evaluate(scope)) : piece.text;
    } catch (const Exception&) {
      text += "{{ " + piece.expression->source() + " }}";
    }
  }
  return text;
}

Value Template::value(const Scope& scope) const {
  if (pieces_.size() == 1 && pieces_[0].expression) return pieces_[0].expression->evaluate(scope);
  return render(scope);
}

std::vector<Reference> Template::references() const {
  std::vector<Reference> all;
  for (const Piece& piece : pieces_) {
    if (piece.expression) all.insert(all.end(), piece.expression->references().begin(), piece.expression->references().end());
  }
  return all;
}

Result<ValueTemplate> ValueTemplate::parse(const Value& source) {
  ValueTemplate result;
  result.source_ = source;
  try {
    check_texts(source, result.references_, 0);
  } catch (const Exception& e) {
    return e.error();
  }
  return result;
}

Value ValueTemplate::value(const Scope& scope) const { return filled(source_, scope); }

}  // namespace toccata::task
