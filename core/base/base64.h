// Base64 as in RFC 4648, with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toccata {

std::string base64(std::string_view bytes);
// nullopt when it is not base64: other characters, wrong padding.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace toccata
