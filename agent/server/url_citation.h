#pragma once

#include <string_view>

#include "agent/loop/citation_stream.h"
#include "agent/server/json_fields.h"

namespace toccata::server {

// Where `link` stands in a text of which `n_before` characters come before it, and what it leads to.
inline Json url_citation(const agent::Citation& citation, std::int64_t n_before, std::string_view link) {
  return {
      {"start_index", n_before},
      {"end_index", n_before + agent::count_code_points(link)},
      {"url", citation.url},
      {"title", citation.title}};
}

}  // namespace toccata::server
