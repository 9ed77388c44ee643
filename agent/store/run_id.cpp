#include "agent/store/run_id.h"

#include <algorithm>
#include <string_view>

namespace toccata::store {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::int64_t kEpochMs = 1'767'225'600'000;  // 2026-01-01T00:00:00Z
constexpr int kTimeDigits = 8;
constexpr int kRandomDigits = 2;

}  // namespace

std::string make_run_id(std::int64_t now_ms, std::uint32_t random) {
  const std::int64_t last = (std::int64_t{1} << (5 * kTimeDigits)) - 1;
  const std::int64_t time = std::clamp<std::int64_t>(now_ms - kEpochMs, 0, last);
  std::string id;
  for (int digit = kTimeDigits - 1; digit >= 0; --digit) id += kDigits[(time >> (5 * digit)) & 31];
  for (int digit = 0; digit < kRandomDigits; ++digit) id += kDigits[(random >> (5 * digit)) & 31];
  return id;
}

}  // namespace toccata::store
