#include "agent/cli/dev_search.h"

#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "tools/browser/local_index.h"

namespace toccata::cli {

using nlohmann::ordered_json;

int dev_search(const DevSearchOptions& options, std::istream& in, std::ostream& out) {
  std::map<std::string, std::unique_ptr<tools::LocalIndex>> indexes;
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    const std::string path = request.value("index", options.index.string());
    auto& index = indexes[path];
    if (index == nullptr) {
      index = tools::LocalIndex::open(path, tools::LocalIndex::Mode::kRead).value_or_throw();
    }
    ordered_json ids = ordered_json::array();
    const auto hits = index->search(request.at("query").get<std::string>(), request.value("limit", 10)).value_or_throw();
    for (const tools::SearchHit& hit : hits) ids.push_back(hit.url);
    return ordered_json{{"ids", ids}};
  });
}

}  // namespace toccata::cli
