// The JSON of a request, and the texts of the environment: 64-bit numbers are strings and enums are numbers in OTLP's
// JSON, ids are hex (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding").
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "agent/telemetry/otlp.h"
#include "core/base/json.h"
#include "core/base/percent.h"

namespace toccata::telemetry {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTextBytesMax = 64 << 10;  // of one attribute

std::string bounded(const std::string& text) {
  if (text.size() <= kTextBytesMax) return text;
  std::size_t n = kTextBytesMax;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  return text.substr(0, n);
}

Json value_json(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return {{"stringValue", bounded(*text)}};
  if (const auto* n = std::get_if<std::int64_t>(&value)) return {{"intValue", std::to_string(*n)}};
  if (const auto* x = std::get_if<double>(&value)) return {{"doubleValue", *x}};
  if (const auto* b = std::get_if<bool>(&value)) return {{"boolValue", *b}};
  Json values = Json::array();
  for (const std::string& text : std::get<Texts>(value)) values.push_back({{"stringValue", bounded(text)}});
  return {{"arrayValue", {{"values", values}}}};
}

Json attributes_json(const Attributes& attributes) {
  Json all = Json::array();
  for (const auto& [key, value] : attributes) all.push_back({{"key", key}, {"value", value_json(value)}});
  return all;
}

std::string nanoseconds(std::chrono::system_clock::time_point time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

Json span_json(const Span& span) {
  Json json = {{"traceId", span.trace_id}, {"spanId", span.span_id}};
  if (!span.parent_id.empty()) json["parentSpanId"] = span.parent_id;
  json["name"] = span.name;
  json["kind"] = static_cast<int>(span.kind);
  json["startTimeUnixNano"] = nanoseconds(span.begin);
  json["endTimeUnixNano"] = nanoseconds(span.end);
  json["attributes"] = attributes_json(span.attributes);
  json["status"] = Json::object();
  if (span.error) json["status"] = {{"code", 2}, {"message", *span.error}};
  return json;
}

std::string random_hex(int n_digits) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string hex;
  while (static_cast<int>(hex.size()) < n_digits) {
    for (std::uint32_t bits = random(), i = 0; i < 8; ++i, bits >>= 4) hex += kDigits[bits & 15];
  }
  if (hex.find_first_not_of('0') == std::string::npos) hex.back() = '1';  // all zeros means "none"
  return hex;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::string otlp_json(const Attributes& resource, const std::vector<Span>& spans) {
  Json all = Json::array();
  for (const Span& span : spans) all.push_back(span_json(span));
  const Json scope = {{"scope", {{"name", "toccata"}}}, {"spans", all}};
  const Json whole = {
      {"resourceSpans",
       Json::array({{{"resource", {{"attributes", attributes_json(resource)}}}, {"scopeSpans", Json::array({scope})}}})}};
  return json_text(whole);
}

Result<std::string> traces_url(std::string endpoint) {
  const std::size_t scheme = endpoint.find("://");
  const std::string name = endpoint.substr(0, scheme);
  if (scheme == std::string::npos || (name != "http" && name != "https") || endpoint.size() == scheme + 3) {
    return Error{
        ErrorCode::kInvalidArgument,
        "the OTLP endpoint is '" + endpoint + "', expected an address such as http://127.0.0.1:4318"};
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.ends_with("/v1/traces")) endpoint += "/v1/traces";
  return endpoint;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view pair = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string key(trimmed(pair.substr(0, equals)));
    const std::string value = equals == std::string_view::npos ? "" : percent_decoded(trimmed(pair.substr(equals + 1)));
    const bool broken = value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
    if (equals == std::string_view::npos || key.empty() || broken) {  // the value may be a secret
      return Error{ErrorCode::kInvalidArgument, "'" + key + "' is no key=value pair (expected key=value,key2=value2)"};
    }
    pairs.emplace_back(key, value);
  }
  return pairs;
}

std::string new_trace_id() { return random_hex(32); }
std::string new_span_id() { return random_hex(16); }

}  // namespace toccata::telemetry
