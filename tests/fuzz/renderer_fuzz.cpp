// Any messages: what the renderer writes is read back as the same messages in both call orders, no text of theirs
// becomes structure, and any JSON as a tool's parameters gets a type.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "agent/harmony/parser.h"
#include "agent/harmony/tool_schema.h"
#include "agent/harmony/wire.h"
#include "core/base/json.h"

namespace {

using namespace toccata;
using namespace toccata::harmony;

const Renderer& renderer() {
  static const auto instance = Renderer::make(tokenizer::Tokenizer::o200k_harmony()).value_or_throw();
  return instance;
}

// One assistant message a line: channel, whether it is a call, and the text.
Conversation conversation_from(std::string_view bytes) {
  Conversation conversation;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (line.empty()) continue;
    static const char* const kChannels[] = {"analysis", "commentary", "final"};
    const auto kind = static_cast<unsigned char>(line[0]);
    Message m = Message::text(Role::kAssistant, tokenizer::to_valid_utf8(line.substr(1)));
    m.channel = kChannels[kind % 3];
    if (kind % 2 == 0) m.recipient = "functions.f";
    if (kind % 5 == 0) m.content_type = "<|constrain|>json";
    conversation.messages.push_back(std::move(m));
  }
  return conversation;
}

void check_round_trip(const Conversation& conversation) {
  for (const CallOrder order : {CallOrder::kRoleFirst, CallOrder::kChannelFirst}) {
    const RenderConfig config{DropRule::kNone, order, SchemaStyle::kReference};
    const Tokens tokens = renderer().conversation(conversation, config).value_or_throw();
    Parser parser(renderer(), {.role = std::nullopt, .strict = false, .tools = {}});
    std::vector<ParseEvent> events;
    for (const Token token : tokens) parser.push(token, events).value_or_throw();
    parser.finish(events).value_or_throw();
    TOCCATA_CHECK(parser.messages() == conversation.messages);
    for (const ParseEvent& event : events) TOCCATA_CHECK(!std::holds_alternative<Warning>(event));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_round_trip(conversation_from(bytes));
  const auto json = json_from<nlohmann::ordered_json>(bytes);
  if (json.is_discarded()) return 0;
  (void)schema_to_typescript(json);
  (void)schema_to_readable_typescript(json);
  if (const auto read = conversation_from_json(json)) {
    (void)renderer().conversation(*read);
    (void)renderer().conversation(merge_preambles(*read), RenderConfig::live());
  }
  return 0;
}
