#include "agent/model/remote_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "tests/support/loopback_server.h"

namespace toccata::agent {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::Connection;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::LoopbackServer;
using ::testing::Not;

constexpr const char* kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

std::string event(const json& choice) {
  const json body = {{"object", "text_completion"}, {"choices", {choice}}};
  // As servers do, half a character becomes U+FFFD.
  return "data: " + json_text(body) + "\n\n";
}

std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

class RemoteModelTest : public ::testing::Test {
 protected:
  Tokens encode(std::string_view text) const {
    return tokenizer_->encode(text, tokenizer::Specials::kAll);
  }
  // As vLLM streams a completion: one event for each token, ids included.
  std::string vllm_events(std::string_view text, const json& stop_reason = nullptr) const {
    std::string events;
    const Tokens tokens = encode(text);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool last = i + 1 == tokens.size();
      events += event(
          {{"index", 0},
           {"text", std::string(*tokenizer_->token_bytes(tokens[i]))},
           {"token_ids", {tokens[i]}},
           {"finish_reason", last ? json("stop") : json(nullptr)},
           {"stop_reason", last ? stop_reason : json(nullptr)}}
      );
    }
    return events + "data: [DONE]\n\n";
  }
  // As llama-server does: control tokens have no text, ids come with the logprobs, the end is an event of its own.
  std::string llama_events(std::string_view text) const {
    std::string events;
    for (const Token token : encode(text)) {
      const std::string shown =
          tokenizer_->is_special(token) ? "" : std::string(*tokenizer_->token_bytes(token));
      events += event(
          {{"index", 0},
           {"text", shown},
           {"logprobs", {{"content", {{{"id", token}, {"token", shown}, {"logprob", -0.5}}}}}},
           {"finish_reason", nullptr}}
      );
    }
    return events + event({{"index", 0}, {"text", ""}, {"finish_reason", "stop"}}) +
           "data: [DONE]\n\n";
  }

  std::unique_ptr<TokenSession> open(const LoopbackServer& server) {
    RemoteOptions options;
    options.base_url = server.url();
    options.model = "gpt-oss-20b";
    options.api_key = "secret-key";
    return open(std::move(options));
  }
  std::unique_ptr<TokenSession> open(RemoteOptions options) {
    model_ = RemoteModel::make(std::move(options), tokenizer_).value_or_throw();
    auto session = model_->open_session().value_or_throw();
    session->append(encode("<|start|>user<|message|>Hi<|end|><|start|>assistant")).value_or_throw();
    return session;
  }
  // Samples to the stop token.
  Result<std::string> say(TokenSession& session) {
    Tokens tokens;
    while (true) {
      auto sampled = session.sample({}, std::nullopt, {});
      if (!sampled) return sampled.error();
      tokens.push_back(sampled->token);
      const Token token = tokens.back();
      if (token == 200002 || token == 200012 || token == 199999) break;
    }
    return tokenizer_->decode_bytes(tokens);
  }
  std::string error_of(TokenSession& session) {
    auto said = say(session);
    return said ? "no error: " + *said : said.error().message;
  }

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::o200k_harmony();
  std::unique_ptr<RemoteModel> model_;
  const std::string answer_ = "<|channel|>final<|message|>Hello \xF0\x9F\xA6\x9C<|return|>";
};

TEST_F(RemoteModelTest, TalksToAVllm) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    connection.send(kStreamHead + vllm_events(answer_));
  });
  auto session = open(server);
  const auto said = say(*session);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(*said, answer_);

  const std::string request = server.requests().at(0);
  EXPECT_TRUE(request.starts_with("POST /v1/completions HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer secret-key\r\n"));
  const json body = json_from_valid<json>(body_of(request));
  EXPECT_EQ(body["model"], "gpt-oss-20b");
  EXPECT_EQ(
      body["prompt"].get<Tokens>(), encode("<|start|>user<|message|>Hi<|end|><|start|>assistant")
  );
  EXPECT_EQ(body["stop_token_ids"].get<Tokens>(), (Tokens{200002, 200012, 199999}));
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["skip_special_tokens"], false);
  EXPECT_EQ(body["return_token_ids"], true);
}

TEST_F(RemoteModelTest, TalksToALlamaServer) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    connection.send(kStreamHead + llama_events("<|channel|>final<|message|>Hello<|return|>"));
  });
  auto session = open(server);
  const auto said = say(*session);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(*said, "<|channel|>final<|message|>Hello<|return|>");
}

TEST_F(RemoteModelTest, TheWholeTimelineGoesOutWithEachCompletion) {
  LoopbackServer server([this, n = 0](const std::string&, Connection& connection) mutable {
    connection.send(
        kStreamHead +
        (++n == 1 ? vllm_events("<|channel|>analysis to=python code<|message|>1<|call|>", 200012)
                  : vllm_events(answer_))
    );
  });
  auto session = open(server);
  const std::string call = say(*session).value_or_throw();
  session->append(encode("<|start|>python to=assistant<|message|>1<|end|><|start|>assistant"))
      .value_or_throw();
  ASSERT_TRUE(say(*session));
  const Tokens prompt = json_from_valid<json>(body_of(server.requests().at(1)))["prompt"].get<Tokens>();
  EXPECT_EQ(
      tokenizer_->decode_bytes(prompt).value_or_throw(),
      "<|start|>user<|message|>Hi<|end|><|start|>assistant" + call +
          "<|start|>python to=assistant<|message|>1<|end|><|start|>assistant"
  );
  EXPECT_EQ(session->usage().appended, session->usage().prefilled);
}

TEST_F(RemoteModelTest, SuppliesTheStopTokenAServerKeepsToItself) {
  const auto cut = [this](const json& last) {
    return std::string(kStreamHead) +
           event({{"text", ""}, {"token_ids", encode("<|channel|>final<|message|>4")}}) +
           event(last);
  };
  LoopbackServer server([&, n = 0](const std::string&, Connection& connection) mutable {
    const json end = {{"text", ""}, {"finish_reason", "stop"}};
    json call_end = end;
    call_end["stop_reason"] = 200012;
    connection.send(cut(++n == 1 ? end : call_end));
  });
  auto session = open(server);
  EXPECT_EQ(say(*session).value_or_throw(), "<|channel|>final<|message|>4<|return|>");
  session->append(encode("<|start|>assistant")).value_or_throw();
  EXPECT_EQ(say(*session).value_or_throw(), "<|channel|>final<|message|>4<|call|>");
}

TEST_F(RemoteModelTest, GoesOnWhereTheServersLengthLimitCut) {
  LoopbackServer server([this, n = 0](const std::string&, Connection& connection) mutable {
    const bool first = ++n == 1;
    const json choice = {
        {"text", ""},
        {"token_ids", encode(first ? "<|channel|>final<|message|>one" : " two<|return|>")},
        {"finish_reason", first ? "length" : "stop"}};
    connection.send(kStreamHead + event(choice));
  });
  auto session = open(server);
  EXPECT_EQ(say(*session).value_or_throw(), "<|channel|>final<|message|>one two<|return|>");
  const Tokens prompt = json_from_valid<json>(body_of(server.requests().at(1)))["prompt"].get<Tokens>();
  EXPECT_THAT(tokenizer_->decode_bytes(prompt).value_or_throw(), HasSubstr("final<|message|>one"));
}

TEST_F(RemoteModelTest, ReadsTextWhenThereAreNoIds) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    std::string events;
    for (const Token token : encode("<|channel|>final<|message|>Hello<|return|>")) {
      events += event({{"text", std::string(*tokenizer_->token_bytes(token))}});
    }
    connection.send(kStreamHead + events + event({{"text", ""}, {"finish_reason", "stop"}}));
  });
  auto session = open(server);
  EXPECT_EQ(say(*session).value_or_throw(), "<|channel|>final<|message|>Hello<|return|>");
}

TEST_F(RemoteModelTest, RefusesAServerThatGivesNeitherIdsNorControlTokens) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(kStreamHead + event({{"text", "analysis"}}) + event({{"text", "We need"}}));
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("hides control tokens"));
}

TEST_F(RemoteModelTest, ACutStreamIsAnErrorAfterTheTokensThatCame) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    connection.send(kStreamHead + event({{"text", ""}, {"token_ids", encode("<|channel|>final")}}));
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("stream ended before the completion did"));
  EXPECT_EQ(session->usage().decoded, 2);
  EXPECT_EQ(server.requests().size(), 1U);  // not tried again: tokens had arrived
}

TEST_F(RemoteModelTest, TriesAgainWhenTheServerIsBusy) {
  LoopbackServer server([this, n = 0](const std::string&, Connection& connection) mutable {
    ++n;
    if (n == 1) {
      connection.send(
          http_answer("429 Too Many Requests", "text/plain", "slow", "Retry-After: 0\r\n")
      );
    } else if (n == 2) {
      connection.send(http_answer("503 Service Unavailable", "text/plain", "", "Retry-After: 0\r\n")
      );
    } else {
      connection.send(kStreamHead + vllm_events(answer_));
    }
  });
  auto session = open(server);
  EXPECT_EQ(say(*session).value_or_throw(), answer_);
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST_F(RemoteModelTest, GivesUpAfterTheAllowedAttempts) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(http_answer(
        "500 Internal Server Error",
        "application/json",
        R"({"error":{"message":"CUDA died"}})",
        "Retry-After: 0\r\n"
    ));
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("HTTP 500: CUDA died"));
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST_F(RemoteModelTest, DoesNotWaitLongerThanAllowed) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(http_answer("429 Too Many Requests", "text/plain", "", "Retry-After: 86400\r\n")
    );
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("HTTP 429"));
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(RemoteModelTest, DoesNotRepeatABadRequestAndNeverShowsTheKey) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(http_answer(
        "401 Unauthorized", "application/json", R"({"error":{"message":"bad key secret-key"}})"
    ));
  });
  auto session = open(server);
  const std::string message = error_of(*session);
  EXPECT_THAT(message, HasSubstr("HTTP 401: bad key ***"));
  EXPECT_THAT(message, Not(HasSubstr("secret-key")));
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(RemoteModelTest, PassesOnAnErrorInsideTheStream) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    connection.send(
        kStreamHead + event({{"text", ""}, {"token_ids", encode("<|channel|>")}}) +
        "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"
    );
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("the server reports: out of memory"));
}

TEST_F(RemoteModelTest, SaysWhenTheAnswerIsAPage) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(http_answer("200 OK", "text/html", "<html>"));
  });
  auto session = open(server);
  EXPECT_THAT(error_of(*session), HasSubstr("text/html"));
}

TEST_F(RemoteModelTest, GivesUpOnASilentServer) {
  LoopbackServer server([this](const std::string&, Connection& connection) {
    connection.send(kStreamHead + event({{"text", ""}, {"token_ids", encode("<|channel|>")}}));
    connection.stall();
  });
  RemoteOptions options;
  options.base_url = server.url("/v1/");
  options.model = "m";
  options.idle_timeout = 30ms;
  auto session = open(options);
  EXPECT_THAT(error_of(*session), HasSubstr("silent"));
}

TEST_F(RemoteModelTest, StopsWhenAskedTo) {
  std::stop_source stop;
  LoopbackServer server([&](const std::string&, Connection& connection) {
    stop.request_stop();
    connection.stall();
  });
  auto session = open(server);
  const auto sampled = session->sample({}, std::nullopt, stop.get_token());
  ASSERT_FALSE(sampled);
  EXPECT_EQ(sampled.error().code, ErrorCode::kCancelled);
}

TEST_F(RemoteModelTest, RefusesAnEndlessLine) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(kStreamHead + std::string("data: "));
    while (connection.is_open()) connection.send(std::string(10'000, 'a'));
  });
  RemoteOptions options;
  options.base_url = server.url();
  options.model = "m";
  options.line_bytes_max = 100'000;
  auto session = open(options);
  EXPECT_THAT(error_of(*session), HasSubstr("more than 100000 bytes"));
}

TEST_F(RemoteModelTest, AsksForTheModelWhenNoneIsNamed) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send(http_answer(
        "200 OK",
        "application/json",
        R"({"data":[{"id":"openai/gpt-oss-120b","max_model_len":4096}]})"
    ));
  });
  RemoteOptions options;
  options.base_url = server.url("/v1/completions");
  const auto model = RemoteModel::make(options, tokenizer_);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->name(), "openai/gpt-oss-120b");
  EXPECT_EQ((*model)->capabilities().n_context, 4096);
  EXPECT_TRUE(server.requests().at(0).starts_with("GET /v1/models "));
}

TEST_F(RemoteModelTest, RefusesUrlsItCannotUse) {
  RemoteOptions options;
  options.base_url = "localhost:8000";
  const auto model = RemoteModel::make(options, tokenizer_);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace toccata::agent
