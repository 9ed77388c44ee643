// A model behind an endpoint that does harmony, or whatever its model speaks, by itself: Chat Completions or Responses.
// Messages cross the wire, not tokens. The session keeps the token log all the same: what the endpoint says is written
// into it as a gpt-oss model would have written it, and read back as messages for the next request.
//
// What that costs against RemoteModel: token counts are those of our log, not the server's; no log-probabilities; the
// text in front of a call is held back until it is known to be none of the answer. What it gains: any model behind any such
// server, and several calls in one answer: they stand in the log one behind the other, then their results.
#pragma once

#include <memory>
#include <string>

#include "agent/model/message_request.h"
#include "agent/model/remote_endpoint.h"
#include "agent/model/token_model.h"

namespace toccata::agent {

class MessageModel : public TokenModel {
 public:
  // `tokenizer` must be a harmony one. kInvalidArgument for a bad URL. Connects only when no model is named: then
  // GET /v1/models gives name and context length.
  static Result<std::unique_ptr<MessageModel>> make(
      MessageApi api,
      RemoteOptions options,
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
      std::stop_token stop = {}
  );
  ~MessageModel() override;

  const std::string& name() const override;
  const Capabilities& capabilities() const override;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override;
  Result<std::unique_ptr<TokenSession>> open_session() override;

 private:
  class Impl;
  class Session;
  explicit MessageModel(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace toccata::agent
