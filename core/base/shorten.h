#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace toccata {

// At most `bytes_max` bytes of `text`, whole characters: its beginning and its end, and between them how much is missing
// and `how_to_see` it.
std::string shorten(std::string text, std::size_t bytes_max, std::string_view how_to_see = {});

}  // namespace toccata
