// The little of URLs that redirects need.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toccata::hub {

// "https://host:port" of an http or https URL, lower case; "" for anything else.
std::string origin_of(std::string_view url);

// Where `location`, sent by `base`, points. nullopt: another scheme, from https to http, or characters that no URL has.
std::optional<std::string> redirected(std::string_view base, std::string_view location);

// Seconds of a Retry-After header: a number, or a date after `now` (seconds since 1970). nullopt: neither.
std::optional<long> retry_after_seconds(std::string_view value, long now);

}  // namespace toccata::hub
