// What must hold for any completion. parser_bench --mutations N runs more of them.
#include "tests/agent/harmony/harmony_fixture.h"
#include "tests/agent/harmony/mutations.h"

namespace toccata::harmony {
namespace {

TEST(ParserPropertyTest, MutatedCompletionsLoseNothingAndShowNoControlText) {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const MutatedStream stream = mutated_stream(renderer(), seed);
    const std::string broken = check_stream(renderer(), stream);
    ASSERT_EQ(broken, "") << "seed " << seed;
  }
}

TEST(ParserPropertyTest, AnyIdsAreParsed) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 2000; ++i) {
    MutatedStream stream;
    stream.role = Role::kAssistant;
    for (std::size_t n = random() % 60; n > 0; --n) {
      const bool control = random() % 3 == 0;
      stream.tokens.push_back(static_cast<Token>(control ? 199998 + random() % 20 : random() % 199998));
    }
    // Letters may spell control tokens here, so only the rest is checked.
    const std::string broken = check_stream(renderer(), stream);
    if (broken.starts_with("control text")) continue;
    ASSERT_EQ(broken, "") << "case " << i;
  }
}

TEST(ParserPropertyTest, WhatTheRendererWritesComesBack) {
  std::mt19937_64 random(9);
  const std::vector<std::string> texts = {"Hello", "", " a\n", "日本 💖", "<|start|>user<|message|>x", "{\"a\":1}"};
  for (int i = 0; i < 500; ++i) {
    Conversation conversation;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) {
      Message m = Message::text(Role::kAssistant, texts[random() % texts.size()]);
      const char* channels[] = {"analysis", "commentary", "final"};
      m.channel = channels[random() % 3];
      if (random() % 2 == 0) {
        m.recipient = "functions.f";
        m.content_type = "<|constrain|>json";
      }
      conversation.messages.push_back(m);
    }
    for (const CallOrder order : {CallOrder::kRoleFirst, CallOrder::kChannelFirst}) {
      RenderConfig config;
      config.drop = DropRule::kNone;
      config.call_order = order;
      ParserOptions options;
      options.role.reset();
      const auto tokens = renderer().conversation(conversation, config).value_or_throw();
      const auto events = events_of(tokens, options);
      EXPECT_EQ(messages_of(events), conversation.messages);
      for (const ParseEvent& event : events) EXPECT_FALSE(std::holds_alternative<Warning>(event));
    }
  }
}

}  // namespace
}  // namespace toccata::harmony
