// Answers as JSON by a schema: what is told to the model, what is accepted, and what happens when it does not comply.
#include "agent/loop/output_schema.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "agent/loop/turn_rules.h"
#include "core/base/json.h"
#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using testing::answering;
using testing::fake_functions;
using testing::fake_python;
using ::testing::HasSubstr;
using testing::says_final;

const std::string kSchema = R"({"title": "verdict", "description": "What came out.\nShort.", "type": "object",
    "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false})";

TEST(OutputSchemaTest, JudgesAnswers) {
  const OutputSchema schema = OutputSchema::parse(kSchema).value_or_throw();
  for (const char* good : {R"({"ok":true})", "\n{ \"ok\" :\t false }  "}) EXPECT_FALSE(schema.objection(good)) << good;
  for (const char* bad : {"", "yes", "{", R"({"ok":1})", R"({})", R"({"ok":true,"x":1})", R"([{"ok":true}])"}) {
    EXPECT_TRUE(schema.objection(bad)) << bad;
  }
  EXPECT_TRUE(schema.objection(std::string(100'000, '[')));
}

TEST(OutputSchemaTest, TellsTheModel) {
  const std::string text = OutputSchema::parse(kSchema).value_or_throw().instructions();
  EXPECT_THAT(text, HasSubstr("# Response Formats\n\n## verdict\n\n// What came out.\n// Short.\n{\"title\":\"verdict\""));
}

TEST(OutputSchemaTest, RefusesWhatItCannotEnforce) {
  EXPECT_FALSE(OutputSchema::parse("not json"));
  EXPECT_FALSE(OutputSchema::parse("[1]"));
  const auto remote = OutputSchema::parse(R"({"properties": {"a": {"$ref": "other.json"}}})");
  ASSERT_FALSE(remote);
  EXPECT_THAT(remote.error().message, HasSubstr("$ref at /properties/a"));
}

class SchemaLoopTest : public LoopTest {
 protected:
  void SetUp() override { config_.output_schema = OutputSchema::parse(kSchema).value_or_throw(); }
};

TEST_F(SchemaLoopTest, AWrongAnswerIsAskedForAgain) {
  script_texts({says_final("It is fine."), says_final(R"({"ok": true})")});
  const RunOutcome outcome = run("ok?");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.final, R"({"ok": true})");
  EXPECT_THAT(log_text(), HasSubstr("<|start|>developer<|message|>The answer was refused: it is not JSON."));
}

TEST_F(SchemaLoopTest, TwoWrongAnswersEndTheRun) {
  script_texts({says_final("Fine."), says_final(R"({"ok": 1})")});
  const RunOutcome outcome = run("ok?");
  EXPECT_EQ(outcome.exit_code, 8);
  EXPECT_EQ(outcome.terminal_reason, "schema_unmet");
  EXPECT_THAT(outcome.message, HasSubstr("does not match the schema"));
}

TEST(TurnRulesTest, SurviveTheLedger) {
  tools::Registry registry;
  registry.add(fake_python(answering("1")));
  registry.add(fake_functions(answering("1")));
  const auto rules = turn_rules(registry, OutputSchema::parse(kSchema).value_or_throw());
  const auto again = rules_from_json(json_from_valid<nlohmann::ordered_json>(json_text(to_json(rules)))).value_or_throw();
  ASSERT_EQ(again.tools.size(), rules.tools.size());
  for (std::size_t i = 0; i < rules.tools.size(); ++i) {
    EXPECT_EQ(again.tools[i].recipient, rules.tools[i].recipient);
    EXPECT_EQ(again.tools[i].parameters, rules.tools[i].parameters);
  }
  EXPECT_EQ(again.final_schema, rules.final_schema);
  EXPECT_FALSE(rules_from_json(json_from_valid<nlohmann::ordered_json>(R"({"tools": [{}]})")));
}

}  // namespace
}  // namespace toccata::agent
