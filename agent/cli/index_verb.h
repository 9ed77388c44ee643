// The index of local documents, from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct IndexOptions {
  std::vector<std::string> paths;  // of add and remove
  std::string query;               // of search
  int limit = 10;
  bool json = false;
  std::filesystem::path index;  // empty = the user's index
};

int index_add_verb(const IndexOptions& options, const Environment& env);
int index_search_verb(const IndexOptions& options, const Environment& env);
int index_list_verb(const IndexOptions& options, const Environment& env);
int index_remove_verb(const IndexOptions& options, const Environment& env);

}  // namespace toccata::cli
