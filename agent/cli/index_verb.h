// The index of local documents, from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct IndexOptions {
  std::vector<std::string> paths;  // of add and remove: folders, files, web sites
  std::string query;               // of search
  int limit = 10;
  bool json = false;
  std::filesystem::path index;  // empty = the user's index
  EmbeddingsOptions embeddings = {};  // of add and search
  std::string sandbox = "full-nocg";  // least level in which PDF and ZIM files are read
  // Of a web site.
  std::size_t max_pages = 1000;
  int max_depth = 10;
  std::uint64_t max_mib = 256;
  double delay_s = 1;
  std::vector<std::string> allow_origins = {};
  std::string proxy = {}, proxy_names = "checked";
};

int index_add_verb(const IndexOptions& options, const Environment& env);
int index_search_verb(const IndexOptions& options, const Environment& env);
int index_list_verb(const IndexOptions& options, const Environment& env);
int index_remove_verb(const IndexOptions& options, const Environment& env);

}  // namespace toccata::cli
