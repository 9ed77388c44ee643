// Reports of a dataset for programs (JUnit XML) and for people (Markdown). A single run is a dataset of one.
#pragma once

#include <string>

#include "agent/task/batch.h"

namespace toccata::task {

// <testsuites><testsuite><testcase>, as CI servers read it. Control characters that XML cannot hold become U+FFFD.
std::string junit_report(const std::string& task_name, const BatchReport& report);

// Totals, then a table of the rows that did not pass, then all rows.
std::string markdown_report(const std::string& task_name, const BatchReport& report);

}  // namespace toccata::task
