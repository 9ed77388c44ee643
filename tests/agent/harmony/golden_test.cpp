// Every shape in tests/data/harmony, named after what a user saw: parsed at once, one token at a time, and with the
// text cut into other tokens at every byte.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/base/json.h"
#include "tests/agent/harmony/harmony_fixture.h"

namespace toccata::harmony {
namespace {

struct Golden {
  ordered_json request;
  std::string text;  // empty when the input is ids
  std::vector<std::string> messages, projection, warnings;
  bool incomplete_call = false;
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

// "role: R", "tools: names", then sections begun by "--- NAME".
Golden read_golden(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::map<std::string, std::string> sections;
  std::string* section = &sections["head"];
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("--- ")) {
      section = &sections[line.substr(4)];
    } else {
      *section += line + "\n";
    }
  }
  Golden golden;
  const auto head = split(sections["head"], '\n');
  const std::string role = head.at(0).substr(6);
  golden.request = {{"id", 0}, {"eos", true}, {"tools", split(head.at(1).substr(7), ' ')}};
  golden.request["role"] = role == "none" ? ordered_json() : ordered_json(role);
  if (sections.contains("tokens")) {
    for (const std::string& id : split(sections["tokens"], ' ')) golden.request["tokens"].push_back(std::stoi(id));
  } else {
    golden.text = sections.at("text");
    golden.text.pop_back();
    golden.request["text"] = golden.text;
  }
  golden.messages = split(sections.at("messages"), '\n');
  golden.projection = split(sections.at("projection"), '\n');
  golden.warnings = split(sections.at("warnings"), '\n');
  golden.incomplete_call = sections.at("incomplete_call") == "true\n";
  return golden;
}

std::vector<std::filesystem::path> goldens() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(TOCCATA_SOURCE_DIR "/tests/data/harmony")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class GoldenTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(GoldenTest, ParsesAsWritten) {
  const Golden golden = read_golden(GetParam());
  const ordered_json result = ask_parse(golden.request);
  std::vector<std::string> keys;
  for (const auto& [key, value] : result.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"messages", "projection", "deltas", "warnings", "end", "incomplete_call"}));
  ordered_json messages = ordered_json::array();
  for (const std::string& line : golden.messages) messages.push_back(json_from_valid<ordered_json>(line));
  EXPECT_EQ(result["messages"], messages);
  ordered_json projection;
  for (const std::string& line : golden.projection) {
    const std::size_t colon = line.find(": ");
    projection[line.substr(0, colon)] = json_from_valid<ordered_json>(line.substr(colon + 2));
  }
  EXPECT_EQ(result["projection"], projection);
  std::vector<std::string> warnings;
  for (const ordered_json& w : result["warnings"]) {
    warnings.push_back(std::to_string(w.at("position").get<int>()) + " " + w.at("what").get<std::string>());
  }
  EXPECT_EQ(warnings, golden.warnings);
  EXPECT_EQ(result["incomplete_call"], golden.incomplete_call);
}

ParserOptions options_of(const Golden& golden) {
  ParserOptions options;
  options.role.reset();
  if (golden.request["role"].is_string()) options.role = role_from_string(golden.request["role"].get<std::string>());
  options.tools = golden.request["tools"].get<std::vector<std::string>>();
  return options;
}

TEST_P(GoldenTest, DeltasOfEveryMessageAreItsText) {
  const Golden golden = read_golden(GetParam());
  const Tokens tokens = golden.request.contains("tokens") ? golden.request["tokens"].get<Tokens>() : ids(golden.text);
  std::string open;
  for (const ParseEvent& event : events_of(tokens, options_of(golden))) {
    if (std::holds_alternative<MessageStarted>(event)) open.clear();
    if (const auto* delta = std::get_if<ContentDelta>(&event)) open += delta->text;
    if (const auto* done = std::get_if<MessageDone>(&event)) {
      EXPECT_EQ(open, done->message.text());
    }
  }
}

// Where a text is cut decides its tokens, never its messages. A cut inside a control spelling would make it letters.
TEST_P(GoldenTest, MeansTheSameWhereverItIsCut) {
  const Golden golden = read_golden(GetParam());
  if (golden.text.empty()) return;  // ids have no text to cut
  const auto whole = messages_of(events_of(ids(golden.text), options_of(golden)));
  for (std::size_t cut = 1; cut < golden.text.size(); ++cut) {
    const std::size_t open = golden.text.rfind("<|", cut - 1);
    const std::size_t close = open == std::string::npos ? open : golden.text.find("|>", open);
    if (close != std::string::npos && cut > open && cut < close + 2) continue;
    Tokens tokens = ids(golden.text.substr(0, cut));
    const Tokens rest = ids(golden.text.substr(cut));
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    EXPECT_EQ(messages_of(events_of(tokens, options_of(golden))), whole) << "cut at byte " << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GoldenTest, testing::ValuesIn(goldens()), [](const auto& shape) {
  return shape.param.stem().string();
});

}  // namespace
}  // namespace toccata::harmony
