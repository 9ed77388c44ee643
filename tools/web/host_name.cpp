#include "tools/web/host_name.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace toccata::tools {
namespace {

constexpr std::size_t kNameBytesMax = 253;   // RFC 1035 section 2.3.4, without the final dot
constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kInputBytesMax = 1024;  // before mapping

Error bad(const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 3492 section 6.1.
std::uint32_t adapted_bias(std::uint32_t delta, std::uint32_t n_points, bool first) {
  delta = first ? delta / 700 : delta / 2;
  delta += delta / n_points;
  std::uint32_t k = 0;
  for (; delta > 455; k += 36) delta /= 35;
  return k + 36 * delta / (delta + 38);
}

// RFC 3492 section 6.3. At most kInputBytesMax points, so that nothing overflows.
std::string punycode(const std::vector<std::uint32_t>& points) {
  const auto digit = [](std::uint32_t value) { return static_cast<char>(value < 26 ? 'a' + value : '0' + value - 26); };
  std::string out;
  for (const std::uint32_t point : points) {
    if (point < 0x80) out += static_cast<char>(point);
  }
  const auto n_basic = static_cast<std::uint32_t>(out.size());
  std::uint32_t handled = n_basic, next = 0x80, delta = 0, bias = 72;
  if (n_basic > 0) out += '-';
  while (handled < points.size()) {
    std::uint32_t smallest = UINT32_MAX;
    for (const std::uint32_t point : points) {
      if (point >= next) smallest = std::min(smallest, point);
    }
    delta += (smallest - next) * (handled + 1);
    next = smallest;
    for (const std::uint32_t point : points) {
      if (point < next) ++delta;
      if (point != next) continue;
      std::uint32_t rest = delta;
      for (std::uint32_t k = 36;; k += 36) {
        const std::uint32_t threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if (rest < threshold) break;
        out += digit(threshold + (rest - threshold) % (36 - threshold));
        rest = (rest - threshold) / (36 - threshold);
      }
      out += digit(rest);
      bias = adapted_bias(delta, handled + 1, handled == n_basic);
      delta = 0;
      ++handled;
    }
    ++delta;
    ++next;
  }
  return out;
}

// What may stand in a label of another script: letters, their marks, digits, hyphens.
bool is_name_point(std::uint32_t point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
      return true;
    default:
      return point == '-';
  }
}

// One label of another script: case and compatibility forms are folded (close to UTS 46), then it is encoded.
Result<std::string> encoded_label(std::string_view label) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const utf8proc_ssize_t n = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(label.data()), static_cast<utf8proc_ssize_t>(label.size()), &mapped, options);
  if (n < 0) return bad("the host name is not UTF-8");
  const std::string folded(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(n));
  std::free(mapped);
  if (is_ascii(folded)) return bad("the host name has characters that only look like ASCII ones");
  std::vector<std::uint32_t> points;
  for (std::size_t at = 0; at < folded.size();) {
    utf8proc_int32_t point = 0;
    const auto step = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(folded.data()) + at, static_cast<utf8proc_ssize_t>(folded.size() - at), &point);
    if (step <= 0) return bad("the host name is not UTF-8");
    if (!is_name_point(static_cast<std::uint32_t>(point))) return bad("the host name has a character that no name has");
    points.push_back(static_cast<std::uint32_t>(point));
    at += static_cast<std::size_t>(step);
  }
  return "xn--" + punycode(points);
}

Result<std::string> plain_label(std::string_view label) {
  std::string out;
  for (char c : label) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '%') return bad("the host name is percent-encoded");
    if (!allowed) return bad("the host name has a character that no name has");
    out += c;
  }
  return out;
}

}  // namespace

Result<std::string> host_name(std::string_view text) {
  if (text.empty()) return bad("the host is empty");
  if (text.size() > kInputBytesMax) return bad("the host name is too long");
  if (text.back() == '.') return bad("the host name ends in a dot");
  std::string name;
  while (!text.empty()) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::string_view label = text.substr(0, dot);
    text.remove_prefix(std::min(dot + 1, text.size()));
    if (label.empty()) return bad("the host name has an empty label");
    Result<std::string> part = is_ascii(label) ? plain_label(label) : encoded_label(label);
    if (!part) return part.error();
    if (part->size() > kLabelBytesMax) return bad("the host name has a label of more than 63 bytes");
    if (part->front() == '-' || part->back() == '-') return bad("the host name has a label that begins or ends with a hyphen");
    name += (name.empty() ? "" : ".") + *part;
  }
  if (name.size() > kNameBytesMax) return bad("the host name is longer than 253 bytes");
  return name;
}

// The rule of the URL standard (WHATWG, "ends in a number"), for names without a trailing dot.
bool ends_in_number(std::string_view name) {
  std::string_view last = name.substr(name.rfind('.') + 1);
  const auto only = [&](const char* digits) { return last.find_first_not_of(digits) == std::string_view::npos; };
  if (!last.empty() && only("0123456789")) return true;
  if (!last.starts_with("0x") && !last.starts_with("0X")) return false;
  last.remove_prefix(2);
  return only("0123456789abcdefABCDEF");
}

}  // namespace toccata::tools
