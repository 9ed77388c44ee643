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

#include <memory>
#include <string>

#include "agent/model/remote_endpoint.h"
#include "agent/model/token_model.h"

namespace toccata::agent {

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
