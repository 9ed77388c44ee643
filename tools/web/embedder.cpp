#include "tools/web/embedder.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "tools/web/plain_text.h"
#include "tools/web/utf8.h"
#include "tools/web/web_url.h"

namespace toccata::tools {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 16;
constexpr std::size_t kDimensionsMax = 65'536;
constexpr std::size_t kComplaintBytesMax = 300;

std::optional<json> parsed(const std::string& body) {
  if (json_depth(body) > kDepthMax) return std::nullopt;
  json value = json_from<json>(utf8_form(body).n_bad == 0 ? body : mended_utf8(body));
  return value.is_object() ? std::optional(std::move(value)) : std::nullopt;
}

// {"error": {"message": "..."}} or {"error": "..."}, of several services.
std::string complaint_of(const std::optional<json>& answer) {
  if (!answer || !answer->contains("error")) return "";
  const json& error = (*answer)["error"];
  const json& said = error.is_object() && error.contains("message") ? error["message"] : error;
  return said.is_string() ? plain_text(said.get_ref<const std::string&>(), kComplaintBytesMax) : "";
}

// Empty: it is none.
std::vector<float> vector_in(const json& item) {
  const auto list = item.find("embedding");
  if (list == item.end() || !list->is_array() || list->size() > kDimensionsMax) return {};
  std::vector<float> vector;
  vector.reserve(list->size());
  for (const json& number : *list) {
    if (!number.is_number()) return {};
    vector.push_back(number.get<float>());
    if (!std::isfinite(vector.back())) return {};
  }
  return vector;
}

// One vector for each of `n` texts, which may come in any order; empty: the answer has another form.
std::vector<std::vector<float>> vectors_in(const json& answer, std::size_t n) {
  const auto data = answer.find("data");
  if (data == answer.end() || !data->is_array() || data->size() != n) return {};
  std::vector<std::vector<float>> vectors(n);
  for (std::size_t i = 0; i < n; ++i) {
    const json& item = (*data)[i];
    if (!item.is_object()) return {};
    const auto index = item.find("index");
    const std::size_t at = index != item.end() && index->is_number_unsigned() ? index->get<std::size_t>() : i;
    if (at >= n || !vectors[at].empty()) return {};
    vectors[at] = vector_in(item);
    if (vectors[at].empty()) return {};
  }
  for (const auto& vector : vectors) {
    if (vector.size() != vectors.front().size()) return {};
  }
  return vectors;
}

}  // namespace

Result<std::unique_ptr<HttpEmbedder>> HttpEmbedder::make(EmbeddingService service, ProxyRules proxy) {
  while (service.url.ends_with('/')) service.url.pop_back();
  if (!service.url.ends_with("/embeddings")) service.url += "/embeddings";
  const auto url = parse_web_url(service.url);
  if (!url) return Error{ErrorCode::kInvalidArgument, "the embeddings address " + service.url + ": " + url.error().message};
  if (service.model.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the embeddings service needs the name of its model: --embeddings-model NAME"};
  }
  const bool local = is_this_machine(*url);
  if (!service.key.empty() && !url->tls && !local) {
    return Error{ErrorCode::kInvalidArgument, "an API key goes to another machine over https only, not to " + service.url};
  }
  return std::unique_ptr<HttpEmbedder>(new HttpEmbedder(std::move(service), std::move(proxy), local));  // NOLINT: private constructor
}

Result<std::vector<std::vector<float>>> HttpEmbedder::embed(const std::vector<std::string>& texts, EmbeddingUse use, std::stop_token stop) {
  const std::string& prefix = use == EmbeddingUse::kQuery ? service_.query_prefix : service_.text_prefix;
  json input = json::array();
  for (const std::string& text : texts) input.push_back(prefix + text);
  net::Request request;
  request.method = "POST";
  request.url = service_.url;
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!service_.key.empty()) request.headers.emplace_back("Authorization", "Bearer " + service_.key);
  request.body = json_text(json{{"model", service_.model}, {"input", std::move(input)}});
  request.proxy = proxy_.proxy_for(parse_web_url(service_.url).value_or_throw());
  request.total_timeout = request.idle_timeout = use == EmbeddingUse::kQuery ? service_.query_time : service_.text_time;
  auto response = client_.send(request, stop);
  if (!response) return failure(response.error().code, "cannot be asked: " + response.error().message);
  if (response->status != 200) return refusal(*response);
  const auto answer = parsed(response->body);
  auto vectors = answer ? vectors_in(*answer, texts.size()) : std::vector<std::vector<float>>();
  if (vectors.empty() && !texts.empty()) {
    return failure(ErrorCode::kCorrupt, "answered something else than " + std::to_string(texts.size()) + " embeddings in OpenAI's form");
  }
  return vectors;
}

Error HttpEmbedder::refusal(const net::Response& response) const {
  const std::string said = complaint_of(parsed(response.body));
  const std::string status = "answered HTTP " + std::to_string(response.status) + (said.empty() ? "" : ": " + said);
  const bool keyed = response.status == 401 || response.status == 403;
  return failure(keyed ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable, status);
}

Error HttpEmbedder::failure(ErrorCode code, const std::string& what) const {
  std::string text = "the embeddings service " + service_.url + " " + what;
  for (std::size_t at = text.find(service_.key); service_.key.size() >= 4 && at != std::string::npos; at = text.find(service_.key, at + 5)) {
    text.replace(at, service_.key.size(), "[key]");
  }
  return Error{code, text};
}

}  // namespace toccata::tools
