#include "agent/harmony/tool_schema.h"
#include "core/base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace toccata::harmony {
namespace {

std::string readable(const char* schema) { return schema_to_readable_typescript(json_from_valid<nlohmann::ordered_json>(schema)); }
std::string reference(const char* schema) { return schema_to_typescript(json_from_valid<nlohmann::ordered_json>(schema)); }

TEST(ToolSchemaTest, PlainSchemasReadTheSameInBothStyles) {
  const char* schema = R"({"type":"object","description":"Where.","properties":{
    "city":{"type":"string","description":"A city."},
    "unit":{"type":"string","enum":["c","f"]},
    "days":{"type":"integer","default":3},
    "tags":{"type":"array","items":{"type":"string"}},
    "at":{"type":"object","properties":{"x":{"type":"number"}},"required":["x"]}},"required":["city"]})";
  EXPECT_EQ(reference(schema), readable(schema));
  EXPECT_EQ(readable(schema), R"(// Where.
{
// A city.
city: string,
unit?: "c" | "f",
days?: number, // default: 3
tags?: string[],
at?: {
    x: number,
    },
})");
}

TEST(ToolSchemaTest, PydanticOptionalIsNoAny) {
  EXPECT_EQ(
      readable(R"({"type":"object","properties":{"q":{"anyOf":[{"type":"string"},{"type":"null"}],"default":null}}})"),
      "{\nq?: string | null, // default: null\n}"
  );
}

TEST(ToolSchemaTest, ReferencesAreFollowed) {
  EXPECT_EQ(
      readable(R"({"$defs":{"Unit":{"enum":[1,2,"x"],"description":"Which unit."},"P":{"type":"object","properties":{"u":{"$ref":"#/$defs/Unit"}}}},
        "type":"object","properties":{"p":{"$ref":"#/$defs/P"},"all":{"type":"array","items":{"$ref":"#/$defs/Unit"}}},"required":["p"]})"),
      R"({
p: {
    // Which unit.
    u?: 1 | 2 | "x",
    },
all?: (1 | 2 | "x")[],
})"
  );
}

TEST(ToolSchemaTest, ATypeInsideItselfIsNamed) {
  EXPECT_EQ(
      readable(R"({"$defs":{"Node":{"type":"object","properties":{"next":{"$ref":"#/$defs/Node"}}}},
        "type":"object","properties":{"root":{"$ref":"#/$defs/Node"}}})"),
      R"({
root?: {
    next?: object /* Node, as above */,
    },
})"
  );
  EXPECT_EQ(readable(R"({"$ref":"#/nowhere"})"), "any");
  EXPECT_EQ(readable(R"({"$ref":"http://example.test/x"})"), "any");
}

TEST(ToolSchemaTest, AllOfMeltsObjects) {
  EXPECT_EQ(
      readable(R"({"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},
                            {"type":"object","properties":{"b":{"const":"x"}}}]})"),
      "{\na: string,\nb?: \"x\",\n}"
  );
  EXPECT_EQ(readable(R"({"properties":{"k":{"allOf":[{"$ref":"#/d"}]}},"d":{"type":"integer"}})"), "{\nk?: number,\n}");
}

TEST(ToolSchemaTest, MapsTuplesAndTypeLists) {
  EXPECT_EQ(
      readable(R"({"type":"object","properties":{
        "env":{"type":"object","additionalProperties":{"type":"string"}},
        "pair":{"type":"array","prefixItems":[{"type":"number"},{"type":"string"}]},
        "v":{"type":["string","integer","null"]},
        "my-key":{"const":1.5}},"additionalProperties":true})"),
      R"({
env?: { [key: string]: string },
pair?: [number, string],
v?: string | number | null,
"my-key"?: 1.5,
[key: string]: any,
})"
  );
}

TEST(ToolSchemaTest, LimitsAndLongDescriptionsAreComments) {
  EXPECT_EQ(
      readable(R"({"type":"object","properties":{"n":{"type":"integer","description":"One.\nTwo.","minimum":1,"maximum":9},
        "d":{"type":"string","format":"date"}}})"),
      R"({
// One.
// Two.
n?: number, // minimum: 1, maximum: 9
d?: string, // format: date
})"
  );
}

TEST(ToolSchemaTest, VariantsThatNeedLinesGetThem) {
  EXPECT_EQ(
      readable(R"({"type":"object","properties":{"op":{"anyOf":[
        {"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},
        {"type":"string","description":"A name."}]}},"required":["op"]})"),
      R"({
op:
     | {
       kind: "a",
       }
     | string // A name.
,
})"
  );
}

TEST(ToolSchemaTest, ReferencesThatMultiplyAreBounded) {
  std::string schema = R"({"$defs":{"d0":{"type":"string"})";
  for (int i = 1; i <= 30; ++i) {
    const std::string ref = R"({"$ref":"#/$defs/d)" + std::to_string(i - 1) + R"("})";
    schema += ",\"d" + std::to_string(i) + R"(":{"type":"object","properties":{"a":)" + ref + ",\"b\":" + ref + "}}";
  }
  schema += R"(},"$ref":"#/$defs/d30"})";
  EXPECT_LT(readable(schema.c_str()).size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace toccata::harmony
