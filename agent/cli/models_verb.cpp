#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/exit_code.h"
#include "agent/cli/hub_cache.h"
#include "agent/cli/verbs.h"
#include "agent/model/nano.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

struct Row {
  std::string name, where;
  std::uintmax_t bytes;
};

void print_row(const Row& row, bool json) {
  if (json) {
    const nlohmann::ordered_json line = {
        {"name", row.name}, {"where", row.where}, {"bytes", row.bytes}};
    std::cout << json_text(line) << '\n';
    return;
  }
  char text[512];
  std::snprintf(
      text, sizeof text, "%-28s %10.1f MB  %s\n", row.name.c_str(),
      static_cast<double>(row.bytes) / 1e6, row.where.c_str()
  );
  std::cout << text;
}

}  // namespace

int models_verb(const ModelsOptions& options, const Environment& env) {
  print_row({"nano", "built in", agent::nano_bytes()}, options.json);
  const auto cached = list_cached_models(env.hub_cache);
  for (const CachedModel& model : cached) {
    print_row({model.id, model.folder.string(), model.bytes}, options.json);
  }
  if (cached.empty() && !options.json) {
    std::cerr << "no gpt-oss checkpoint in " << env.hub_cache.string()
              << "; to get one: toccata pull gpt-oss-20b\n";
  }
  return kExitDone;
}

}  // namespace toccata::cli
