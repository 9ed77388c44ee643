#include "agent/model/remote_model.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/model/completion_chunk.h"
#include "agent/model/sse_reader.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDefaultContext = 131'072;
constexpr milliseconds kFirstWait{500};
constexpr std::size_t kErrorBodyMax = std::size_t{64} << 10;
constexpr std::size_t kModelListMax = std::size_t{4} << 20;
constexpr std::size_t kStreamBytesMax = std::size_t{1} << 30;

// "http://host:8000", ".../v1", ".../v1/" or ".../v1/completions" -> ".../v1".
std::string base_of(std::string url) {
  const auto drop = [&](std::string_view end) {
    if (url.ends_with(end)) url.resize(url.size() - end.size());
  };
  drop("/");
  drop("/completions");
  drop("/");
  if (!url.ends_with("/v1")) url += "/v1";
  return url;
}

// The server's seed must differ from completion to completion, and repeat with the run's.
std::int64_t seed_for(std::uint64_t seed, std::int64_t position) {
  std::uint64_t mixed = seed + 0x9e3779b97f4a7c15U * (static_cast<std::uint64_t>(position) + 1);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return static_cast<std::int64_t>((mixed ^ (mixed >> 31)) & 0x7fffffffU);
}

bool may_retry_status(int status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

// Retry-After in seconds; a date is taken as absent.
std::optional<milliseconds> retry_after(const net::Response& response) {
  const auto header = response.header("retry-after");
  if (!header) return std::nullopt;
  double seconds = 0;
  const auto parsed = std::from_chars(header->data(), header->data() + header->size(), seconds);
  if (parsed.ec != std::errc() || !(seconds >= 0) || seconds > 1e6) return std::nullopt;
  return milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace

class RemoteModel::Impl {
 public:
  Impl(RemoteOptions options, std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : options_(std::move(options)), tokenizer_(std::move(tokenizer)) {
    base_ = base_of(options_.base_url);
    name_ = options_.model;
    for (const char* spelling : {"<|return|>", "<|call|>", "<|endoftext|>"}) {
      if (const auto id = tokenizer_->special_id(spelling)) stop_tokens_.push_back(*id);
    }
    start_ = tokenizer_->special_id("<|start|>").value_or(-1);
    message_ = tokenizer_->special_id("<|message|>").value_or(-1);
    capabilities_.logprobs = true;
    capabilities_.n_vocab = tokenizer_->n_vocab();
    capabilities_.n_context = options_.n_context > 0 ? options_.n_context : kDefaultContext;
  }

  // Asks the server for its models: the name to send when none was given, and its context length.
  Result<void> ask_models(std::stop_token stop) {
    net::Client client;
    net::Request request = request_to("/models");
    request.body_bytes_max = kModelListMax;
    request.total_timeout = std::min(options_.idle_timeout, milliseconds(30'000));
    Result<net::Response> response = client.send(request, stop);
    if (!response) return response.error();
    if (response->status != 200) return status_error(response->status, response->body);
    const auto json = json_from<nlohmann::json>(response->body);
    if (!json.is_object() || !json.contains("data") || !json["data"].is_array() ||
        json["data"].empty() || !json["data"][0].is_object() ||
        !json["data"][0].value("id", nlohmann::json()).is_string()) {
      return Error{
          ErrorCode::kCorrupt, base_ + "/models does not list a model; name one explicitly"};
    }
    name_ = json["data"][0]["id"].get<std::string>();
    const auto length = json["data"][0].value("max_model_len", nlohmann::json());
    if (options_.n_context <= 0 && length.is_number_integer() && length.get<std::int64_t>() > 0) {
      capabilities_.n_context = length.get<std::int64_t>();
    }
    return {};
  }

  net::Request request_to(const std::string& path) const {
    net::Request request;
    request.url = base_ + path;
    request.connect_timeout = options_.connect_timeout;
    request.idle_timeout = options_.idle_timeout;
    request.total_timeout = options_.total_timeout;
    request.body_bytes_max = kStreamBytesMax;
    request.connect_policy = options_.connect_policy;
    if (!options_.api_key.empty()) {
      request.headers.emplace_back("Authorization", "Bearer " + options_.api_key);
    }
    return request;
  }

  std::string completion_body(const Tokens& prompt, const SamplingParams& params) const {
    const auto room = capabilities_.n_context - std::ssize(prompt);
    nlohmann::json body = {
        {"model", name_},
        {"prompt", prompt},
        {"stream", true},
        {"max_tokens", std::clamp<std::int64_t>(room, 1, options_.max_tokens)},
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

  Error status_error(int status, std::string_view body) const {
    std::string excerpt = error_excerpt(body);
    const std::string& key = options_.api_key;
    for (auto at = excerpt.find(key); !key.empty() && at != std::string::npos;
         at = excerpt.find(key)) {
      excerpt.replace(at, key.size(), "***");
    }
    const ErrorCode code = status == 401 || status == 403 ? ErrorCode::kPermissionDenied
                           : status == 404                ? ErrorCode::kNotFound
                                                          : ErrorCode::kUnavailable;
    return Error{code, base_ + " answered HTTP " + std::to_string(status) + ": " + excerpt};
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

  const RemoteOptions& options() const { return options_; }
  const std::string& base() const { return base_; }
  const std::string& name() const { return name_; }
  const Capabilities& capabilities() const { return capabilities_; }
  const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const { return tokenizer_; }
  // The token a completion ended with when the server only says "stop".
  Token default_stop() const { return stop_tokens_.front(); }

 private:
  RemoteOptions options_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::string base_, name_;
  Tokens stop_tokens_;
  Token start_ = -1, message_ = -1;
  Capabilities capabilities_;
};

namespace {

// Sleeps; true when stopped.
bool sleep_or_stop(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

}  // namespace

class RemoteModel::Session : public TokenSession {
 public:
  explicit Session(std::shared_ptr<const Impl> model) : model_(std::move(model)) {}

  Result<void> append(std::span<const Token> tokens) override {
    if (n_tokens() + std::ssize(tokens) > model_->capabilities().n_context) return full();
    drop_stream();
    timeline_.insert(timeline_.end(), tokens.begin(), tokens.end());
    usage_.appended += std::ssize(tokens);
    to_prefill_ += std::ssize(tokens);
    return {};
  }

  Result<Sampled> sample(
      const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop
  ) override {
    if (mask) {
      return Error{ErrorCode::kUnsupported, "a remote model cannot be constrained by a mask"};
    }
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "sampling was stopped"};
    if (n_tokens() + 1 > model_->capabilities().n_context) return full();
    if (queue_.empty()) {
      if (Result<void> filled = fill(params, stop); !filled) return filled.error();
    }
    const Sampled sampled = queue_.front();
    queue_.pop_front();
    timeline_.push_back(sampled.token);
    usage_.decoded += 1;
    return sampled;
  }

  bool has_next() const override { return !queue_.empty(); }

  Result<std::unique_ptr<TokenSession>> fork() override {
    return Error{ErrorCode::kUnsupported, "a remote session cannot be forked"};
  }
  Result<Checkpoint> checkpoint() override { return Checkpoint{n_tokens(), 0}; }
  Result<void> rollback(const Checkpoint& checkpoint) override {
    if (checkpoint.n_tokens < 0 || checkpoint.n_tokens > n_tokens()) {
      return Error{ErrorCode::kInvalidArgument, "rollback to a position that is not there"};
    }
    drop_stream();
    timeline_.resize(static_cast<std::size_t>(checkpoint.n_tokens));
    return {};
  }
  std::int64_t n_tokens() const override { return std::ssize(timeline_); }
  const Usage& usage() const override { return usage_; }

 private:
  Error full() const {
    return Error{
        ErrorCode::kResourceExhausted,
        "the context of " + std::to_string(model_->capabilities().n_context) + " tokens is full"};
  }

  void drop_stream() {
    exchange_.reset();
    queue_.clear();
  }

  // Puts at least one token into the queue. A completion is tried again only while no token of it has arrived.
  Result<void> fill(const SamplingParams& params, const std::stop_token& stop) {
    milliseconds wait = kFirstWait;
    for (int attempt = 1;; ++attempt) {
      std::optional<milliseconds> server_wait;
      Result<void> filled = try_fill(params, stop, server_wait);
      if (filled) return filled;
      const bool fresh = !token_seen_;
      exchange_.reset();
      if (!retry_ || !fresh || attempt >= model_->options().attempts_max) return filled;
      const milliseconds pause = server_wait.value_or(wait);
      if (pause > model_->options().retry_after_max) return filled;
      if (sleep_or_stop(pause, stop)) return Error{ErrorCode::kCancelled, "sampling was stopped"};
      wait *= 2;
    }
  }

  Result<void> try_fill(
      const SamplingParams& params, const std::stop_token& stop, std::optional<milliseconds>& wait
  ) {
    retry_ = false;
    if (!exchange_) {
      token_seen_ = false;
      if (Result<void> started = start(params, stop, wait); !started) return started.error();
    }
    while (queue_.empty()) {
      if (std::optional<std::string> event = reader_->next()) {
        if (Result<void> taken = take(*event); !taken) return taken.error();
        continue;
      }
      Result<std::string_view> bytes = exchange_->read(stop);
      if (!bytes) {
        retry_ = bytes.error().code == ErrorCode::kUnavailable;
        return bytes.error();
      }
      if (bytes->empty()) {
        retry_ = true;
        return Error{
            ErrorCode::kCorrupt,
            model_->base() +
                ": the stream ended before the completion did (server or proxy cut it)"};
      }
      if (Result<void> pushed = reader_->push(*bytes); !pushed) return pushed.error();
    }
    return {};
  }

  Result<void> start(
      const SamplingParams& params, const std::stop_token& stop, std::optional<milliseconds>& wait
  ) {
    net::Request request = model_->request_to("/completions");
    request.method = "POST";
    request.body = model_->completion_body(timeline_, params);
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("Accept", "text/event-stream");
    Result<net::Exchange> exchange = client_.start(request, stop);
    if (!exchange) {
      retry_ = exchange.error().code == ErrorCode::kUnavailable;
      return exchange.error();
    }
    const net::Response& response = exchange->response();
    if (response.status != 200) {
      retry_ = may_retry_status(response.status);
      wait = retry_after(response);
      Result<std::string> body = exchange->read_all(kErrorBodyMax, stop);
      return model_->status_error(response.status, body ? *body : "");
    }
    const std::string_view type = response.header("content-type").value_or("");
    if (type.find("event-stream") == std::string_view::npos) {
      return Error{
          ErrorCode::kCorrupt,
          model_->base() + " answered '" + std::string(type.substr(0, 100)) +
              "' instead of text/event-stream: is this a completions endpoint?"};
    }
    exchange_.emplace(std::move(*exchange));
    reader_.emplace(model_->options().line_bytes_max);
    usage_.prefilled += to_prefill_;
    to_prefill_ = 0;
    return {};
  }

  Result<void> take(const std::string& event) {
    if (event == "[DONE]") {
      return Error{ErrorCode::kCorrupt, model_->base() + ": [DONE] before the completion's end"};
    }
    Result<CompletionChunk> chunk = parse_completion_chunk(event, *model_->tokenizer());
    if (!chunk) {
      return Error{chunk.error().code, model_->base() + ": " + chunk.error().message};
    }
    if (chunk->from_text && !token_seen_ && hides_control_tokens(chunk->text)) {
      return Error{
          ErrorCode::kUnsupported,
          model_->base() +
              " returns no token ids and hides control tokens, so calls and channels cannot be "
              "told "
              "apart; use a vLLM with return_token_ids, or llama-server"};
    }
    for (const Sampled& sampled : chunk->tokens) queue_.push_back(sampled);
    if (chunk->finished) finish(*chunk);
    token_seen_ = token_seen_ || !queue_.empty();
    if (!exchange_ && queue_.empty()) {
      return Error{ErrorCode::kCorrupt, model_->base() + ": a completion without any token"};
    }
    return {};
  }

  // After the server's end. Its stop token is the last token of the completion, whether it sent it or not.
  void finish(const CompletionChunk& chunk) {
    const Token last = !queue_.empty()     ? queue_.back().token
                       : timeline_.empty() ? Token{-1}
                                           : timeline_.back();
    const bool missing = !chunk.at_limit && !(token_seen_or_queued() && model_->is_stop(last));
    if (missing) queue_.push_back({chunk.stop_token.value_or(model_->default_stop()), 0.0F});
    exchange_.reset();
  }

  bool token_seen_or_queued() const { return token_seen_ || !queue_.empty(); }

  bool hides_control_tokens(std::string_view text) const {
    if (!model_->ends_in_header(timeline_)) return false;
    return !text.starts_with("<|") && !text.starts_with(" to=") && !text.starts_with(" ");
  }

  std::shared_ptr<const Impl> model_;
  Tokens timeline_;
  Usage usage_;
  std::int64_t to_prefill_ = 0;
  net::Client client_;
  std::optional<net::Exchange> exchange_;  // the completion under way
  std::optional<SseReader> reader_;
  std::deque<Sampled> queue_;  // arrived and not yet sampled
  bool token_seen_ = false;    // of this completion
  bool retry_ = false;         // the last failure may be tried again
};

RemoteModel::RemoteModel(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RemoteModel::~RemoteModel() = default;

Result<std::unique_ptr<RemoteModel>> RemoteModel::make(
    RemoteOptions options,
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
    std::stop_token stop
) {
  const std::string& url = options.base_url;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return Error{
        ErrorCode::kInvalidArgument,
        "a remote model is an http or https URL such as http://127.0.0.1:8000/v1, not '" + url +
            "'"};
  }
  const bool ask = options.model.empty();
  auto impl = std::make_shared<Impl>(std::move(options), std::move(tokenizer));
  if (!impl->tokenizer()->special_id("<|return|>")) {
    return Error{ErrorCode::kUnsupported, "the tokenizer has no <|return|>: not a harmony model"};
  }
  if (ask) {
    if (Result<void> asked = impl->ask_models(stop); !asked) return asked.error();
  }
  return std::unique_ptr<RemoteModel>(new RemoteModel(std::move(impl)));
}

const std::string& RemoteModel::name() const { return impl_->name(); }
const Capabilities& RemoteModel::capabilities() const { return impl_->capabilities(); }
std::shared_ptr<const tokenizer::Tokenizer> RemoteModel::tokenizer() const {
  return impl_->tokenizer();
}
Result<std::unique_ptr<TokenSession>> RemoteModel::open_session() {
  return std::unique_ptr<TokenSession>(std::make_unique<Session>(impl_));
}

}  // namespace toccata::agent
