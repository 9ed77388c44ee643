#include "agent/eval/item_reader.h"

#include <algorithm>
#include <charconv>

namespace toccata::eval {

void ItemReader::wrong(const std::string& what) const { throw Exception(ErrorCode::kInvalidArgument, what); }

const Value* ItemReader::find(const char* name) const {
  const auto field = row_.find(name);
  return field == row_.end() || field->is_null() ? nullptr : &*field;
}

std::string ItemReader::text(const char* name) const {
  const Value* field = find(name);
  if (field == nullptr) wrong(std::string("found no '") + name + "', expected a text");
  if (!field->is_string() || field->get_ref<const std::string&>().empty()) {
    wrong(std::string("found ") + (field->is_string() ? "an empty text" : task::kind_of(*field)) + " for '" + name + "', expected a text");
  }
  return field->get<std::string>();
}

std::string ItemReader::text_or(const char* name, std::string fallback) const {
  return find(name) == nullptr ? std::move(fallback) : text(name);
}

std::string ItemReader::text_or_number(const char* name) const {
  const Value* field = find(name);
  if (field != nullptr && field->is_number()) return task::to_json_text(*field);
  return text(name);
}

double ItemReader::number_or(const char* name, double fallback, double least) const {
  const Value* field = find(name);
  if (field == nullptr) return fallback;
  double value = least - 1;
  if (field->is_number()) value = field->get<double>();
  if (field->is_string()) {  // .csv
    const std::string& text = field->get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) value = least - 1;
  }
  if (!(value >= least)) wrong("found " + task::to_json_text(*field) + " for '" + name + "', expected a number from " + task::to_json_text(least) + " up");
  return value;
}

const Value& ItemReader::list(const char* name, std::size_t least, std::size_t most) const {
  const Value* field = find(name);
  const std::string expected = ", expected a list of " + std::to_string(least) + " to " + std::to_string(most);
  if (field == nullptr) wrong(std::string("found no '") + name + "'" + expected);
  if (!field->is_array()) wrong(std::string("found ") + task::kind_of(*field) + " for '" + name + "'" + expected);
  if (field->size() < least || field->size() > most) wrong("found " + std::to_string(field->size()) + " items in '" + name + "'" + expected);
  return *field;
}

void ItemReader::only(const std::vector<std::string>& known) const {
  for (const auto& [name, value] : row_.items()) {
    if (name == "id" || name.starts_with('_') || std::find(known.begin(), known.end(), name) != known.end()) continue;
    wrong("found the unknown field '" + name + "'" + task::did_you_mean(name, known));
  }
}

}  // namespace toccata::eval
