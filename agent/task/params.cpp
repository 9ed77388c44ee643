#include "agent/task/params.h"

#include <algorithm>
#include <cmath>


namespace toccata::task {
namespace {

Error wrong(const Param& param, const std::string& what) {
  return Error{ErrorCode::kInvalidArgument, "parameter '" + param.name + "': " + what};
}

std::string shown(const Value& value) {
  const std::string text = to_json_text(value);
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

bool has_type(const Value& value, ParamType type) {
  switch (type) {
    case ParamType::kString: return value.is_string();
    case ParamType::kInteger: return value.is_number_integer();
    case ParamType::kNumber: return value.is_number();
    case ParamType::kBoolean: return value.is_boolean();
    case ParamType::kList: return value.is_array();
    case ParamType::kObject: return value.is_object();
  }
  return false;
}

std::vector<std::string> names_of(const Task& task) {
  std::vector<std::string> names;
  for (const Param& param : task.params) names.push_back(param.name);
  return names;
}

}  // namespace

Result<GivenParam> split_param(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Error{ErrorCode::kInvalidArgument, "found -p '" + argument + "', expected name=value"};
  }
  return GivenParam{argument.substr(0, equals), argument.substr(equals + 1)};
}

Result<Value> checked_value(const Param& param, const Value& value) {
  Value result = value;
  if (param.type == ParamType::kInteger && value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>() &&
      std::abs(value.get<double>()) < 9e15) {
    result = static_cast<std::int64_t>(value.get<double>());
  }
  if (!has_type(result, param.type)) {
    return wrong(param, "found " + shown(value) + ", expected " + to_string(param.type));
  }
  const auto allowed = [&](const Value& one) { return same(one, result); };
  if (!param.allowed.empty() && std::none_of(param.allowed.begin(), param.allowed.end(), allowed)) {
    std::string list;
    std::vector<std::string> texts;
    for (const Value& one : param.allowed) {
      list += (list.empty() ? "" : ", ") + shown(one);
      texts.push_back(to_text(one));
    }
    return wrong(param, "found " + shown(result) + ", expected one of " + list + did_you_mean(to_text(result), texts));
  }
  const double number = result.is_number() ? result.get<double>() : 0;
  if (param.minimum && number < *param.minimum) {
    return wrong(param, "found " + shown(result) + ", expected at least " + shown(*param.minimum));
  }
  if (param.maximum && number > *param.maximum) {
    return wrong(param, "found " + shown(result) + ", expected at most " + shown(*param.maximum));
  }
  return result;
}

Result<Value> value_from_text(const Param& param, const std::string& text) {
  if (param.type == ParamType::kString) return checked_value(param, text);
  Value value;
  if (!parse_json(text, value)) {
    return wrong(param, "found '" + text.substr(0, 80) + "', expected " + to_string(param.type) +
                            (param.type == ParamType::kList || param.type == ParamType::kObject ? " as JSON" : ""));
  }
  return checked_value(param, value);
}

Result<Value> bind_params(const Task& task, const std::vector<GivenParam>& given, const Value& row) {
  for (const auto& [name, text] : given) {
    const auto names = names_of(task);
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      std::string list;
      for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
      return Error{ErrorCode::kInvalidArgument, "found -p " + name + ", expected one of the parameters of '" + task.name +
                                                    "': " + (list.empty() ? "it has none" : list) + did_you_mean(name, names)};
    }
  }
  Value values = Value::object();
  for (const Param& param : task.params) {
    const auto is_this = [&](const GivenParam& g) { return g.first == param.name; };
    const auto typed = std::find_if(given.rbegin(), given.rend(), is_this);  // the last one wins
    Result<Value> value = param.default_value;
    if (typed != given.rend()) {
      value = value_from_text(param, typed->second);
    } else if (row.is_object() && row.contains(param.name)) {
      const Value& cell = row[param.name];
      value = cell.is_string() ? value_from_text(param, cell.get<std::string>()) : checked_value(param, cell);
    } else if (param.required) {
      return wrong(param, std::string("found nothing, expected ") + to_string(param.type) + ": give -p " + param.name + "=...");
    }
    if (!value) return value.error();
    values[param.name] = *value;
  }
  return values;
}

}  // namespace toccata::task
