// openai-harmony's own test conversations, where they lie beside the project.
#include <filesystem>
#include <fstream>

#include "core/base/json.h"
#include "tests/agent/harmony/harmony_fixture.h"

namespace toccata::harmony {
namespace {

std::vector<ordered_json> cases(const std::string& name) {
  std::vector<ordered_json> read;
  std::ifstream file(TOCCATA_SOURCE_DIR "/../shared/data/harmony-upstream/" + name);
  if (!file) file.open(TOCCATA_SOURCE_DIR "/../../shared/data/harmony-upstream/" + name);
  for (std::string line; std::getline(file, line);) read.push_back(json_from_valid<ordered_json>(line));
  return read;
}

ordered_json plain(const ordered_json& message) {
  ordered_json out = ordered_json::object();
  for (const char* key : {"role", "name", "channel", "recipient", "content_type", "content"}) {
    if (message.contains(key) && !message[key].is_null()) out[key] = message[key];
  }
  return out;
}
std::vector<ordered_json> plain_list(const ordered_json& messages) {
  std::vector<ordered_json> out;
  for (const ordered_json& message : messages) out.push_back(plain(message));
  return out;
}

TEST(UpstreamTest, RendersItsConversationsToTheSameIds) {
  const auto all = cases("render.jsonl");
  if (all.empty()) GTEST_SKIP() << "no ../shared/data/harmony-upstream";
  for (const ordered_json& c : all) {
    SCOPED_TRACE(c.at("id").get<std::string>());
    const ordered_json result = ask_render(c.at("input"));
    if (c.at("expect").contains("error")) {
      EXPECT_TRUE(result.contains("error"));
      continue;
    }
    EXPECT_EQ(result.value("text", ""), c["expect"].at("text"));
    if (c["expect"].contains("tokens")) {
      EXPECT_EQ(result.at("tokens"), c["expect"]["tokens"]);
    }
  }
}

TEST(UpstreamTest, ParsesItsStreamsStrictlyAndLeniently) {
  const auto all = cases("parse.jsonl");
  if (all.empty()) GTEST_SKIP() << "no ../shared/data/harmony-upstream";
  for (const ordered_json& c : all) {
    SCOPED_TRACE(c.at("id").get<std::string>());
    const ordered_json& expect = c.at("expect");
    const ordered_json strict = ask_parse(c.at("input"), /*strict=*/true);
    const std::string outcome = expect.at("strict").at("outcome");
    if (outcome == "error") {
      EXPECT_TRUE(strict.contains("error"));
    } else if (outcome == "messages" && !expect.value("strict_differs_from_reference", false)) {
      EXPECT_EQ(plain_list(strict.at("messages")), plain_list(expect["strict"].at("messages")));
    }
    const ordered_json lenient = ask_parse(c.at("input"));
    if (expect.at("lenient").contains("messages")) {
      EXPECT_EQ(plain_list(lenient.at("messages")), plain_list(expect["lenient"]["messages"]));
    }
    for (const auto& [key, value] : expect.at("projection").items()) {
      EXPECT_EQ(lenient.at("projection").at(key), value) << key;
    }
    if (expect.contains("end")) {
      EXPECT_EQ(lenient.at("end"), expect["end"]);
    }
    if (expect.contains("incomplete_call")) {
      EXPECT_EQ(lenient.at("incomplete_call"), expect["incomplete_call"]);
    }
  }
}

}  // namespace
}  // namespace toccata::harmony
