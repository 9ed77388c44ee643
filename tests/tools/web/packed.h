// Packed bodies, made with zlib, libbrotli and libzstd.
#pragma once

#include <string>

namespace toccata::testing {

inline std::string from_hex(const char* text) {
  std::string out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (const char* c = text; *c != '\0'; c += 2) out += static_cast<char>(digit(c[0]) * 16 + digit(c[1]));
  return out;
}

constexpr const char* kGzip =
    "1f8b0800000000000203b329b02b484cce4e4d5148aa5448afca2c000029f7dbab11000000";
constexpr const char* kDeflate =
    "789cb329b02b484cce4e4d5148aa5448494dcb492c4905004a150743";
constexpr const char* kBrotli =
    "0b09803c703e7061636b65642062792062726f746c6903";
constexpr const char* kZstd =
    "28b52ffd20118900003c703e7061636b6564206279207a737464";
// 64 MiB of one letter.
constexpr const char* kBrotliBomb =
    "cbffff3ff825c2e2b14020f7fe8fffff7ff04b00c4611180eefd1fffffffe0970088c30200ddfb3ffeffffc12f0110870500baf77ffcffff835f0220"
    "0e0b0074effff8ffff07bf04401c1600e8defff1ffff0f7e0980382c00d0bdffcbffff3ffc1200715800a07bff07";
// 40 MiB of one letter, packed twice.
constexpr const char* kGzipGzipBomb =
    "1f8b0800000000000203eddc3d4e02611405d0cf9929880542210d8590e81a8482441b6b0ae948080b700d8e21566e810db000434d435c817f950bb0"
    "b2a0828c99d905df9c53bdfa96372ff7e2a5114a49fabb792a8fbcf77eb8eaac4e0300000010b9fc6b919e9447aff8b81b4f00000080d8cdcf9a5955"
    "0aec67dd5b7100000040f49e478356f521f0f7f8908903000000a277befbb9a9ba80b7e2b57d2f0f00000088dea7c100000000a8158301000000502f"
    "0603000000a05e0c0600000040cd7c2fd2a4ec02fac5ecfa32000000c0b15866ebed701a429efc03559f709c569f0000";
// 2 MiB of one letter.
constexpr const char* kSmallBomb =
    "9bffff1ff825c2e2b14020f7fe03";

}  // namespace toccata::testing
