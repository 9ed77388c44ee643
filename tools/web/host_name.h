// Names of hosts as DNS knows them.
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools {

// The name in lower case ASCII, labels of other scripts in their xn-- form (RFC 3492). kInvalidArgument says what is wrong: characters
// no name has, an empty or too long label, a trailing dot, letters that only look like ASCII ones ("ｅxample", "①27").
Result<std::string> host_name(std::string_view text);

// Whether the last label is a number, so that some programs read the whole as an IPv4 address ("0x7f.1", "2130706433").
bool ends_in_number(std::string_view name);

}  // namespace toccata::tools
