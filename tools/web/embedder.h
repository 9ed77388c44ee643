// Texts as vectors, from any service that has OpenAI's embeddings endpoint.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/net/client.h"
#include "tools/web/proxy.h"

namespace toccata::tools {

enum class EmbeddingUse { kText, kQuery };

class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const std::string& model() const = 0;
  // Whether nobody outside this machine is asked.
  virtual bool is_local() const = 0;
  // One vector a text, all of one length and not empty.
  virtual Result<std::vector<std::vector<float>>> embed(const std::vector<std::string>& texts, EmbeddingUse use, std::stop_token stop) = 0;
};

struct EmbeddingService {
  std::string url;    // "http://127.0.0.1:8000/v1", or the whole address of the endpoint, which ends in /embeddings
  std::string model;  // as the service calls it
  std::string key = {};  // "" = none is sent
  // Some models want to be told what a text is for: "query: ", "passage: ".
  std::string query_prefix = {}, text_prefix = {};
  std::chrono::milliseconds query_time{10'000};
  std::chrono::milliseconds text_time{120'000};  // for one request of many texts
};

// POST {"model", "input": [...]} -> {"data": [{"index", "embedding": [...]}]}. One thread at a time.
// Errors never hold the key: kUnavailable (out of reach, HTTP status), kPermissionDenied (the key is refused), kCorrupt (an answer of another
// form), kTimeout, kCancelled.
class HttpEmbedder final : public Embedder {
 public:
  // kInvalidArgument: no http or https URL, no model, or a key that would go over http to another machine.
  static Result<std::unique_ptr<HttpEmbedder>> make(EmbeddingService service, ProxyRules proxy = {});
  const std::string& model() const override { return service_.model; }
  bool is_local() const override { return is_local_; }
  Result<std::vector<std::vector<float>>> embed(const std::vector<std::string>& texts, EmbeddingUse use, std::stop_token stop) override;

 private:
  HttpEmbedder(EmbeddingService service, ProxyRules proxy, bool is_local)
      : service_(std::move(service)), proxy_(std::move(proxy)), is_local_(is_local) {}
  Error failure(ErrorCode code, const std::string& what) const;
  Error refusal(const net::Response& response) const;

  EmbeddingService service_;
  ProxyRules proxy_;
  bool is_local_;
  net::Client client_;
};

}  // namespace toccata::tools
