// What a hub says a file hashes to, and what the bytes on disk hash to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/digest/digest.h"

namespace toccata::hub {

// A hub names a file by the SHA-256 of its bytes (64 digits: files kept in LFS) or by git's object id (40 digits: SHA-1
// of "blob <size>\0" and the bytes).
bool is_content_id(std::string_view id);

// The id that the file has, of the kind that `like` is. kIo, kCancelled.
Result<std::string> content_id(
    const std::filesystem::path& file, std::string_view like, const std::stop_token& stop
);

}  // namespace toccata::hub
