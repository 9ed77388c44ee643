#include "agent/model/message_model.h"

#include <deque>

#include "agent/model/harmony_writer.h"
#include "agent/model/message_events.h"

namespace toccata::agent {

class MessageModel::Impl {
 public:
  Impl(MessageApi api, RemoteEndpoint endpoint, std::shared_ptr<const tokenizer::Tokenizer> tokenizer, harmony::Renderer renderer)
      : api_(api), endpoint_(std::move(endpoint)), tokenizer_(std::move(tokenizer)), renderer_(std::move(renderer)) {
    capabilities_.n_vocab = tokenizer_->n_vocab();
    capabilities_.n_context = endpoint_.n_context();
  }

  MessageApi api() const { return api_; }
  const char* path() const { return api_ == MessageApi::kChat ? "/chat/completions" : "/responses"; }
  const RemoteEndpoint& endpoint() const { return endpoint_; }
  const harmony::Renderer& renderer() const { return renderer_; }
  const Capabilities& capabilities() const { return capabilities_; }
  const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const { return tokenizer_; }

 private:
  MessageApi api_;
  RemoteEndpoint endpoint_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  harmony::Renderer renderer_;
  Capabilities capabilities_;
};

class MessageModel::Session : public TokenSession {
 public:
  explicit Session(std::shared_ptr<const Impl> model) : model_(std::move(model)) {}

  void introduce(std::span<const harmony::Message> opening) override {
    drop_answer();
    introduction_ = introduction_of(opening);
  }

  Result<void> append(std::span<const Token> tokens) override {
    if (n_tokens() + std::ssize(tokens) > model_->capabilities().n_context) return full();
    drop_answer();
    timeline_.insert(timeline_.end(), tokens.begin(), tokens.end());
    usage_.appended += std::ssize(tokens);
    to_prefill_ += std::ssize(tokens);
    return {};
  }

  Result<Sampled> sample(const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop) override {
    if (mask) return Error{ErrorCode::kUnsupported, "a remote model cannot be constrained by a mask"};
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "sampling was stopped"};
    if (n_tokens() + 1 > model_->capabilities().n_context) return full();
    if (queue_.empty()) {
      if (Result<void> filled = fill(params, stop); !filled) return filled.error();
    }
    const Token token = queue_.front();
    queue_.pop_front();
    timeline_.push_back(token);
    usage_.decoded += 1;
    return Sampled{token, 0.0F};
  }

  Result<std::unique_ptr<TokenSession>> fork() override {
    return Error{ErrorCode::kUnsupported, "a remote session cannot be forked"};
  }
  Result<Checkpoint> checkpoint() override { return Checkpoint{n_tokens(), 0}; }
  Result<void> rollback(const Checkpoint& checkpoint) override {
    if (checkpoint.n_tokens < 0 || checkpoint.n_tokens > n_tokens()) {
      return Error{ErrorCode::kInvalidArgument, "rollback to a position that is not there"};
    }
    drop_answer();
    timeline_.resize(static_cast<std::size_t>(checkpoint.n_tokens));
    return {};
  }
  std::int64_t n_tokens() const override { return std::ssize(timeline_); }
  const Usage& usage() const override { return usage_; }

 private:
  // One answer under way.
  struct Answer {
    EventStream stream;
    MessageEvents events;
    HarmonyWriter writer;
    bool said_something = false;
  };

  Error full() const {
    return Error{
        ErrorCode::kResourceExhausted,
        "the context of " + std::to_string(model_->capabilities().n_context) + " tokens is full"};
  }
  Error named(const Error& error) const { return Error{error.code, model_->endpoint().base() + ": " + error.message}; }

  void drop_answer() {
    answer_.reset();
    queue_.clear();
  }

  // Puts at least one token into the queue. An answer is asked for again only while nothing of it has arrived.
  Result<void> fill(const SamplingParams& params, const std::stop_token& stop) {
    return model_->endpoint().with_retries(stop, [&](RetryAdvice& advice) {
      Result<void> filled = try_fill(params, stop, advice);
      if (filled) return filled;
      if (answer_ && answer_->said_something) advice.may_retry = false;
      answer_.reset();
      return filled;
    });
  }

  Result<void> try_fill(const SamplingParams& params, const std::stop_token& stop, RetryAdvice& advice) {
    if (!answer_) {
      if (Result<void> asked = ask(params, stop, advice); !asked) return asked;
    }
    while (queue_.empty()) {
      Result<std::string> event = answer_->stream.next(stop, advice);
      if (!event) return event.error();
      Result<std::vector<Spoken>> spoken = answer_->events.take(*event);
      if (!spoken) return named(spoken.error());
      Tokens tokens;
      for (const Spoken& one : *spoken) {
        answer_->said_something = true;
        const auto* end = std::get_if<SpokenEnd>(&one);
        if (end != nullptr && end->at_limit) {
          return named({ErrorCode::kResourceExhausted, "the answer was cut at the server's limit of tokens"});
        }
        answer_->writer.take(one, tokens);
      }
      queue_.insert(queue_.end(), tokens.begin(), tokens.end());
    }
    if (!answer_->events.reasoning_field().empty()) reasoning_field_ = answer_->events.reasoning_field();
    if (answer_->writer.ended()) answer_.reset();
    return {};
  }

  Result<void> ask(const SamplingParams& params, const std::stop_token& stop, RetryAdvice& advice) {
    Result<Dialogue> dialogue = read_dialogue(timeline_, model_->renderer(), introduction_.given);
    if (!dialogue) return dialogue.error();
    const RemoteEndpoint& endpoint = model_->endpoint();
    std::string body = body_of(
        model_->api(),
        {endpoint.model(), introduction_, *dialogue, params, seed_for(params.seed, n_tokens()), reasoning_field_}
    );
    Result<EventStream> stream = EventStream::start(client_, endpoint, model_->path(), std::move(body), stop, advice);
    if (!stream) return stream.error();
    answer_.emplace(Answer{
        std::move(*stream), MessageEvents(model_->api()),
        HarmonyWriter(model_->renderer(), introduction_.functions, dialogue->open_channel)
    });
    usage_.prefilled += to_prefill_;
    to_prefill_ = 0;
    return {};
  }

  std::shared_ptr<const Impl> model_;
  Introduction introduction_;
  Tokens timeline_;
  Usage usage_;
  std::int64_t to_prefill_ = 0;
  std::string reasoning_field_ = "reasoning";  // where this server looks for it
  net::Client client_;                         // outlives the answer
  std::optional<Answer> answer_;
  std::deque<Token> queue_;  // arrived and not yet sampled
};

MessageModel::MessageModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
MessageModel::~MessageModel() = default;

Result<std::unique_ptr<MessageModel>> MessageModel::make(
    MessageApi api,
    RemoteOptions options,
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
    std::stop_token stop
) {
  if (Result<void> checked = check_remote_url(options.base_url); !checked) return checked.error();
  Result<harmony::Renderer> renderer = harmony::Renderer::make(tokenizer);
  if (!renderer) return renderer.error();
  RemoteEndpoint endpoint(std::move(options));
  if (endpoint.model().empty()) {
    if (Result<void> asked = endpoint.ask_models(stop); !asked) return asked.error();
  }
  return std::unique_ptr<MessageModel>(
      new MessageModel(std::make_shared<const Impl>(api, std::move(endpoint), std::move(tokenizer), std::move(*renderer)))
  );
}

const std::string& MessageModel::name() const { return impl_->endpoint().model(); }
const Capabilities& MessageModel::capabilities() const { return impl_->capabilities(); }
std::shared_ptr<const tokenizer::Tokenizer> MessageModel::tokenizer() const { return impl_->tokenizer(); }
Result<std::unique_ptr<TokenSession>> MessageModel::open_session() {
  return std::unique_ptr<TokenSession>(std::make_unique<Session>(impl_));
}

}  // namespace toccata::agent
