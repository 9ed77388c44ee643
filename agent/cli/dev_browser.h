#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct DevBrowserOptions {
  std::filesystem::path index;
  std::string page_text = "whole";  // or main
  std::vector<std::string> allow_origins = {};  // with these or a search service, pages come from the web too; else from the index only
  std::vector<std::string> search = {};
};

// {"id", "session", "recipient", "content", "channel"?} -> {"author", "channel", "output"}: the browser tool as a model
// calls it, one stack of pages a session.
int dev_browser(const DevBrowserOptions& options, const Environment& env, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
