#include "tools/declared/http_call.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "core/base/percent.h"
#include "tools/web/address_policy.h"
#include "tools/web/route.h"

namespace toccata::tools::declared {
namespace {

using Json = nlohmann::ordered_json;
using Kind = TextTemplate::Piece::Kind;

constexpr std::size_t kUrlBytesMax = 8192, kHeaderBytesMax = 8192;
constexpr int kDepthMax = 200;  // of an answer
constexpr std::string_view kUserAgent = "User-Agent";

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

// Each argument of the path is one piece of one segment, and no segment is "." or "..": those would be another path.
Result<std::string> make_url(const HttpCall& call, const Arguments& arguments) {
  std::string url;
  for (const TextTemplate::Piece& piece : call.url.pieces()) {
    if (piece.kind == Kind::kText) {
      url += piece.text;
      continue;
    }
    const bool in_path = url.find('?') == std::string::npos;
    const auto value = piece.kind == Kind::kArgument ? Result<std::optional<std::string>>(arguments.text(piece.text))
                                                     : arguments.secret(piece.text);
    if (!value) return value.error();
    if (!*value) return wrong("the argument " + piece.text + " is missing");
    if (in_path && (*value)->empty()) return wrong("the argument " + piece.text + " may not be empty: it stands in an address");
    url += percent_encoded(**value);
  }
  const std::size_t path = url.find('/', url.find("://") + 3);
  const std::string segments = path == std::string::npos ? "" : url.substr(path, url.find('?') - path) + "/";
  if (segments.find("/./") != std::string::npos || segments.find("/../") != std::string::npos) {
    return wrong("no argument may make a '.' or '..' of a part of the address");
  }
  return url;
}

// "a=1&b=2"
Result<std::string> make_pairs(const std::vector<std::pair<std::string, TextTemplate>>& pairs, const Arguments& arguments) {
  std::string out;
  const auto add = [&](const std::string& name, const std::string& value) { 
    out += (out.empty() ? "" : "&") + percent_encoded(name) + "=" + percent_encoded(value);
  };
  for (const auto& [name, text] : pairs) {
    const auto alone = text.only_argument();
    const Json* list = alone ? arguments.find(*alone) : nullptr;
    if (list != nullptr && list->is_array()) {
      for (const Json& item : *list) add(name, item.is_string() ? item.get<std::string>() : json_text(item));
      continue;
    }
    const auto value = arguments.fill(text);
    if (!value) return value.error();
    if (*value) add(name, **value);
  }
  return out;
}

Result<void> add_headers(const HttpCall& call, const Arguments& arguments, net::Request& request) {
  for (const auto& [name, text] : call.headers) {
    auto value = arguments.fill(text);
    if (!value) return value.error();
    if (!*value) continue;
    const bool clean = std::none_of((*value)->begin(), (*value)->end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x20 || byte == 0x7F;
    });
    if (!clean || (*value)->size() > kHeaderBytesMax) {
      const auto names = text.names(Kind::kArgument);
      const std::string whose = names.empty() ? "what the header " + name + " is to hold" : "the argument " + names.front();
      return wrong(whose + " may have neither line breaks nor other control characters, nor more than " + std::to_string(kHeaderBytesMax) +
                   " bytes: it stands in the header " + name);
    }
    request.headers.emplace_back(name, std::move(**value));
  }
  return {};
}

// nullopt: an argument is missing, and with it whatever needs it.
Result<std::optional<Json>> fill_json(const Json& shape, const Arguments& arguments) {
  if (shape.is_array() || shape.is_object()) {
    Json out = shape.is_array() ? Json::array() : Json::object();
    for (const auto& [key, child] : shape.items()) {
      auto value = fill_json(child, arguments);
      if (!value) return value.error();
      if (!*value) continue;
      if (shape.is_array()) {
        out.push_back(std::move(**value));
      } else {
        out[key] = std::move(**value);
      }
    }
    return std::optional(std::move(out));
  }
  if (!shape.is_string()) return std::optional(shape);
  const TextTemplate text = TextTemplate::parse(shape.get_ref<const std::string&>()).value_or_throw();  // parsed when it was read
  if (const auto alone = text.only_argument()) {
    const Json* value = arguments.find(*alone);
    return value == nullptr ? std::nullopt : std::optional(*value);
  }
  auto value = arguments.fill(text);
  if (!value) return value.error();
  return *value ? std::optional<Json>(std::move(**value)) : std::nullopt;
}

Result<void> add_body(const HttpCall& call, const Arguments& arguments, net::Request& request) {
  std::string type = call.content_type;
  const auto set_type = [&](const char* usual) {
    if (type.empty()) type = usual;
  };
  if (call.body == HttpCall::Body::kJson) {
    auto json = fill_json(*call.json, arguments);
    if (!json) return json.error();
    request.body = json_text(json->value_or(Json()));
    set_type("application/json");
  } else if (call.body == HttpCall::Body::kForm) {
    auto form = make_pairs(call.form, arguments);
    if (!form) return form.error();
    request.body = std::move(*form);
    set_type("application/x-www-form-urlencoded");
  } else if (call.body == HttpCall::Body::kText) {
    auto text = arguments.fill(call.text);
    if (!text) return text.error();
    request.body = text->value_or("");
    set_type("text/plain; charset=utf-8");
  }
  if (call.body != HttpCall::Body::kNone) request.headers.emplace_back("Content-Type", type);
  return {};
}

std::string shown_value(const Json& value) { return value.is_string() ? value.get<std::string>() : json_text(value); }

bool is_text(std::string_view body) { return body.find('\0') == std::string_view::npos; }

}  // namespace

Result<net::Request> make_request(const HttpCall& call, const Arguments& arguments, const std::string& key) {
  net::Request request;
  request.method = call.method;
  Result<std::string> url = make_url(call, arguments);
  if (!url) return url.error();
  const Result<std::string> query = make_pairs(call.query, arguments);
  if (!query) return query.error();
  if (!query->empty()) *url += (url->find('?') == std::string::npos ? "?" : "&") + *query;
  if (url->size() > kUrlBytesMax) return wrong("the arguments make an address of more than " + std::to_string(kUrlBytesMax) + " bytes");
  request.url = std::move(*url);
  if (auto done = add_headers(call, arguments, request); !done) return done.error();
  if (auto done = add_body(call, arguments, request); !done) return done.error();
  if (!key.empty()) request.headers.emplace_back(call.key_header, key);
  const bool named = std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return std::equal(header.first.begin(), header.first.end(), kUserAgent.begin(), kUserAgent.end(), [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  });
  if (!named) request.headers.emplace_back(kUserAgent, "Toccata");
  return request;
}

HttpAnswer read_answer(const HttpCall& call, int status, std::string_view content_type, std::string body) {
  HttpAnswer answer{status, status >= 200 && status < 300, {}};
  if (!is_text(body)) body = "[" + std::to_string(body.size()) + " bytes of " + std::string(content_type.empty() ? "no text" : content_type) + ", not shown]";
  if (!answer.ok) {
    answer.text = "HTTP status " + std::to_string(status) + (body.empty() ? "" : ": " + body);
    return answer;
  }
  if (call.show.empty()) {
    answer.text = body.empty() ? "(HTTP status " + std::to_string(status) + ", no content)" : std::move(body);
    return answer;
  }
  const Json json = json_depth(body) > kDepthMax ? Json(Json::value_t::discarded) : json_from<Json>(body);
  if (json.is_discarded()) {
    answer.ok = false;
    answer.text = "The answer is not the JSON that was expected: " + body.substr(0, 2000);
    return answer;
  }
  Json shown = Json::object();
  for (const auto& [name, pointer] : call.show) {
    const Json::json_pointer at(pointer);
    const bool there = json.contains(at);
    if (name.empty()) {
      answer.ok = there;
      answer.text = there ? shown_value(json.at(at)) : "The answer has no " + pointer + ".";
      return answer;
    }
    shown[name] = there ? json.at(at) : Json();
  }
  answer.text = json_text(shown);
  return answer;
}

Result<HttpAnswer> ask(
    const HttpCall& call, net::Request request, const ProxyRules& proxy, std::chrono::milliseconds timeout, std::stop_token stop
) {
  AddressPolicy policy;
  if (call.private_host) policy.allowed_origins.push_back(parse_web_url(call.origin).value_or_throw());
  const Result<WebUrl> url = parse_web_url(request.url);
  if (!url) return Error{ErrorCode::kInvalidArgument, url.error().message};
  TOCCATA_CHECK(url->origin() == parse_web_url(call.origin).value_or_throw().origin(), "an argument made another host");
  if (const Verdict verdict = judge_url(policy, *url); !verdict.allow) return Error{ErrorCode::kPermissionDenied, "not allowed: " + verdict.reason};
  if (auto routed = route(policy, proxy, *url, std::nullopt, timeout, stop, request); !routed) return routed.error();
  request.total_timeout = request.idle_timeout = timeout;
  request.connect_timeout = std::min(request.connect_timeout, timeout);
  request.body_bytes_max = kAnswerBytesMax;
  request.decompress = true;
  net::Client client;
  Result<net::Response> response = client.send(request, stop);
  if (!response) return response.error();
  const std::string type(response->header("content-type").value_or(""));
  HttpAnswer answer = read_answer(call, response->status, type, std::move(response->body));
  if (response->status >= 300 && response->status < 400) {
    answer.text = "HTTP status " + std::to_string(response->status) + ": the address has moved to " +
                  std::string(response->header("location").value_or("an unnamed place")) + ", which is not followed";
  }
  return answer;
}

}  // namespace toccata::tools::declared
