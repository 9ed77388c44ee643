#include "agent/cli/client_setup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::cli {
namespace {

const ServedModel kServed{"http://127.0.0.1:8080/v1", "gpt-oss-20b", 131072, {}};

ServedModel keyed() {
  ServedModel served = kServed;
  served.api_key = "sesame";
  return served;
}

std::string value_of(const ClientSetup& setup, const std::string& name) {
  for (const auto& [variable, value] : setup.variables) {
    if (variable == name) return value;
  }
  return "(unset)";
}

TEST(ClientSetupTest, CodexGetsAProviderOfItsOwn) {
  const ClientSetup setup = client_setup("codex", kServed).value_or_throw();
  const std::vector<std::string> expected = {
      "-c", R"(model_provider="toccata")",
      "-c", R"(model_providers.toccata={name="Toccata", base_url="http://127.0.0.1:8080/v1", wire_api="responses"})",
      "-c", R"(model="gpt-oss-20b")", "-c", "model_context_window=131072"};
  EXPECT_EQ(expected, setup.arguments);
  EXPECT_TRUE(setup.variables.empty());
}

TEST(ClientSetupTest, CodexReadsTheKeyFromAVariable) {
  const ClientSetup setup = client_setup("codex", keyed()).value_or_throw();
  EXPECT_NE(std::string::npos, setup.arguments[3].find(R"(env_key="TOCCATA_API_KEY")"));
  EXPECT_EQ("sesame", value_of(setup, "TOCCATA_API_KEY"));
  for (const std::string& word : setup.arguments) EXPECT_EQ(std::string::npos, word.find("sesame")) << "everyone sees arguments";
}

TEST(ClientSetupTest, AModelNameCannotLeaveItsQuotes) {
  ServedModel served = kServed;
  served.model = R"(a"b\c)";
  served.context = 0;
  const ClientSetup setup = client_setup("codex", served).value_or_throw();
  EXPECT_EQ(R"(model="a\"b\\c")", setup.arguments.back());
}

TEST(ClientSetupTest, ClaudeIsToldEveryModelAndTheAddressWithoutItsVersion) {
  const ClientSetup setup = client_setup("claude", keyed()).value_or_throw();
  EXPECT_EQ("http://127.0.0.1:8080", value_of(setup, "ANTHROPIC_BASE_URL"));
  EXPECT_EQ("sesame", value_of(setup, "ANTHROPIC_AUTH_TOKEN"));
  for (const char* name : {"ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
                           "ANTHROPIC_DEFAULT_HAIKU_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL"}) {
    EXPECT_EQ("gpt-oss-20b", value_of(setup, name)) << name;
  }
  EXPECT_EQ("0", value_of(setup, "CLAUDE_CODE_ATTRIBUTION_HEADER"));
  EXPECT_EQ("131072", value_of(setup, "CLAUDE_CODE_AUTO_COMPACT_WINDOW"));
  EXPECT_NE(setup.removed.end(), std::ranges::find(setup.removed, "ANTHROPIC_API_KEY")) << "it would win over the token";
  EXPECT_EQ("none", value_of(client_setup("claude", kServed).value_or_throw(), "ANTHROPIC_AUTH_TOKEN"));
}

TEST(ClientSetupTest, OpencodeGetsItsConfigurationInAVariable) {
  const ClientSetup setup = client_setup("opencode", keyed()).value_or_throw();
  const auto config = json_from_valid<nlohmann::json>(value_of(setup, "OPENCODE_CONFIG_CONTENT"));
  EXPECT_EQ("toccata/gpt-oss-20b", config["model"]);
  EXPECT_EQ("toccata/gpt-oss-20b", config["small_model"]);
  const auto& provider = config["provider"]["toccata"];
  EXPECT_EQ("@ai-sdk/openai-compatible", provider["npm"]);
  EXPECT_EQ("http://127.0.0.1:8080/v1", provider["options"]["baseURL"]);
  EXPECT_EQ("{env:TOCCATA_API_KEY}", provider["options"]["apiKey"]);
  EXPECT_EQ(131072, provider["models"]["gpt-oss-20b"]["limit"]["context"]);
  ServedModel unknown = kServed;
  unknown.context = 0;
  const auto without = json_from_valid<nlohmann::json>(value_of(client_setup("opencode", unknown).value_or_throw(), "OPENCODE_CONFIG_CONTENT"));
  EXPECT_FALSE(without["provider"]["toccata"]["models"]["gpt-oss-20b"].contains("limit"));
  EXPECT_FALSE(without["provider"]["toccata"]["options"].contains("apiKey"));
}

TEST(ClientSetupTest, OthersAreRefusedByName) {
  const auto setup = client_setup("vim", kServed);
  ASSERT_FALSE(setup);
  EXPECT_NE(std::string::npos, setup.error().message.find("'vim' cannot be launched; expected codex, claude or opencode"));
}

TEST(ClientSetupTest, TheShellCommandHidesTheKeyAndQuotesTheRest) {
  const std::string command = shell_command(client_setup("claude", keyed()).value_or_throw(), {"-p", "it's $HOME"});
  EXPECT_EQ(std::string::npos, command.find("sesame"));
  EXPECT_NE(std::string::npos, command.find("ANTHROPIC_AUTH_TOKEN=\"$TOCCATA_API_KEY\""));
  EXPECT_NE(std::string::npos, command.find("-u ANTHROPIC_API_KEY"));
  EXPECT_NE(std::string::npos, command.find(R"('it'\''s $HOME')"));
}

TEST(ClientSetupTest, AnAddressWithoutAPathIsThatOfTheFirstVersion) {
  for (const char* text : {"http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1//"}) {
    EXPECT_EQ("http://127.0.0.1:8080/v1", api_address(text).value_or_throw()) << text;
  }
  EXPECT_EQ("https://gpu.example/openai/v1", api_address("https://gpu.example/openai/v1/").value_or_throw());
  for (const char* text : {"", "127.0.0.1:8080", "ftp://a", "http://", "http:///v1", "http://a b", "http://a/v1?x=1"}) {
    EXPECT_FALSE(api_address(text)) << text;
  }
}

TEST(ClientSetupTest, OnlyPlainLoopbackAddressesCanBeServed) {
  EXPECT_EQ(8080, local_port("http://127.0.0.1:8080/v1"));
  EXPECT_EQ(81, local_port("http://localhost:81/v1"));
  for (const char* address : {"https://127.0.0.1:8080/v1", "http://127.0.0.1:8080/openai/v1", "http://127.0.0.1/v1", "http://127.0.0.1:0/v1",
                              "http://127.0.0.1:65536/v1", "http://127.0.0.1:99999999999/v1", "http://192.0.2.1:8080/v1"}) {
    EXPECT_EQ(0, local_port(address)) << address;
  }
}

}  // namespace
}  // namespace toccata::cli
