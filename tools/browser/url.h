// References on pages to absolute URLs, as RFC 3986 section 5 resolves them.
#pragma once

#include <string>
#include <string_view>

namespace toccata::tools {

// `reference` as found on the page `base` -> absolute http or https URL (or file, from a file), with its fragment; ""
// when it leads nowhere (mailto:, javascript:, data: ...). Line breaks and tabs inside a reference are ignored, as browsers do.
std::string resolve_url(std::string_view base, std::string_view reference);

// "example.org:8080" of "https://user@Example.org:8080/a"; "" without a host.
std::string host_of(std::string_view url);

// `url` up to its fragment: what is fetched.
std::string_view without_fragment(std::string_view url);

}  // namespace toccata::tools
