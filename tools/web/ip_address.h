// Addresses of the Internet Protocol and what each block of them is for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace toccata::tools {

struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; the first four of IPv4
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// "192.0.2.1" or "2001:db8::1" as inet_pton takes them: four decimal numbers without leading zeros, no brackets, no zone.
std::optional<IpAddress> parse_ip(std::string_view text);

// RFC 5952 spelling.
std::string to_string(const IpAddress& address);

// What the address is for when it is not an ordinary host of the public Internet ("a loopback address"); "" when it is.
// Source: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its successors), and the addresses where
// clouds answer with credentials. An address that carries another one inside (mapped, compatible, NAT64, 6to4, Teredo) is never
// ordinary, whatever it carries.
std::string special_purpose(const IpAddress& address);

// Whether it is private, shared or loopback: what an exception for a named host may lift. Metadata services, link-local,
// multicast, reserved and tunnelled addresses are not.
bool is_local(const IpAddress& address);

}  // namespace toccata::tools
