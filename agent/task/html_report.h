// A dataset's report as one HTML page for people: figures, plots, all rows with a filter. Nothing is loaded from anywhere, and
// nothing that a model or a row says becomes markup.
#pragma once

#include <string>
#include <vector>

#include "agent/task/batch.h"

namespace toccata::task {

// A share with its interval, all in 0..1.
struct ShareBar {
  std::string name;
  double value = 0, low = 0, high = 0;
};

struct HtmlExtras {
  std::vector<ShareBar> bars;  // empty: the share of rows that passed
  std::vector<std::pair<std::string, std::string>> figures;  // name, value
};

std::string html_report(const std::string& task_name, const BatchReport& report, const HtmlExtras& extras = {});

}  // namespace toccata::task
