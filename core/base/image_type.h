// What kind of picture some bytes are, by their first ones.
#pragma once

#include <string>
#include <string_view>

namespace toccata {

// "image/png", "image/jpeg", "image/gif", "image/webp", or empty. Only types that a browser shows and that carry no script.
std::string image_type(std::string_view bytes);

}  // namespace toccata
