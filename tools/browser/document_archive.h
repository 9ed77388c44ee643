// Files that hold many pages, such as ZIM: read by whoever may start programs (tools/zim/zim_archive.h), kept by the index.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

struct ArchivedPage {
  std::string path;   // in the archive: valid UTF-8 without control characters, not empty
  std::string title;  // likewise, may be empty
  std::string source;
  bool html = false;      // else plain text
  std::string stands_for;  // the path of another page: this is only one more name of it
};

// One thread at a time.
class DocumentArchive {
 public:
  virtual ~DocumentArchive() = default;
  // Entries of any kind, in an order that does not change as long as the file does not.
  virtual std::uint64_t n_entries() const = 0;
  struct Batch {
    std::vector<ArchivedPage> pages;
    std::uint64_t next = 0;        // the first entry that was not looked at
    std::uint64_t left_out = 0;    // pages that are too large or damaged
  };
  // The pages among the entries from `first` on, as many as are read in about a second.
  virtual Result<Batch> read(std::uint64_t first, std::stop_token stop) = 0;
};

// By its path. Errors are told to the user in their own words.
using OpenArchive = std::function<Result<std::unique_ptr<DocumentArchive>>(const std::filesystem::path& file, std::stop_token stop)>;

// Whether it is called one.
bool looks_like_archive(const std::filesystem::path& file);

// "zim:///home/me/wiki.zim/A/Berlin": not file:, because what is written there is not the user's own.
std::string archived_url(const std::filesystem::path& file, std::string_view page);
// As archived_url() spells it, whatever a link escapes; without query and fragment.
std::string archived_url_of_link(std::string_view url);
inline bool is_archived(std::string_view url) { return url.starts_with("zim://"); }

}  // namespace toccata::tools
