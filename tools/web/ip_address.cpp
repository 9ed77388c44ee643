#include "tools/web/ip_address.h"

#include <arpa/inet.h>

#include <cstring>
#include <span>

namespace toccata::tools {
namespace {

struct Block {
  const char* prefix;
  int bits;
  const char* purpose;
  bool local = false;
};

// The first match decides: single addresses stand before their blocks.
constexpr Block kBlocksV4[] = {
    {"169.254.169.254", 32, "the metadata service of a cloud"},
    {"169.254.170.2", 32, "the credentials service of a cloud"},
    {"100.100.100.200", 32, "the metadata service of a cloud"},
    {"192.0.0.192", 32, "the metadata service of a cloud"},
    {"168.63.129.16", 32, "the host agent of a cloud"},
    {"0.0.0.0", 32, "the unspecified address"},
    {"0.0.0.0", 8, "an address of this network"},
    {"10.0.0.0", 8, "a private address", true},
    {"100.64.0.0", 10, "an address shared behind a carrier's NAT", true},
    {"127.0.0.0", 8, "a loopback address", true},
    {"169.254.0.0", 16, "a link-local address"},
    {"172.16.0.0", 12, "a private address", true},
    {"192.0.0.0", 24, "an address reserved for protocols"},
    {"192.0.2.0", 24, "a documentation address"},
    {"192.88.99.0", 24, "a 6to4 relay"},
    {"192.168.0.0", 16, "a private address", true},
    {"198.18.0.0", 15, "a benchmarking address"},
    {"198.51.100.0", 24, "a documentation address"},
    {"203.0.113.0", 24, "a documentation address"},
    {"224.0.0.0", 4, "a multicast address"},
    {"255.255.255.255", 32, "the broadcast address"},
    {"240.0.0.0", 4, "a reserved address"},
};
constexpr Block kBlocksV6[] = {
    {"fd00:ec2::254", 128, "the metadata service of a cloud"},
    {"fd20:ce::254", 128, "the metadata service of a cloud"},
    {"::", 128, "the unspecified address"},
    {"::1", 128, "a loopback address", true},
    {"::ffff:0:0", 96, "an IPv4-mapped address"},
    {"::ffff:0:0:0", 96, "an IPv4-translated address"},
    {"::", 96, "an IPv4-compatible address"},
    {"64:ff9b::", 96, "a NAT64 address"},
    {"64:ff9b:1::", 48, "a local NAT64 address"},
    {"100::", 64, "a discard address"},
    {"2001::", 32, "a Teredo address"},
    {"2001:db8::", 32, "a documentation address"},
    {"2001::", 23, "an address reserved for protocols"},
    {"2002::", 16, "a 6to4 address"},
    {"3fff::", 20, "a documentation address"},
    {"fc00::", 7, "a private address", true},
    {"fe80::", 10, "a link-local address"},
    {"fec0::", 10, "a site-local address"},
    {"ff00::", 8, "a multicast address"},
};
// All that is given out to hosts; the rest of IPv6 is reserved.
constexpr Block kGlobalUnicast{"2000::", 3, ""};

bool contains(const Block& block, const IpAddress& address) {
  const IpAddress prefix = *parse_ip(block.prefix);
  const auto whole = static_cast<std::size_t>(block.bits / 8);
  if (std::memcmp(prefix.bytes.data(), address.bytes.data(), whole) != 0) return false;
  const int rest = block.bits % 8;
  return rest == 0 || (prefix.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}

const Block* block_of(const IpAddress& address) {
  const std::span<const Block> blocks = address.v6 ? std::span<const Block>(kBlocksV6) : std::span<const Block>(kBlocksV4);
  for (const Block& block : blocks) {
    if (contains(block, address)) return &block;
  }
  return nullptr;
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

std::string special_purpose(const IpAddress& address) {
  if (const Block* block = block_of(address)) return block->purpose;
  if (address.v6 && !contains(kGlobalUnicast, address)) return "a reserved address";
  return "";
}

bool is_local(const IpAddress& address) {
  const Block* block = block_of(address);
  return block != nullptr && block->local;
}

}  // namespace toccata::tools
