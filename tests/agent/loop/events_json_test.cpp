#include "agent/loop/events_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/loop/call_items.h"
#include "agent/loop/dispatcher.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

std::string line(const Event& event) {
  const std::string dumped = json_text(to_json(event));
  EXPECT_EQ(json_line(event), dumped);
  return dumped;
}

TEST(EventsJsonTest, ALineSaysWhatTheValueSaysWhateverTheTextIs) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  for (const std::string& text : {all, std::string("\xe4\xb8\xad\"\n"), std::string("broken \xff\xc3"), std::string()}) {
    line(ItemDelta{"item_0", ItemDelta::Kind::kOutput, text});
    line(ItemCompleted{{"item_1", ReasoningItem{text}}});
    line(ItemCompleted{{"item_2", NoticeItem{text}}});
    line(ItemCompleted{{"item_3", WebSearchItem{text, text, ItemStatus::kCompleted}}});
    line(ItemCompleted{{"item_4", CommandItem{text, text, 3, ItemStatus::kFailed}}});
    line(ItemStarted{{"item_5", ToolCallItem{text, text, text, std::nullopt, std::nullopt}}});
    line(ItemCompleted{{"item_6", ToolCallItem{"s", "t", R"({ "a" : [1.50, "x"] })", text, text}}});
  }
}

TEST(EventsJsonTest, HasTheShapesOfCodexExec) {
  EXPECT_EQ(line(ThreadStarted{"abc"}), R"({"type":"thread.started","thread_id":"abc"})");
  EXPECT_EQ(line(TurnStarted{}), R"({"type":"turn.started"})");
  EXPECT_EQ(
      line(ItemCompleted{{"item_0", AgentMessageItem{AgentMessageItem::Phase::kFinal, "4"}}}),
      R"({"type":"item.completed","item":{"id":"item_0","type":"agent_message","phase":"final","text":"4"}})"
  );
  EXPECT_EQ(
      line(ItemCompleted{{"item_1", ReasoningItem{"hm"}}}),
      R"({"type":"item.completed","item":{"id":"item_1","type":"reasoning","text":"hm"}})"
  );
  EXPECT_EQ(
      line(ItemDelta{"item_0", ItemDelta::Kind::kFinal, "4"}),
      R"({"type":"item.updated","item":{"id":"item_0","type":"agent_message","delta":"4"}})"
  );
  EXPECT_EQ(
      line(TurnCompleted{{10, 4, 3, 1}}),
      R"({"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":3,"reasoning_output_tokens":1}})"
  );
  EXPECT_EQ(
      line(TurnCompleted{{10, 4, 3, 1, 60, 3, 2}}),
      R"({"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":3,"reasoning_output_tokens":1,"guessed_tokens":60,"guessed_calls":3,"used_guesses":2}})"
  );
  EXPECT_EQ(
      line(TurnFailed{"no", "budget", 4, {}}),
      R"({"type":"turn.failed","error":{"message":"no"},"terminal_reason":"budget","exit_code":4,"usage":{"input_tokens":0,"cached_input_tokens":0,"output_tokens":0,"reasoning_output_tokens":0}})"
  );
  EXPECT_EQ(line(StreamError{"disk"}), R"({"type":"error","message":"disk"})");
  EXPECT_EQ(
      line(ItemCompleted{{"item_2", NoticeItem{"odd"}}}),
      R"({"type":"item.completed","item":{"id":"item_2","type":"error","message":"odd"}})"
  );
}

TEST(EventsJsonTest, APythonCallIsACommandExecution) {
  const Item started = call_started_item("item_3", "python", "x = 4");
  EXPECT_EQ(
      line(ItemStarted{started}),
      R"({"type":"item.started","item":{"id":"item_3","type":"command_execution","command":"x = 4","aggregated_output":"","exit_code":null,"status":"in_progress"}})"
  );
  const Item done = call_completed_item(
      started, {tools::ToolStatus::kFailed, "python", "Trace", R"({"exit":3})"}
  );
  EXPECT_EQ(
      line(ItemCompleted{done}),
      R"({"type":"item.completed","item":{"id":"item_3","type":"command_execution","command":"x = 4","aggregated_output":"Trace","exit_code":3,"status":"failed"}})"
  );
}

TEST(EventsJsonTest, ASearchIsAWebSearch) {
  const Item started = call_started_item("item_4", "browser.search", R"({"query":"cats"})");
  EXPECT_EQ(std::get<WebSearchItem>(started.details).query, "cats");
  const Item done = call_completed_item(started, {tools::ToolStatus::kOk, "", "found", "{}"});
  EXPECT_EQ(
      json_text(to_json(done)),
      R"({"id":"item_4","type":"web_search","query":"cats","result":"found","status":"completed"})"
  );
}

TEST(EventsJsonTest, AnyOtherCallIsAToolCall) {
  const Item started = call_started_item("item_5", "functions.add", R"({"a":1})");
  const Item done = call_completed_item(started, {tools::ToolStatus::kOk, "", "2", "not json"});
  EXPECT_EQ(
      json_text(to_json(done)),
      R"({"id":"item_5","type":"mcp_tool_call","server":"functions","tool":"add","arguments":{"a":1},"result":{"content":[{"type":"text","text":"2"}]},"error":null,"status":"completed"})"
  );
  const Item failed = call_completed_item(started, {tools::ToolStatus::kFailed, "", "bad", "{}"});
  EXPECT_EQ(to_json(failed)["error"]["message"], "bad");
  EXPECT_TRUE(to_json(failed)["result"].is_null());
  EXPECT_EQ(to_json(call_started_item("i", "functions.add", "{broken"))["arguments"], "{broken");
}

TEST(ShortenTest, KeepsBothEndsAndWholeCharacters) {
  EXPECT_EQ(shorten("short", 100), "short");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "\xE2\x82\xAC";  // three bytes each
  for (std::size_t limit = 0; limit < 40; ++limit) {
    const std::string cut = shorten(text, limit);
    EXPECT_EQ(tokenizer::to_valid_utf8(cut), cut) << limit;
    EXPECT_NE(cut.find("of 3000 bytes left out"), std::string::npos);
  }
}

}  // namespace
}  // namespace toccata::agent
