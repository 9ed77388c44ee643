// Base64 as in RFC 4648.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toccata {

std::string base64(std::string_view bytes);
// Section 5: '-' and '_' in place of '+' and '/', without padding.
std::string base64url(std::string_view bytes);
// nullopt when it is not base64 with padding: other characters, wrong padding.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace toccata
