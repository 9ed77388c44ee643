#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace toccata::cli {

struct DevPageOptions {
  std::filesystem::path index;  // documents that may be read by their url; empty: files and the web
  std::vector<std::string> allow_origins;
  std::string page_text = "whole";  // where a request does not say; or main
};

// {"id", "url", "main"?} -> {"title", "text", "links", "error"}: file:// documents, those of the index, and the web under its policy.
int dev_page(const DevPageOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
