#include "agent/model/message_model.h"

#include "agent/model/harmony_writer.h"
#include "agent/model/message_events.h"
#include "agent/model/remote_session.h"

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

class MessageModel::Session : public RemoteSession {
 public:
  explicit Session(std::shared_ptr<const Impl> model)
      : RemoteSession(model->capabilities().n_context), model_(std::move(model)) {}

  // Behind a call's end something has arrived only when the answer holds another call (HarmonyWriter).
  bool has_further_call() const override { return !queue().empty(); }

  void introduce(std::span<const harmony::Message> opening) override {
    drop_answer();
    introduction_ = introduction_of(opening);
  }

 private:
  // One answer under way.
  struct Answer {
    EventStream stream;
    MessageEvents events;
    HarmonyWriter writer;
    bool said_something = false;
  };

  Error named(const Error& error) const { return Error{error.code, model_->endpoint().base() + ": " + error.message}; }

  void drop_answer() override { answer_.reset(); }

  // An answer is asked for again only while nothing of it has arrived.
  Result<void> fill(const SamplingParams& params, const std::stop_token& stop) override {
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
    while (queue().empty()) {
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
      for (const Token token : tokens) queue().push_back({token, 0.0F});
    }
    if (!answer_->events.reasoning_field().empty()) reasoning_field_ = answer_->events.reasoning_field();
    if (answer_->writer.ended()) answer_.reset();
    return {};
  }

  Result<void> ask(const SamplingParams& params, const std::stop_token& stop, RetryAdvice& advice) {
    Result<Dialogue> dialogue = read_dialogue(timeline(), model_->renderer(), introduction_.given);
    if (!dialogue) return dialogue.error();
    const RemoteEndpoint& endpoint = model_->endpoint();
    std::string body = body_of(
        model_->api(),
        {endpoint.model(), introduction_, *dialogue, params, seed_for(params.seed, n_tokens()), reasoning_field_}
    );
    Result<EventStream> stream = EventStream::start(client_, endpoint, model_->path(), std::move(body), traceparent(), stop, advice);
    if (!stream) return stream.error();
    answer_.emplace(Answer{
        std::move(*stream), MessageEvents(model_->api()),
        HarmonyWriter(model_->renderer(), introduction_.functions, dialogue->open_channel)
    });
    count_prefill();
    return {};
  }

  std::shared_ptr<const Impl> model_;
  Introduction introduction_;
  std::string reasoning_field_ = "reasoning";  // where this server looks for it
  net::Client client_;                         // outlives the answer
  std::optional<Answer> answer_;
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
