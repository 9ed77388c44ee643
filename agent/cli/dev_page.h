#pragma once

#include <filesystem>
#include <iosfwd>

namespace toccata::cli {

struct DevPageOptions {
  std::filesystem::path index;  // documents that may be read by their url; empty: files only
};

// {"id", "url"} -> {"title", "text", "links", "error"}: file:// documents and those of the index.
int dev_page(const DevPageOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
