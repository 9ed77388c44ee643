#include "agent/model/remote_model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/model/completion_chunk.h"
#include "agent/model/remote_session.h"
#include "core/base/json.h"

namespace toccata::agent {
class RemoteModel::Impl {
 public:
  Impl(RemoteEndpoint endpoint, std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : endpoint_(std::move(endpoint)), tokenizer_(std::move(tokenizer)) {
    for (const char* spelling : {"<|return|>", "<|call|>", "<|endoftext|>"}) {
      if (const auto id = tokenizer_->special_id(spelling)) stop_tokens_.push_back(*id);
    }
    start_ = tokenizer_->special_id("<|start|>").value_or(-1);
    message_ = tokenizer_->special_id("<|message|>").value_or(-1);
    capabilities_.logprobs = true;
    capabilities_.n_vocab = tokenizer_->n_vocab();
    capabilities_.n_context = endpoint_.n_context();
  }

  std::string completion_body(const Tokens& prompt, const SamplingParams& params) const {
    const auto room = capabilities_.n_context - std::ssize(prompt);
    nlohmann::json body = {
        {"model", endpoint_.model()},
        {"prompt", prompt},
        {"stream", true},
        {"max_tokens", std::clamp<std::int64_t>(room, 1, endpoint_.options().max_tokens)},
        {"temperature", params.temperature},
        {"top_p", params.top_p},
        {"seed", seed_for(params.seed, std::ssize(prompt))},
        {"stop_token_ids", stop_tokens_},
        {"skip_special_tokens", false},
        {"spaces_between_special_tokens", false},
        {"include_stop_str_in_output", true},
        {"return_token_ids", true},
        {"return_tokens_as_token_ids", true},
        {"return_tokens", true},
        {"logprobs", 1}};
    if (params.top_k > 0) body["top_k"] = params.top_k;
    if (params.min_p > 0) body["min_p"] = params.min_p;
    return json_text(body);
  }

  bool is_stop(Token token) const {
    return std::find(stop_tokens_.begin(), stop_tokens_.end(), token) != stop_tokens_.end();
  }
  // Whether the timeline ends in an open header, so that a control token must come before any text.
  bool ends_in_header(const Tokens& timeline) const {
    for (auto it = timeline.rbegin(); it != timeline.rend(); ++it) {
      if (*it == start_) return true;
      if (*it == message_) return false;
    }
    return false;
  }

  const RemoteEndpoint& endpoint() const { return endpoint_; }
  const Capabilities& capabilities() const { return capabilities_; }
  const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const { return tokenizer_; }
  // The token a completion ended with when the server only says "stop".
  Token default_stop() const { return stop_tokens_.front(); }

 private:
  RemoteEndpoint endpoint_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  Tokens stop_tokens_;
  Token start_ = -1, message_ = -1;
  Capabilities capabilities_;
};

class RemoteModel::Session : public RemoteSession {
 public:
  explicit Session(std::shared_ptr<const Impl> model)
      : RemoteSession(model->capabilities().n_context), model_(std::move(model)) {}

 private:
  void drop_answer() override { stream_.reset(); }

  // A completion is tried again only while no token of it has arrived.
  Result<void> fill(const SamplingParams& params, const std::stop_token& stop) override {
    return model_->endpoint().with_retries(stop, [&](RetryAdvice& advice) {
      Result<void> filled = try_fill(params, stop, advice);
      if (filled) return filled;
      if (token_seen_) advice.may_retry = false;
      stream_.reset();
      return filled;
    });
  }

  Result<void> try_fill(const SamplingParams& params, const std::stop_token& stop, RetryAdvice& advice) {
    if (!stream_) {
      token_seen_ = false;
      Result<EventStream> started = EventStream::start(
          client_, model_->endpoint(), "/completions", model_->completion_body(timeline(), params), traceparent(), stop, advice
      );
      if (!started) return started.error();
      stream_.emplace(std::move(*started));
      count_prefill();
    }
    while (queue().empty()) {
      Result<std::string> event = stream_->next(stop, advice);
      if (!event) return event.error();
      if (Result<void> taken = take(*event); !taken) return taken.error();
    }
    return {};
  }

  Result<void> take(const std::string& event) {
    if (event == "[DONE]") {
      return Error{ErrorCode::kCorrupt, model_->endpoint().base() + ": [DONE] before the completion's end"};
    }
    Result<CompletionChunk> chunk = parse_completion_chunk(event, *model_->tokenizer());
    if (!chunk) {
      return Error{chunk.error().code, model_->endpoint().base() + ": " + chunk.error().message};
    }
    if (chunk->from_text && !token_seen_ && hides_control_tokens(chunk->text)) {
      return Error{
          ErrorCode::kUnsupported,
          model_->endpoint().base() +
              " returns no token ids and hides control tokens, so calls and channels cannot be "
              "told "
              "apart; use a vLLM with return_token_ids, or llama-server, or its messages: " +
              model_->endpoint().base() + "/chat/completions"};
    }
    for (const Sampled& sampled : chunk->tokens) queue().push_back(sampled);
    if (chunk->finished) finish(*chunk);
    token_seen_ = token_seen_ || !queue().empty();
    if (!stream_ && queue().empty()) {
      return Error{ErrorCode::kCorrupt, model_->endpoint().base() + ": a completion without any token"};
    }
    return {};
  }

  // After the server's end. Its stop token is the last token of the completion, whether it sent it or not.
  void finish(const CompletionChunk& chunk) {
    const Token last = !queue().empty()     ? queue().back().token
                       : timeline().empty() ? Token{-1}
                                           : timeline().back();
    const bool missing = !chunk.at_limit && !(token_seen_or_queued() && model_->is_stop(last));
    if (missing) queue().push_back({chunk.stop_token.value_or(model_->default_stop()), 0.0F});
    stream_.reset();
  }

  bool token_seen_or_queued() const { return token_seen_ || !queue().empty(); }

  bool hides_control_tokens(std::string_view text) const {
    if (!model_->ends_in_header(timeline())) return false;
    return !text.starts_with("<|") && !text.starts_with(" to=") && !text.starts_with(" ");
  }

  std::shared_ptr<const Impl> model_;
  net::Client client_;
  std::optional<EventStream> stream_;  // the completion under way
  bool token_seen_ = false;            // of this completion
};

RemoteModel::RemoteModel(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RemoteModel::~RemoteModel() = default;

Result<std::unique_ptr<RemoteModel>> RemoteModel::make(
    RemoteOptions options,
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
    std::stop_token stop
) {
  if (Result<void> checked = check_remote_url(options.base_url); !checked) return checked.error();
  if (!tokenizer->special_id("<|return|>")) {
    return Error{ErrorCode::kUnsupported, "the tokenizer has no <|return|>: not a harmony model"};
  }
  RemoteEndpoint endpoint(std::move(options));
  if (endpoint.model().empty()) {
    if (Result<void> asked = endpoint.ask_models(stop); !asked) return asked.error();
  }
  auto impl = std::make_shared<Impl>(std::move(endpoint), std::move(tokenizer));
  return std::unique_ptr<RemoteModel>(new RemoteModel(std::move(impl)));
}

const std::string& RemoteModel::name() const { return impl_->endpoint().model(); }
const Capabilities& RemoteModel::capabilities() const { return impl_->capabilities(); }
std::shared_ptr<const tokenizer::Tokenizer> RemoteModel::tokenizer() const {
  return impl_->tokenizer();
}
Result<std::unique_ptr<TokenSession>> RemoteModel::open_session() {
  return std::unique_ptr<TokenSession>(std::make_unique<Session>(impl_));
}

}  // namespace toccata::agent
