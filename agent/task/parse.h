// From the text of a task file to a Task. Every problem is told with its place, not only the first.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/task/task.h"

namespace toccata::task {

struct ParsedTask {
  Task task;
  std::vector<Problem> problems;  // empty: `task` is sound
};

// Reads a file that the task file names, its path as written there.
using ReadNamed = std::function<Result<std::string>(const std::string& path)>;

ParsedTask parse_task(std::string_view text, const std::string& file, const ReadNamed& read_named = {});

// The file, and the files it names relative to its own folder. Throws Exception when it cannot be read.
ParsedTask load_task(const std::filesystem::path& path);

}  // namespace toccata::task
