#include "agent/task/yaml_reader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "core/tokenizer/utf8.h"

namespace toccata::task {
namespace {

bool all_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

// The core schema of YAML 1.2, less octal and hexadecimal: `yes`, `on` and `12:30` are texts.
Value plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits = std::string_view(text).substr(text[0] == '-' || text[0] == '+' ? 1 : 0);
  if (digits.empty() || !all_of(digits, "0123456789.eE+-") || digits[0] == 'e' || digits[0] == 'E') return text;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(begin, end, integer); error == std::errc() && at == end) return integer;
  double number = 0;
  if (const auto [at, error] = std::from_chars(begin, end, number); error == std::errc() && at == end && std::isfinite(number)) {
    return number;
  }
  return text;
}

std::optional<std::size_t> not_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const tokenizer::Utf8Char character = tokenizer::read_utf8(text.substr(at));
    if (character.status != tokenizer::Utf8Status::kValid) return at;
    at += character.length;
  }
  return std::nullopt;
}

Place place_of(std::string_view text, std::size_t at, const std::string& file) {
  const std::string_view before = text.substr(0, at);
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 == 0
  return {file, static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1, static_cast<int>(at - line_begin) + 1};
}

class Reader {
 public:
  Reader(const std::string& file, const YamlLimits& limits) : file_(file), limits_(limits) {}

  YamlNode read(const YAML::Node& node, int depth) {
    YamlNode result;
    result.place = place(node.Mark());
    if (depth > limits_.depth) fail(result.place, "nested deeper than " + std::to_string(limits_.depth));
    if (++n_nodes_ > limits_.nodes) {
      fail(result.place, "more than " + std::to_string(limits_.nodes) + " values, aliases expanded");
    }
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: break;
      case YAML::NodeType::Scalar:
        result.text = node.Scalar();
        result.scalar = node.Tag() == "!" ? Value(result.text) : plain_scalar(result.text);
        check_tag(node, result.place);
        break;
      case YAML::NodeType::Sequence:
        result.kind = YamlNode::Kind::kList;
        for (const auto& item : node) result.items.push_back(read(item, depth + 1));
        break;
      case YAML::NodeType::Map:
        result.kind = YamlNode::Kind::kMap;
        for (const auto& field : node) read_field(field.first, field.second, depth, result);
        break;
    }
    return result;
  }

  [[noreturn]] static void fail(const Place& at, const std::string& what) {
    throw Exception(ErrorCode::kInvalidArgument, Problem{at, what}.text());
  }
  Place place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

 private:
  void check_tag(const YAML::Node& node, const Place& at) const {
    const std::string& tag = node.Tag();
    if (tag.empty() || tag == "?" || tag == "!" ) return;
    fail(at, "found the tag '" + tag + "', expected a value without a tag");
  }

  void read_field(const YAML::Node& key, const YAML::Node& value, int depth, YamlNode& map) {
    const Place at = place(key.Mark());
    if (!key.IsScalar()) fail(at, "found a key that is no text, expected a name");
    if (key.Scalar().empty()) fail(at, "found an empty key, expected a name");
    if (map.find(key.Scalar()) != nullptr) fail(at, "found the key '" + key.Scalar() + "' twice, expected it once");
    YamlNode read_value = read(value, depth + 1);
    if (value.IsNull()) read_value.place = at;  // an empty value has no place of its own
    map.fields.push_back({key.Scalar(), at, std::move(read_value)});
  }

  const std::string& file_;
  YamlLimits limits_;
  int n_nodes_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto field = std::find_if(fields.begin(), fields.end(), [&](const YamlField& f) { return f.key == key; });
  return field == fields.end() ? nullptr : &field->value;
}

Value YamlNode::value() const {
  if (kind == Kind::kScalar) return scalar;
  Value result = kind == Kind::kList ? Value::array() : Value::object();
  for (const YamlNode& item : items) result.push_back(item.value());
  for (const YamlField& field : fields) result[field.key] = field.value.value();
  return result;
}

std::string YamlNode::found() const {
  if (kind == Kind::kList) return "a list";
  if (kind == Kind::kMap) return "a mapping";
  if (scalar.is_null()) return "nothing";
  if (scalar.is_number()) return "the number " + text;
  if (scalar.is_boolean()) return text;
  return "'" + (text.size() > 60 ? text.substr(0, 57) + "..." : text) + "'";
}

Result<YamlNode> read_yaml(std::string_view text, const std::string& file, const YamlLimits& limits) {
  Reader reader(file, limits);
  try {
    if (text.size() > limits.bytes) {
      Reader::fail({file, 1, 1}, "the file has " + std::to_string(text.size()) + " bytes, expected at most " +
                                     std::to_string(limits.bytes));
    }
    if (const auto bad = not_utf8(text)) Reader::fail(place_of(text, *bad, file), "found bytes that are not UTF-8, expected text");
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() != 1) {
      Reader::fail({file, 1, 1}, "found " + std::to_string(documents.size()) + " YAML documents, expected one");
    }
    return reader.read(documents[0], 0);
  } catch (const YAML::Exception& e) {
    return Error{ErrorCode::kInvalidArgument, Problem{reader.place(e.mark), "this is not YAML: " + e.msg}.text()};
  } catch (const Exception& e) {
    return e.error();
  }
}

Problem problem_of(const Error& error, const std::string& file) {
  Problem problem{{file, 1, 1}, error.message};
  const std::string prefix = file + ":";
  int line = 0, column = 0, length = 0;
  if (error.message.starts_with(prefix) &&
      std::sscanf(error.message.c_str() + prefix.size(), "%d:%d: %n", &line, &column, &length) == 2 && length > 0) {
    problem.place.line = line;
    problem.place.column = column;
    problem.message = error.message.substr(prefix.size() + static_cast<std::size_t>(length));
  }
  return problem;
}

}  // namespace toccata::task
