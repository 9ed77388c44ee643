#pragma once

#include <filesystem>
#include <iosfwd>

namespace toccata::cli {

struct DevBrowserOptions {
  std::filesystem::path index;
  std::string page_text = "whole";  // or main
};

// {"id", "session", "recipient", "content", "channel"?} -> {"author", "channel", "output"}: the browser tool as a model
// calls it, one stack of pages a session.
int dev_browser(const DevBrowserOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
