// One case per keyword: texts that must pass and texts that must not, and what is refused.
#include "core/grammar/schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/grammar/matcher.h"

namespace toccata::grammar {
namespace {

std::shared_ptr<const TokenTrie> trie() {
  static const auto shared = TokenTrie::make(*tokenizer::Tokenizer::o200k_harmony());
  return shared;
}

struct Case {
  const char* name;
  const char* schema;
  std::vector<std::string> good, bad;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class SchemaTest : public testing::TestWithParam<Case> {};

bool passes(const std::string& schema, const std::string& text, const SchemaLimits& limits = {}) {
  const CompiledSchema compiled = compile_schema_text(schema, limits);
  if (const auto* error = std::get_if<SchemaError>(&compiled)) {
    ADD_FAILURE() << error->text();
    return false;
  }
  Matcher matcher(std::get<0>(compiled), trie());
  for (const Token token : tokenizer::Tokenizer::o200k_harmony()->encode(text)) {
    if (!has_token(matcher.mask(), token)) return false;
    EXPECT_TRUE(matcher.accept(token)) << text;
  }
  return matcher.at_end();
}

TEST_P(SchemaTest, TakesWhatIsValidAndNothingElse) {
  for (const std::string& text : GetParam().good) EXPECT_TRUE(passes(GetParam().schema, text)) << text;
  for (const std::string& text : GetParam().bad) EXPECT_FALSE(passes(GetParam().schema, text)) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Keywords, SchemaTest,
    testing::Values(
        Case{"type", R"({"type": ["integer", "null"]})", {"1", "-20", "null"}, {"1.5", "\"1\"", "01", "nul", "", " 1"}},
        Case{"number", R"({"type": "number"})", {"0", "-1.25", "1e9", "2E-3"}, {"1.", ".5", "1e", "+1", "1e999"}},
        Case{"enum_", R"({"enum": ["a", "ab", 1, 12, null, {"k": [1, 2]}]})",
             {"\"a\"", "\"ab\"", "1", "12", "null", R"({"k":[1,2]})", R"({"k": [1, 2]})", R"("\u0061")"}, {"\"abc\"", "2", "\"\""}},
        Case{"const_", R"({"const": "é\"x"})", {R"("é\"x")", R"("\u00e9\u0022x")"}, {"\"é\""}},
        Case{"required_any_order", R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b"], "additionalProperties": false})",
             {R"({"a":1,"b":"x"})", R"({"b": "x", "a": 1})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
             {"{}", R"({"a":1})", R"({"a":1,"a":2,"b":"x"})", R"({"a":1,"b":"x","c":1})", R"({"a":1,"b":"x",})", R"({"\u0061":1,"a":2,"b":"x"})"}},
        Case{"additional", R"({"properties": {"ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}, "type": "object"})",
             {R"({"x":1,"abc":2,"a":3})", R"({"ab":null})", "{}"}, {R"({"ab":1})", R"({"x":"y"})"}},
        Case{"pattern_properties", R"({"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false})",
             {R"({"x-a":"1","x-":"2"})"}, {R"({"y":"1"})", R"({"x-a":1})"}},
        Case{"property_names", R"({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}})", {R"({"abc":1})"}, {R"({"A":1})"}},
        Case{"min_max_properties", R"({"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "integer"}})",
             {R"({"a":1})", R"({"a":1,"b":2})"}, {"{}", R"({"a":1,"b":2,"c":3})"}},
        Case{"dependent", R"({"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}, "additionalProperties": false})",
             {"{}", R"({"b":1})", R"({"b":1,"a":1})", R"({"a":1,"b":1})"}, {R"({"a":1})"}},
        Case{"items", R"({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
             {R"(["a",1])", R"(["a", 1, 2])"}, {R"(["a"])", "[1,2]", R"(["a",1,2,3])", R"(["a",1,])"}},
        Case{"draft7_tuple", R"({"type": "array", "items": [{"type": "string"}], "additionalItems": false})", {"[]", R"(["a"])"}, {R"(["a",1])"}},
        Case{"length", R"({"type": "string", "minLength": 2, "maxLength": 4})", {"\"ab\"", "\"äöüß\"", "\"😀😀\"", R"("\ud83d\ude00\n")"}, {"\"a\"", "\"abcde\"", R"("\ud83d\ude00")", R"("\ud83dx")"}},
        Case{"pattern", R"({"type": "string", "pattern": "^(a|b)+c?$"})", {"\"abac\"", R"("\u0061")"}, {"\"\"", "\"abd\"", "\"abcc\""}},
        Case{"pattern_search", R"({"type": "string", "pattern": "b|^c"})", {"\"abx\"", "\"cx\""}, {"\"ac\"", "\"\""}},
        Case{"format", R"({"type": "string", "format": "date"})", {"\"2024-02-29\"", "\"1999-12-31\""}, {"\"2023-02-29\"", "\"1999-13-01\"", "\"today\""}},
        Case{"ipv4", R"({"type": "string", "format": "ipv4"})", {"\"10.0.255.1\""}, {"\"10.0.256.1\"", "\"1.2.3\""}},
        Case{"uuid", R"({"type": "string", "format": "uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""}},
        Case{"bounds", R"({"type": "integer", "minimum": -12, "exclusiveMaximum": 105})", {"-12", "-1", "0", "104", "99"}, {"-13", "105", "1000", "-0"}},
        Case{"decimal_bounds", R"({"type": "number", "exclusiveMinimum": 0.5, "maximum": 2})", {"0.51", "2", "2.0", "1", "1.99999"}, {"0.5", "0.50", "2.01", "0", "1e0"}},
        Case{"multiple_of", R"({"type": "integer", "multipleOf": 7})", {"0", "49", "-14"}, {"1", "50"}},
        Case{"all_of", R"({"allOf": [{"properties": {"a": {"minimum": 3}}}, {"type": "object", "properties": {"a": {"type": "integer", "maximum": 5}}, "required": ["a"], "additionalProperties": false}]})",
             {R"({"a":4})"}, {R"({"a":2})", R"({"a":6})", "{}"}},
        Case{"any_of", R"({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "array", "items": {"type": "boolean"}}]})", {"\"ab\"", "[true, false]"}, {"\"abc\"", "[1]"}},
        Case{"any_of_objects_that_begin_alike", R"({"anyOf": [{"type": "object", "properties": {"k": {"const": 1}, "v": {"type": "string"}}, "required": ["k", "v"]}, {"type": "object", "properties": {"k": {"const": 2}, "v": {"type": "integer"}}, "required": ["k", "v"]}]})",
             {R"({"k":1,"v":"x"})", R"({"v":3,"k":2})"}, {R"({"k":1,"v":3})"}},
        Case{"one_of", R"({"oneOf": [{"type": "object", "properties": {"t": {"const": "a"}, "x": {"type": "integer"}}, "required": ["t"]}, {"type": "object", "properties": {"t": {"const": "b"}}, "required": ["t"]}]})",
             {R"({"t":"a","x":1})", R"({"x":"any","t":"b"})"}, {R"({"t":"c"})", R"({"t":"a","x":"s"})"}},
        Case{"not_", R"({"type": "string", "not": {"enum": ["ab"]}})", {"\"a\"", "\"abc\""}, {"\"ab\"", R"("\u0061b")"}},
        Case{"not_required", R"({"type": "object", "not": {"required": ["a"]}})", {R"({"b":1})"}, {R"({"a":1})"}},
        Case{"recursive_ref", R"({"$defs": {"t": {"type": "object", "properties": {"c": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "additionalProperties": false}}, "$ref": "#/$defs/t"})",
             {R"({"c":[{"c":[]},{}]})"}, {R"({"c":[1]})"}},
        Case{"words_beside_ref", R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"a": {"type": "array"}}, "$ref": "#/$defs/a", "maxItems": 1})", {"[1]"}, {"[1, 2]", "{}"}},
        Case{"words_beside_ref_in_draft_7", R"({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "array"}, "n": {"not": {"$ref": "#/definitions/a", "uniqueItems": true}}}, "anyOf": [{"$ref": "#/definitions/a", "maxItems": 1, "uniqueItems": true}, {"$ref": "#/definitions/n", "type": "string"}]})",
             {"[1]", "[1, 2]", "3"}, {"[1"}},
        Case{"anything", "{}", {R"({"a":[1,{"b":null}],"c":"d"})", "3"}, {"{]", "x"}},
        Case{"unreachable_optional", R"({"type": "object", "properties": {"a": false, "b": {"type": "integer"}}, "additionalProperties": false})", {R"({"b":1})", "{}"}, {R"({"a":1})"}}
    ),
    [](const auto& one) { return std::string(one.param.name); }
);

struct Refused {
  const char* schema;
  const char* keyword;
  const char* path;
};
class RefusedTest : public testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, NamesKeywordAndPath) {
  const CompiledSchema compiled = compile_schema_text(GetParam().schema);
  const auto* error = std::get_if<SchemaError>(&compiled);
  ASSERT_NE(nullptr, error) << GetParam().schema;
  EXPECT_EQ(GetParam().keyword, error->keyword);
  EXPECT_EQ(GetParam().path, error->path);
  EXPECT_FALSE(error->message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTest,
    testing::Values(
        Refused{R"({"properties": {"a/b": {"type": "array", "uniqueItems": true}}})", "uniqueItems", "/properties/a~1b"},
        Refused{R"({"if": {}, "then": {"minimum": 1}})", "if", ""},
        Refused{R"({"contains": {"type": "integer"}})", "contains", ""},
        Refused{R"({"items": {"pattern": "(?=a)b"}})", "pattern", "/items"},
        Refused{R"({"pattern": "("})", "pattern", ""},
        Refused{R"({"type": "number", "multipleOf": 0.01})", "multipleOf", ""},
        Refused{R"({"oneOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]})", "oneOf", ""},
        Refused{R"({"$ref": "http://example.com/x.json"})", "$ref", ""},
        Refused{R"({"$ref": "#"})", "$ref", ""},
        Refused{R"({"type": "text"})", "type", ""},
        Refused{R"({"not": {"properties": {"a": {}}}})", "not", ""},
        Refused{R"({"unevaluatedProperties": false})", "unevaluatedProperties", ""},
        Refused{R"({"type": "object", "minProperties": 3})", "minProperties", ""},
        Refused{R"({"type": "string", "format": "regex"})", "format", ""},
        Refused{"false", "", ""},
        Refused{R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "", ""},
        Refused{"{", "", ""}
    )
);

TEST(SchemaLimitsTest, AnObjectThatListsItsPropertiesCanBeClosed) {
  const auto text = [](const std::string& schema, const std::string& value) {
    EXPECT_TRUE(passes(schema, value)) << schema << " is open to " << value;
    return passes(schema, value, {.closed_objects = true});
  };
  const std::string flat = R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}})";
  EXPECT_TRUE(text(flat, R"({"b":1})"));
  EXPECT_FALSE(text(flat, R"({"b":1,"c":2})"));
  const std::string nested = R"({"type": "object", "properties": {"in": {"type": "object", "properties": {"a": {}}}}})";
  EXPECT_TRUE(text(nested, R"({"in":{"a":{"free":1}}})"));
  EXPECT_FALSE(text(nested, R"({"in":{"b":1}})"));
  const std::string referred = R"({"$ref": "#/$defs/o", "$defs": {"o": {"type": "object", "properties": {"a": {}}}}})";
  EXPECT_FALSE(text(referred, R"({"b":1})"));
  // What says something of other properties is left alone, and so is what would have no value.
  for (const std::string open : {
           R"({"type": "object"})", R"({"type": "object", "properties": {}})",
           R"({"type": "object", "properties": {"a": {}}, "additionalProperties": true})",
           R"({"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}})",
           R"({"type": "object", "properties": {"a": {}}, "required": ["b"]})",
           R"({"type": "object", "properties": {"a": {}}, "minProperties": 2})",
           R"({"type": "object", "properties": {"a": {}}, "dependentRequired": {"a": ["b"]}})",
           R"({"type": "object", "allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})"}) {
    EXPECT_TRUE(text(open, R"({"a":1,"b":2})")) << open;
  }
}

TEST(SchemaLimitsTest, LargeSchemasCompileOrAreRefused) {
  nlohmann::ordered_json many = {{"type", "object"}, {"properties", nlohmann::ordered_json::object()}};
  for (int i = 0; i < 1000; ++i) many["properties"]["property_" + std::to_string(i)] = {{"type", "string"}};
  EXPECT_EQ(0U, compile_schema(many).index());
  nlohmann::ordered_json words = {{"enum", nlohmann::ordered_json::array()}};
  for (int i = 0; i < 10'000; ++i) words["enum"].push_back("value " + std::to_string(i * 7919));
  EXPECT_EQ(0U, compile_schema(words).index());
  nlohmann::ordered_json nested = {{"type", "integer"}};
  for (int i = 0; i < 12; ++i) nested = {{"anyOf", {nested, nested, {{"type", "string"}}}}};
  const CompiledSchema refused = compile_schema(nested);
  ASSERT_EQ(1U, refused.index());
  EXPECT_EQ("anyOf", std::get<1>(refused).keyword);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_EQ(1U, compile_schema_text(deep).index());
}

}  // namespace
}  // namespace toccata::grammar
