// Parameters: from what the user typed, or what a row of a dataset holds, to values of the declared types.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/task/task.h"

namespace toccata::task {

// "a=1" as it stood after -p, split at the first "=".
using GivenParam = std::pair<std::string, std::string>;
Result<GivenParam> split_param(const std::string& argument);

// The value as the parameter's type has it; kInvalidArgument says what was found and expected.
Result<Value> checked_value(const Param& param, const Value& value);
// The same from a text: "12" for an integer, JSON for lists and objects.
Result<Value> value_from_text(const Param& param, const std::string& text);

// Every parameter of the task, in its order: given > row > default. `row`: an object, or null when there is none; its
// columns that are no parameters are left alone. Texts in a row are read as the type demands, as CSV has only texts.
Result<Value> bind_params(const Task& task, const std::vector<GivenParam>& given, const Value& row);

}  // namespace toccata::task
