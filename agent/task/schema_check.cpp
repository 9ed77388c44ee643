#include "agent/task/schema_check.h"

#include <algorithm>

#include "core/grammar/machine.h"
#include "core/grammar/schema.h"

namespace toccata::task {
namespace {

constexpr std::size_t kThreadsMax = 4096;  // readings of one text at once

std::string breach_at(const std::string& text, std::size_t at) {
  constexpr std::size_t kShown = 40;
  std::size_t begin = at > kShown ? at - kShown : 0;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  std::size_t end = at;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return "breaks the schema at byte " + std::to_string(at) + ", behind '" + text.substr(begin, end - begin) + "'";
}

}  // namespace

Result<Schema> make_schema(const Value& source) {
  grammar::CompiledSchema compiled = grammar::compile_schema(source);
  if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) {
    return Error{ErrorCode::kInvalidArgument, "this schema cannot be checked: " + error->text()};
  }
  return Schema{source, std::get<0>(std::move(compiled))};
}

Result<Schema> make_pattern(const std::string& pattern) {
  Result<Schema> schema = make_schema({{"type", "string"}, {"pattern", pattern}});
  if (schema) return schema;
  return Error{ErrorCode::kInvalidArgument, "the pattern '" + pattern + "' cannot be used: " + schema.error().message};
}

std::string schema_breach(const Schema& schema, const Value& value) {
  const std::string text = to_json_text(value);
  grammar::Machine machine(*schema.grammar);
  std::vector<grammar::Thread> now = {machine.start()}, next;
  for (std::size_t i = 0; i < text.size(); ++i) {
    next.clear();
    for (const grammar::Thread& thread : now) machine.step(thread, static_cast<std::uint8_t>(text[i]), next);
    if (next.empty()) return breach_at(text, i);
    if (next.size() > 1) {
      std::vector<grammar::Thread> distinct;
      for (const grammar::Thread& thread : next) {
        if (std::find(distinct.begin(), distinct.end(), thread) == distinct.end()) distinct.push_back(thread);
      }
      next = std::move(distinct);
    }
    if (next.size() > kThreadsMax) return "cannot be checked: the schema has too many readings of it";
    std::swap(now, next);
  }
  const bool ends = std::any_of(now.begin(), now.end(), [&](const grammar::Thread& t) { return machine.may_end(t); });
  return ends ? "" : breach_at(text, text.size());
}

Result<Value> json_answer(std::string_view text) {
  Value value;
  if (parse_json(text, value)) return value;
  const std::size_t open = text.find("```");
  const std::size_t line = open == std::string_view::npos ? open : text.find('\n', open);
  const std::size_t close = line == std::string_view::npos ? line : text.find("```", line);
  if (close != std::string_view::npos && text.find("```", close + 3) == std::string_view::npos &&
      parse_json(text.substr(line, close - line), value)) {
    return value;
  }
  return Error{
      ErrorCode::kCorrupt, "expected one JSON value, found '" + std::string(text.substr(0, 80)) + "'"};
}

}  // namespace toccata::task
