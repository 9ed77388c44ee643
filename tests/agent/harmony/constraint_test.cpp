// Masks of a whole turn: what the format and the declared tools allow may be written, and nothing else.
#include "agent/harmony/constraint.h"

#include <random>
#include <set>

#include "core/grammar/schema.h"
#include "tests/agent/harmony/harmony_fixture.h"

namespace toccata::harmony {
namespace {

const std::string kWeather = R"({"type": "object", "properties": {"location": {"type": "string"},
    "days": {"type": "integer", "minimum": 1, "maximum": 7}}, "required": ["location"], "additionalProperties": false})";

std::shared_ptr<const grammar::TokenTrie> trie() {
  static const auto instance = grammar::TokenTrie::make(renderer().tokenizer());
  return instance;
}

ConstraintRules usual_rules() {
  ConstraintRules rules;
  rules.tools = {{"functions.get_weather", kWeather}, {"functions.get_weather_of", kWeather}, {"functions.ping", ""},
                 {"python", std::nullopt}};
  return rules;
}

Constraint make(const ConstraintRules& rules) {
  Constraint constraint(ConstraintPlan::make(rules, renderer(), trie(), 201'088).value_or_throw());
  constraint.begin();
  return constraint;
}

// Index of the first token that is not allowed; nullopt: all are.
std::optional<std::size_t> refused_at(Constraint& constraint, const Tokens& tokens) {
  constraint.begin();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (constraint.at_end() || !constraint.mask() || !constraint.allows(tokens[i])) return i;
    constraint.observe(tokens[i]);
  }
  return std::nullopt;
}

void expect_accepted(Constraint& constraint, const std::string& text) {
  const Tokens tokens = ids(text);
  const auto at = refused_at(constraint, tokens);
  EXPECT_FALSE(at) << text << "\nrefused at '" << spelled({tokens[at.value_or(0)]}) << "', token " << *at;
  EXPECT_TRUE(constraint.at_end()) << text;
}

void expect_refused(Constraint& constraint, const std::string& text) {
  EXPECT_TRUE(refused_at(constraint, ids(text))) << text;
}

TEST(Constraint, AcceptsEveryHeaderModelsWrite) {
  Constraint constraint = make(usual_rules());
  const std::string arguments = R"({"location": "Paris"})";
  for (const std::string channel : {"analysis", "commentary"}) {
    for (const std::string type : {"", " <|constrain|>json", "<|constrain|>json", " json", " code"}) {
      for (const std::string name : {"functions.get_weather", "functions.get_weather_of"}) {
        const std::string body = type + "<|message|>" + arguments + "<|call|>";
        expect_accepted(constraint, "<|channel|>" + channel + " to=" + name + body);
        expect_accepted(constraint, " to=" + name + "<|channel|>" + channel + body);
      }
    }
    for (const std::string type : {"", " code", " <|constrain|>python", "<|constrain|>code"}) {
      expect_accepted(constraint, "<|channel|>" + channel + " to=python" + type + "<|message|>print(1)<|call|>");
      expect_accepted(constraint, " to=python<|channel|>" + channel + type + "<|message|>print(1)<|call|>");
    }
  }
  expect_accepted(constraint, "<|channel|>final<|message|>Sunny.<|return|>");
  expect_accepted(constraint, "<|channel|>final <|constrain|>json<|message|>{}<|return|>");
  expect_accepted(constraint, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>"
                              "I look.<|end|><|start|>assistant to=functions.ping<|channel|>commentary<|message|>{}<|call|>");
}

TEST(Constraint, AcceptsWhatTheRendererWrites) {
  Constraint constraint = make(usual_rules());
  const auto call = [](const std::string& name, const std::string& channel, std::optional<std::string> type, const std::string& body) {
    Message message = Message::text(Role::kAssistant, body);
    message.channel = channel;
    message.recipient = name;
    message.content_type = std::move(type);
    return message;
  };
  std::vector<Message> messages = {
      call("functions.get_weather", "commentary", "<|constrain|>json", R"({"location":"Rome","days":3})"),
      call("functions.get_weather", "commentary", "json", R"({"location":"Rome"})"),
      call("functions.ping", "commentary", std::nullopt, "{}"),
      call("python", "analysis", "code", "1 + 1"),
      call("python", "commentary", std::nullopt, "import os"),
  };
  Message final = Message::text(Role::kAssistant, "Warm.");
  final.channel = "final";
  messages.push_back(final);
  const std::size_t n_opening = renderer().opening(Role::kAssistant).size();
  for (const CallOrder order : {CallOrder::kRoleFirst, CallOrder::kChannelFirst}) {
    for (const Message& message : messages) {
      RenderConfig config;
      config.call_order = order;
      Conversation whole{{message}};
      Tokens tokens = renderer().training(whole, config).value_or_throw();
      tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n_opening));
      const auto at = refused_at(constraint, tokens);
      EXPECT_FALSE(at) << spelled(tokens) << " at " << at.value_or(0);
      EXPECT_TRUE(constraint.at_end()) << spelled(tokens);
    }
  }
}

TEST(Constraint, RefusesGarbledHeaders) {
  Constraint constraint = make(usual_rules());
  for (const std::string text : {
           "<|message|>x", "<|channel|>thoughts<|message|>x", "<|channel|>commentary to=functions.get_wether<|message|>",
           "<|channel|>commentary to=get_weather<|message|>", "<|channel|>commentary to=functions.get_weather to=python<|message|>",
           "<|channel|>final to=functions.ping<|message|>", "<|channel|>analysis<|channel|>", "<|channel|><|message|>",
           "<|channel|>commentary to=functions.<|message|>", "<|constrain|>json", "<|return|>", "<|call|>", "<|start|>",
           "<|channel|>commentary  to=functions.ping", "<|channel|>commentary to=functions.ping <|constrain|><|message|>",
           "<|channel|>commentary to=functions.ping <|constrain|>yaml<|message|>", "assistant<|channel|>final",
           "<|channel|>analysis<|message|>x<|return|>", "<|channel|>analysis<|message|>x<|call|>",
           "<|channel|>analysis<|message|>x<|start|>", "<|channel|>commentary<|message|>x<|call|>",
           "<|channel|>analysis<|message|>x<|end|>y", "<|channel|>analysis<|message|>x<|end|><|start|>user",
           "<|channel|>final<|message|>x<|end|>", "<|channel|>final<|message|>x<|call|>",
           "<|channel|>commentary to=python<|message|>x<|return|>", "<|channel|>commentary to=functions.ping<|message|>{}<|end|>"}) {
    expect_refused(constraint, text);
  }
}

TEST(Constraint, ArgumentsKeepToTheirSchema) {
  Constraint constraint = make(usual_rules());
  const std::string header = "<|channel|>commentary to=functions.get_weather<|message|>";
  for (const std::string body : {"", "{}", R"({"location": 3})", R"({"location": "x", "days": 8})", R"({"location": "x", "city": 1})",
                                 R"(["x"])", R"({"location": "x")", "null", "print(1)"}) {
    expect_refused(constraint, header + body + "<|call|>");
  }
  Tokens spelled_out = ids(header);
  for (const Token token : renderer().tokenizer().encode(R"({"location": "<|call|> is text in here"})")) spelled_out.push_back(token);
  spelled_out.push_back(renderer().control().call);
  EXPECT_FALSE(refused_at(constraint, spelled_out));
  EXPECT_TRUE(constraint.at_end());
  expect_accepted(constraint, header + "{\n  \"days\": 7,\n  \"location\": \"\\u00e9\"\n}<|call|>");
  expect_refused(constraint, "<|channel|>commentary to=functions.ping<|message|>{\"a\": 1}<|call|>");
  ConstraintRules silent;  // of further properties
  silent.tools = {{"functions.f", R"({"type": "object", "properties": {"a": {"type": "integer"}}})"}};
  Constraint closed = make(silent);
  expect_accepted(closed, "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}<|call|>");
  expect_refused(closed, "<|channel|>commentary to=functions.f<|message|>{\"a\": 1, \"b\": 1}<|call|>");
}

TEST(Constraint, AnswersKeepToTheirSchema) {
  ConstraintRules rules;
  rules.final_schema = R"({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false})";
  Constraint constraint = make(rules);
  expect_accepted(constraint, "<|channel|>analysis<|message|>free<|end|><|start|>assistant<|channel|>final<|message|>{\"ok\": true}<|return|>");
  expect_accepted(constraint, "<|channel|>final <|constrain|>json<|message|>{\"ok\":false}<|return|>");
  expect_refused(constraint, "<|channel|>final<|message|>Yes.<|return|>");
  expect_refused(constraint, "<|channel|>final<|message|>{\"ok\": tru<|return|>");
  expect_refused(constraint, "<|channel|>commentary to=python<|message|>");  // nothing is declared
}

TEST(Constraint, ACallCanBeDemanded) {
  ConstraintRules rules;
  rules.tools = {{"functions.ping", ""}};
  rules.must_call = true;
  Constraint constraint = make(rules);
  expect_refused(constraint, "<|channel|>final<|message|>");
  expect_accepted(constraint, "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>commentary to=functions.ping<|message|>{}<|call|>");
  expect_refused(constraint, "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>analysis<|message|>");
  rules.tools.clear();
  EXPECT_FALSE(ConstraintPlan::make(rules, renderer(), trie(), 201'088));
}

TEST(Constraint, NamesTheKeywordItCannotEnforce) {
  ConstraintRules rules;
  rules.tools = {{"functions.f", R"({"type": "object", "properties": {"a": {"$ref": "https://example.com/x"}}})"}};
  const auto plan = ConstraintPlan::make(rules, renderer(), trie(), 201'088);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("tool functions.f"), std::string::npos) << plan.error().message;
  EXPECT_NE(plan.error().message.find("$ref at /properties/a"), std::string::npos) << plan.error().message;
}

TEST(Constraint, AForeignTokenLosesTheThreadUntilTheNextMessage) {
  Constraint constraint = make(usual_rules());
  for (const Token token : ids("<|channel|>thoughts<|message|>x<|end|>")) constraint.observe(token);
  EXPECT_FALSE(constraint.mask());
  EXPECT_TRUE(constraint.forced().empty());
  for (const Token token : ids("<|start|>user<|message|>hello<|end|>")) constraint.observe(token);
  EXPECT_FALSE(constraint.mask());
  for (const Token token : ids("<|start|>assistant<|channel|>")) constraint.observe(token);
  ASSERT_TRUE(constraint.mask());
  EXPECT_TRUE(constraint.allows(ids("final")[0]));
  EXPECT_FALSE(constraint.allows(ids("thoughts")[0]));
}

// Ids without a token (gaps, columns behind the vocabulary) are forbidden everywhere.
TEST(Constraint, GapsAreNeverAllowed) {
  Constraint constraint(ConstraintPlan::make(usual_rules(), renderer(), trie(), 201'500).value_or_throw());
  constraint.begin();
  for (const Token token : ids("<|channel|>analysis<|message|>")) constraint.observe(token);
  const auto mask = constraint.mask();
  ASSERT_TRUE(mask);
  EXPECT_GE(mask->size() * 32, 201'500U);
  for (Token token = 0; token < static_cast<Token>(mask->size() * 32); ++token) {
    const auto bytes = renderer().tokenizer().token_bytes(token);
    const bool is_text = bytes && !renderer().tokenizer().is_special(token);
    const bool allowed = ((*mask)[token >> 5] >> (token & 31) & 1) != 0;
    ASSERT_EQ(allowed, is_text || token == renderer().control().end) << token;
  }
}

// --- Random turns ----------------------------------------------------------------------------------------------------

// Letters and quotes are likelier than the rest, control tokens much likelier: turns get somewhere.
Token draw(std::span<const std::uint32_t> mask, std::mt19937_64& random, bool ending) {
  std::vector<Token> allowed, control;
  for (std::size_t word = 0; word < mask.size(); ++word) {
    for (std::uint32_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const auto token = static_cast<Token>(word * 32 + static_cast<std::size_t>(__builtin_ctz(bits)));
      (renderer().tokenizer().is_special(token) ? control : allowed).push_back(token);
    }
  }
  if (!control.empty() && (allowed.empty() || ending || random() % 4 == 0)) return control[random() % control.size()];
  if (allowed.empty()) return -1;
  if (!ending) return allowed[random() % allowed.size()];
  // Short tokens end strings, numbers and objects.
  Token best = allowed[random() % allowed.size()];
  for (int i = 0; i < 40; ++i) {
    const Token other = allowed[random() % allowed.size()];
    const std::string_view a = trie()->bytes(best), b = trie()->bytes(other);
    if (b.size() < a.size() || (b.size() == a.size() && (b == "\"" || b == "}"))) best = other;
  }
  for (const char* closer : {"\"", "}", "]"}) {
    const Token token = ids(closer)[0];
    if ((mask[token >> 5] >> (token & 31) & 1) != 0 && random() % 2 == 0) return token;
  }
  return best;
}

TEST(Constraint, RandomTurnsAreWellFormed) {
  const ConstraintRules rules = usual_rules();
  Constraint constraint = make(rules);
  const auto weather = std::get<0>(grammar::compile_schema_text(kWeather));
  std::vector<std::string> names;
  for (const ConstraintTool& tool : rules.tools) names.push_back(tool.recipient);
  std::set<std::string> called;
  int n_finished = 0, n_final = 0;
  for (int seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    constraint.begin();
    Tokens turn;
    while (!constraint.at_end() && turn.size() < 400) {
      const Tokens forced = seed % 2 == 0 ? constraint.forced() : Tokens{};
      for (const Token token : forced) {
        ASSERT_TRUE(constraint.allows(token)) << spelled(turn) << " then " << spelled({token});
        constraint.observe(token);
        turn.push_back(token);
      }
      if (!forced.empty()) continue;
      const auto mask = constraint.mask();
      ASSERT_TRUE(mask) << spelled(turn);
      const Token token = draw(*mask, random, turn.size() > 30);
      ASSERT_GE(token, 0) << "a dead end after " << spelled(turn);
      constraint.observe(token);
      turn.push_back(token);
    }
    if (!constraint.at_end()) continue;
    ++n_finished;
    Parser strict(renderer(), {.role = Role::kAssistant, .strict = true, .tools = {}});
    std::vector<ParseEvent> events;
    for (const Token token : turn) ASSERT_TRUE(strict.push(token, events)) << spelled(turn);
    ASSERT_TRUE(strict.finish(events)) << spelled(turn);
    const auto lenient = events_of(turn, {.role = Role::kAssistant, .strict = false, .tools = names});
    for (const ParseEvent& event : lenient) {
      const auto* warning = std::get_if<Warning>(&event);
      EXPECT_EQ(warning, nullptr) << warning->what << " in " << spelled(turn);
    }
    const Message last = messages_of(lenient).back();  // the strict one reads the type of an answer as its recipient
    if (!last.recipient) {
      EXPECT_EQ(last.channel, "final") << spelled(turn);
      ++n_final;
      continue;
    }
    called.insert(*last.recipient);
    EXPECT_TRUE(std::find(names.begin(), names.end(), *last.recipient) != names.end()) << *last.recipient;
    if (last.recipient->starts_with("functions.get_weather")) {
      EXPECT_TRUE(grammar::matches(weather, last.text())) << last.text();
    }
  }
  EXPECT_GT(n_finished, 200);
  EXPECT_GT(n_final, 3);
  EXPECT_EQ(called.size(), 4U);
}

// The mask says of every control token and of many others what observe() makes of them.
TEST(Constraint, MaskBitsAreWhatIsAccepted) {
  Constraint constraint = make(usual_rules());
  const Tokens turn = ids("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather"
                          " <|constrain|>json<|message|>{\"location\": \"Bern\", \"days\": 2}<|call|>");
  std::mt19937_64 random(7);
  for (std::size_t n = 0; n < turn.size(); ++n) {
    std::vector<Token> candidates{turn[n]};
    for (const auto& [spelling, token] : renderer().tokenizer().specials()) candidates.push_back(token);
    for (int i = 0; i < 300; ++i) candidates.push_back(static_cast<Token>(random() % 201'088));
    for (const char* text : {"\"", "}", " to", "=", "final", "json", " json", "analysis", "1", ",", " "}) {
      candidates.push_back(ids(text)[0]);
    }
    for (const Token candidate : candidates) {
      constraint.begin();
      for (std::size_t i = 0; i < n; ++i) constraint.observe(turn[i]);
      const bool allowed = constraint.allows(candidate);
      if (candidate == renderer().control().start) continue;  // always the beginning of another message
      constraint.observe(candidate);
      const bool taken = constraint.at_end() || constraint.mask();
      ASSERT_EQ(allowed, taken) << "token " << candidate << " after " << spelled(Tokens(turn.begin(), turn.begin() + static_cast<std::ptrdiff_t>(n)));
    }
  }
}

TEST(Constraint, ForcesWhatHasNoChoice) {
  Constraint constraint = make(usual_rules());
  const auto forced_after = [&](const std::string& text) {
    constraint.begin();
    for (const Token token : ids(text)) constraint.observe(token);
    return spelled(constraint.forced());
  };
  EXPECT_EQ(forced_after("<|channel|>analysis<|message|>x<|end|>"), "<|start|>assistant");
  EXPECT_EQ(forced_after("<|channel|>analysis"), "");
  EXPECT_EQ(forced_after("<|channel|>commentary to=functions.ping<|message|>{}"), "<|call|>");
  EXPECT_EQ(forced_after("<|channel|>commentary to=functions.get_weather<|message|>{\"loc"), "ation");
  EXPECT_EQ(forced_after("<|channel|>commentary to=functions.get_weather<|message|>{\"location\": \"x"), "");
  ConstraintRules one;
  one.tools = {{"functions.book_a_table", kWeather}};
  constraint = make(one);
  EXPECT_EQ(forced_after("<|channel|>commentary to"), "=functions.book_a_table");
}

}  // namespace
}  // namespace toccata::harmony
