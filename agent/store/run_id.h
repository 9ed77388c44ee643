#pragma once

#include <cstdint>
#include <string>

namespace toccata::store {

// Ten characters that sort by time and are easy to type: eight base-32 digits of milliseconds since 2026 (good until
// 2060) and two chosen at random. Digits and lower-case letters without i, l, o, u (Crockford's alphabet).
// `random` supplies the last two digits (its low ten bits).
std::string make_run_id(std::int64_t now_ms, std::uint32_t random);

}  // namespace toccata::store
