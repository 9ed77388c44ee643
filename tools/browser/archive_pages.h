// What an index knows of the archives in it: how far each was read, so that an add that was cut short goes on where it was, and the
// further names of its pages, which links use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/index/database.h"

namespace toccata::tools {

// Over the tables `archives` and `archived_names`. Throws Exception. What changes is called in a transaction.
class ArchivePages {
 public:
  // A file that was made before there were archives, and is only read, has none.
  explicit ArchivePages(Database& db);
  static void create_tables(Database& db);

  struct State {
    std::int64_t modified = 0, bytes = 0;  // of the file, when it was read
    std::uint64_t next = 0;                // entry to go on with
    bool done = false;
  };
  // `file`: its path, byte for byte.
  std::optional<State> state(std::string_view file);
  void set_state(std::string_view file, const State& state);
  void add_name(std::string_view file, const std::string& url, const std::string& stands_for);
  // Archives at or below a path.
  std::vector<std::string> below(const std::string& root);
  // The same are forgotten, with the names in them. Their pages are documents like others.
  void forget_below(const std::string& root);

  // The address of the page that has this name; empty: none.
  std::string page_of(const std::string& url);

 private:
  Database& db_;
  const bool has_any_;
};

}  // namespace toccata::tools
