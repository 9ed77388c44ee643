#include "agent/server/completions_api.h"

#include "agent/server/chat_objects.h"
#include "agent/server/logprob_json.h"
#include "agent/server/request_fields.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

std::vector<Tokens> read_prompts(const Json& body, const Services& services) {
  const Json* prompt = field(body, "prompt");
  if (prompt == nullptr) throw ApiError::bad("prompt", "'prompt' is missing");
  const auto ids = [&](const Json& list) {
    Tokens tokens;
    for (const Json& id : list) {
      if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
          id.get<std::int64_t>() >= services.model.capabilities().n_vocab) {
        throw ApiError::bad("prompt", "a token id must be an integer of the vocabulary");
      }
      tokens.push_back(id.get<Token>());
    }
    return tokens;
  };
  // Special tokens in the text count: this endpoint is for those who write their prompt themselves.
  const auto text = [&](const Json& t) {
    return services.renderer.tokenizer().encode(t.get_ref<const std::string&>(), tokenizer::Specials::kAll);
  };
  std::vector<Tokens> prompts;
  if (prompt->is_string()) {
    prompts.push_back(text(*prompt));
  } else if (prompt->is_array() && !prompt->empty() && (*prompt)[0].is_number()) {
    prompts.push_back(ids(*prompt));
  } else if (prompt->is_array()) {
    for (const Json& one : *prompt) {
      if (one.is_string()) {
        prompts.push_back(text(one));
      } else if (one.is_array()) {
        prompts.push_back(ids(one));
      } else {
        throw ApiError::bad("prompt", "a prompt must be a string or a list of token ids");
      }
    }
  } else {
    throw ApiError::bad("prompt", "'prompt' must be a string, token ids, or a list of those");
  }
  for (const Tokens& tokens : prompts) {
    if (tokens.empty()) throw ApiError::bad("prompt", "a prompt is empty");
  }
  if (prompts.empty() || prompts.size() > 64) throw ApiError::bad("prompt", "between 1 and 64 prompts");
  return prompts;
}

struct CompletionCall {
  std::vector<Tokens> prompts;
  SamplingParams sampling;
  Penalties penalties;
  std::vector<std::string> stop_strings;
  Tokens stop_tokens;
  std::int64_t max_tokens = 16;
  int n = 1;
  bool stream = false, include_usage = false, logprobs = false, echo = false, return_ids = false, ignore_eos = false;
};

CompletionCall read_completion(const Json& body, const Services& services) {
  check_model(body, services);
  CompletionCall call;
  call.prompts = read_prompts(body, services);
  call.sampling = read_sampling(body, services);
  call.penalties = read_penalties(body, services);
  call.stop_strings = read_stop(body);
  call.max_tokens = integer_field(body, "max_tokens", 1, INT32_MAX).value_or(16);
  call.n = static_cast<int>(integer_field(body, "n", 1, 64).value_or(1));
  call.stream = bool_field(body, "stream", false);
  call.echo = bool_field(body, "echo", false);
  call.ignore_eos = bool_field(body, "ignore_eos", false);
  call.return_ids = bool_field(body, "return_token_ids", false) || bool_field(body, "return_tokens", false);
  call.logprobs = field(body, "logprobs") != nullptr && *field(body, "logprobs") != false &&
                  services.model.capabilities().logprobs;
  if (call.logprobs && !field(body, "logprobs")->is_boolean() && services.model.capabilities().logit_changes) {
    call.sampling.n_top = read_n_top(body, "logprobs", services);
  }
  if (const Json* options = object_field(body, "stream_options")) {
    call.include_usage = bool_field(*options, "include_usage", false);
  }
  if (const Json* stops = array_field(body, "stop_token_ids")) {
    for (const Json& id : *stops) {
      if (!id.is_number_integer()) throw ApiError::bad("stop_token_ids", "token ids must be integers");
      call.stop_tokens.push_back(id.get<Token>());
    }
  }
  if (!call.ignore_eos) {
    const Tokens own = services.renderer.control().stop_tokens();
    call.stop_tokens.insert(call.stop_tokens.end(), own.begin(), own.end());
  }
  return call;
}

// One prompt, sampled as raw text.
void serve_one_completion(
    Services& services, Exchange& exchange, const CompletionCall& call, const Tokens& prompt, int index,
    const Json& head, Json& choices, Counts& counts
) {
  auto lease = services.pool.acquire(prompt);
  if (!lease) throw api_error(lease.error());
  lease->trace(traceparent_of(exchange.request()));
  const auto& tokenizer = services.renderer.tokenizer();
  tokenizer::StreamDecoder decoder(tokenizer);
  StopStrings stops(call.stop_strings);
  std::string text;
  Tokens tokens;
  Json ids = Json::array(), logprob_tokens = Json::array(), logprobs = Json::array(), top_logprobs = Json::array();
  SamplingParams seeded = call.sampling;
  seeded.seed += static_cast<std::uint64_t>(index);
  PenalizedSampling sampling(std::move(seeded), call.penalties);
  const char* finish = "length";
  const auto start = std::chrono::steady_clock::now();
  auto first = start;
  const auto emit = [&](std::string piece, Json piece_ids, const char* end, Json stop_reason) {
    if (!call.stream) return;
    Json choice = {{"index", index}, {"text", std::move(piece)}, {"logprobs", nullptr},
                   {"finish_reason", end != nullptr ? Json(end) : Json(nullptr)}};
    if (call.return_ids) choice["token_ids"] = std::move(piece_ids);
    if (end != nullptr) choice["stop_reason"] = std::move(stop_reason);
    Json chunk = head;
    chunk["choices"] = Json::array({std::move(choice)});
    exchange.send(sse(chunk));
  };
  Json stop_reason = nullptr;
  if (call.echo) {
    const auto bytes = tokenizer.decode_bytes(prompt);
    text = bytes ? tokenizer::to_valid_utf8(*bytes) : "";
    emit(text, Json::array(), nullptr, nullptr);
  }
  for (std::int64_t n = 0; n < call.max_tokens; ++n) {
    const auto sampled = lease->sample(sampling.params(), std::nullopt, exchange.stop());
    if (!sampled && sampled.error().code == ErrorCode::kResourceExhausted && n > 0) break;
    if (!sampled && sampled.error().code == ErrorCode::kCancelled) throw ApiError(503, "the request was cancelled", "cancelled");
    if (!sampled) throw api_error(sampled.error());
    if (n == 0) first = std::chrono::steady_clock::now();
    sampling.observe(sampled->token);
    tokens.push_back(sampled->token);
    ids.push_back(sampled->token);
    if (call.logprobs) {
      const TokenLogprob told = token_logprob(tokenizer, *sampled);
      logprob_tokens.push_back(told.bytes);
      logprobs.push_back(told.logprob);
      Json top = Json::object();
      for (const TokenLogprob& likely : told.top) top[likely.bytes] = likely.logprob;
      top_logprobs.push_back(std::move(top));
    }
    const bool at_end = std::find(call.stop_tokens.begin(), call.stop_tokens.end(), sampled->token) != call.stop_tokens.end();
    std::string piece = at_end ? "" : stops.push(decoder.push(sampled->token));
    text += piece;
    if (at_end || stops.matched()) {
      finish = "stop";
      if (at_end) stop_reason = sampled->token;
    }
    emit(std::move(piece), Json::array({sampled->token}), nullptr, nullptr);
    if (at_end || stops.matched()) break;
  }
  std::string rest = stops.matched() ? "" : stops.push(decoder.finish()) + stops.rest();
  text += rest;
  emit(std::move(rest), Json::array(), finish, stop_reason);
  const std::chrono::duration<double> decode = std::chrono::steady_clock::now() - first;
  const std::chrono::duration<double> prefill = first - start;
  const auto n_prompt = static_cast<std::int64_t>(prompt.size());
  const auto n_output = static_cast<std::int64_t>(tokens.size());
  counts.prompt += n_prompt;
  counts.cached += lease->n_cached();
  counts.output += n_output;
  counts.prefill_s += prefill.count();
  counts.decode_s += decode.count();
  services.metrics.step_done({n_prompt, lease->n_cached(), n_output, prefill.count(), decode.count(), false});
  Json choice = {{"index", index}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", finish}, {"stop_reason", stop_reason}};
  if (call.logprobs) choice["logprobs"] = {{"tokens", logprob_tokens}, {"token_logprobs", logprobs}, {"top_logprobs", top_logprobs}};
  if (call.return_ids) choice["token_ids"] = ids;
  choices.push_back(std::move(choice));
}

void serve_completions(Services& services, Exchange& exchange, const CompletionCall& call) {
  Json head = head_of(services, make_id("cmpl-"), "text_completion");
  if (call.stream) exchange.start_stream("text/event-stream");
  Counts counts;
  Json choices = Json::array();
  int index = 0;
  for (const Tokens& prompt : call.prompts) {
    for (int i = 0; i < call.n; ++i) {
      serve_one_completion(services, exchange, call, prompt, index++, head, choices, counts);
    }
  }
  finish_answer(exchange, std::move(head), std::move(choices), {{"usage", usage_of(counts)}}, call.stream, call.include_usage);
}

}  // namespace

void completions(Services& services, const std::shared_ptr<Exchange>& exchange) {
  auto call = std::make_shared<CompletionCall>(
      read_completion(parse_object(exchange->request().body), services)
  );
  submit(
      services, exchange, [&services, exchange, call] { serve_completions(services, *exchange, *call); },
      call->stream ? chat_stream_error : std::function<std::string(const ApiError&)>{}
  );
}

}  // namespace toccata::server
