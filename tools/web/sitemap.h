// Sitemaps (sitemaps.org, protocol 0.9): XML, an index of sitemaps, or a text of addresses; each may be packed by gzip.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

struct Sitemap {
  std::vector<std::string> pages;     // absolute addresses as they stand there
  std::vector<std::string> sitemaps;  // of an index
};

// The first `urls_max` addresses. Any bytes give one, which may be empty; damaged XML gives what stands before and behind the damage.
// kCorrupt: gzip that is damaged from the start. kResourceExhausted: more than `bytes_max` unpacked.
Result<Sitemap> read_sitemap(std::string_view bytes, std::size_t urls_max = 50'000, std::size_t bytes_max = std::size_t{52} << 20);

// What gzip packed. Errors as above; a file cut short gives what it has.
Result<std::string> gunzipped(std::string_view bytes, std::size_t bytes_max);

}  // namespace toccata::tools
