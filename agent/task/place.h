// Where something stands in a task file, and what is wrong there.
#pragma once

#include <string>
#include <vector>

namespace toccata::task {

struct Place {
  std::string file;
  int line = 0, column = 0;  // from 1
  // "report.yaml:3:7"; without a line the file alone.
  std::string text() const {
    return line == 0 ? file : file + ":" + std::to_string(line) + ":" + std::to_string(column);
  }
  friend bool operator==(const Place&, const Place&) = default;
};

struct Problem {
  Place place;
  std::string message;  // what was found, what was expected
  std::string text() const { return place.text() + ": " + message; }
  friend bool operator==(const Problem&, const Problem&) = default;
};

// A line each.
inline std::string text_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += (text.empty() ? "" : "\n") + problem.text();
  return text;
}

}  // namespace toccata::task
