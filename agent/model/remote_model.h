// A model behind an OpenAI-compatible `/v1/completions` endpoint that takes token ids (vLLM,
// llama-server, SGLang). The prompt goes out as ids and the sampled ids come back, so the token log
// stays exact.
//
// How ids come back, the first that is there wins:
//   choices[0].token_ids                       vLLM (we send return_token_ids)
//   choices[0].tokens, tokens                  llama-server (we send return_tokens)
//   choices[0].logprobs.content[].id           llama-server (we send logprobs: 1)
//   choices[0].logprobs.tokens "token_id:N"    older vLLM (we send return_tokens_as_token_ids)
//   choices[0].text                            re-encoded with special tokens on: exact only for
//   text the tokenizer
//                                              would cut the same way; a server that hides control
//                                              tokens is an error
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/token_model.h"
#include "core/net/client.h"

namespace toccata::agent {

struct RemoteOptions {
  std::string base_url;  // "http://host:8000/v1", or without "/v1", or the whole ".../completions"
  std::string model;     // sent as "model"; empty: asked from GET /v1/models
  std::string api_key;   // sent as a bearer token; never printed
  std::int64_t n_context = 0;  // tokens; 0: the server's max_model_len, else 131072
  int max_tokens = 32'768;     // of one completion
  // Tries of one completion while no token of it has arrived: refused or cut connections, 429, 5xx.
  // Retry-After is honoured up to retry_after_max; a longer one is an error at once.
  int attempts_max = 4;
  std::chrono::milliseconds retry_after_max{30'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{120'000};     // no byte for so long; prefill may be slow
  std::chrono::milliseconds total_timeout{3'600'000};  // one completion
  std::size_t line_bytes_max = std::size_t{4} << 20;   // one server-sent event
  net::ConnectPolicy connect_policy = {};              // asked for every address
};

// One HTTP request per completion; the stream is dropped when something is appended. Sessions are
// independent.
class RemoteModel : public TokenModel {
 public:
  // `tokenizer` gives the stop ids and reads text that came without ids. kInvalidArgument for a bad URL. Connects only
  // when no model is named: then GET /v1/models gives name and context length.
  static Result<std::unique_ptr<RemoteModel>> make(
      RemoteOptions options,
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
      std::stop_token stop = {}
  );
  ~RemoteModel() override;

  const std::string& name() const override;
  const Capabilities& capabilities() const override;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override;
  Result<std::unique_ptr<TokenSession>> open_session() override;

 private:
  class Impl;
  class Session;
  explicit RemoteModel(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace toccata::agent
