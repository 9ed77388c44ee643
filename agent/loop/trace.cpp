#include "agent/loop/trace.h"

#include <algorithm>
#include <random>

namespace toccata::agent {
namespace {

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }
bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

std::string hex(std::uint64_t value) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) *digit = kDigits[value & 15];
  return text;
}

std::uint64_t random64() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

// FNV-1a, then splitmix64 (by Sebastiano Vigna): neighbours have nothing in common.
std::uint64_t mixed(std::uint64_t salt, std::string_view text) {
  std::uint64_t z = 0xcbf29ce484222325 ^ salt;
  for (const char c : text) z = (z ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  constexpr std::size_t kVersion = 2, kTrace = 32, kSpan = 16, kFlags = 2;
  constexpr std::size_t kWhole = kVersion + kTrace + kSpan + kFlags + 3;
  if (text.size() < kWhole || text[kVersion] != '-' || text[kVersion + 1 + kTrace] != '-' || text[kWhole - kFlags - 1] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, kVersion), trace = text.substr(kVersion + 1, kTrace);
  const std::string_view span = text.substr(kVersion + kTrace + 2, kSpan), flags = text.substr(kWhole - kFlags, kFlags);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(span) || !is_hex(flags) || is_zero(trace) || is_zero(span) || version == "ff") return std::nullopt;
  if (text.size() > kWhole && (version == "00" || text[kWhole] != '-')) return std::nullopt;
  return TraceParent{std::string(trace), std::string(span), std::string(flags)};
}

void Trace::begin_turn() {
  id_ = parent_ ? parent_->trace_id : hex(random64()) + hex(random64() | 1);
  salt_ = random64();
}

std::string Trace::span(std::string_view run, char kind, int number) const {
  return hex(std::max<std::uint64_t>(1, mixed(salt_, std::string(run) + kind + std::to_string(number))));
}

std::string Trace::traceparent(const std::string& span) const {
  if (exported_) return "00-" + id_ + "-" + span + "-" + (parent_ ? parent_->flags : "01");
  return parent_ ? "00-" + parent_->trace_id + "-" + parent_->span_id + "-" + parent_->flags : std::string();
}

}  // namespace toccata::agent
