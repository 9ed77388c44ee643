// Percent-encoding (RFC 3986 section 2.1).
#pragma once

#include <string>
#include <string_view>

namespace toccata {

// Letters, digits and "-._~" stay as they are, and what `also_plain` names; every other byte becomes "%XX".
std::string percent_encoded(std::string_view text, std::string_view also_plain = {});

// Each "%XX" undone, once; a '%' that begins none stays.
std::string percent_decoded(std::string_view text);

// Of a hexadecimal digit in either case; -1 for any other character.
int hex_value(char c);

}  // namespace toccata
