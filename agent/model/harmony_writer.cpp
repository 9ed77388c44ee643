#include "agent/model/harmony_writer.h"

#include <string_view>
#include <utility>

namespace toccata::agent {

void HarmonyWriter::take(const Spoken& spoken, Tokens& tokens) {
  if (ended_) return;
  std::visit([&](const auto& what) { write(what, tokens); }, spoken);
}

void HarmonyWriter::encode(std::string_view text, Tokens& tokens) const {
  renderer_.tokenizer().encode_into(text, tokenizer::Specials::kNone, tokens);
}

// Closes what is open and writes what stands between messages.
void HarmonyWriter::begin(Tokens& tokens) {
  if (!open_.empty()) tokens.push_back(renderer_.control().end);
  open_.clear();
  cut_off_ = false;
  if (std::exchange(begun_, true)) {
    for (const Token token : renderer_.opening(harmony::Role::kAssistant)) tokens.push_back(token);
  }
  tokens.push_back(renderer_.control().channel);
}

void HarmonyWriter::say(std::string_view channel, std::string_view text, Tokens& tokens) {
  if (text.empty()) return;
  if (open_ != channel || cut_off_) {
    begin(tokens);
    encode(channel, tokens);
    tokens.push_back(renderer_.control().message);
    open_ = channel;
  }
  encode(text, tokens);
}

void HarmonyWriter::write(const SpokenReasoning& reasoning, Tokens& tokens) {
  if (!in_final_ && !in_call_) say("analysis", reasoning.text, tokens);
}

void HarmonyWriter::write(const SpokenText& text, Tokens& tokens) {
  if (in_final_) return say("final", text.text, tokens);
  if (in_call_) return;  // what is said behind a call stands before its result is known
  if (!text.is_final && !functions_.functions().empty()) {
    held_ += text.text;
    return;
  }
  say(text.is_final.value_or(true) ? "final" : "commentary", text.text, tokens);
}

void HarmonyWriter::write(const SpokenCall& call, Tokens& tokens) {
  if (in_final_) return;
  if (in_call_) tokens.push_back(renderer_.control().call);
  say("commentary", std::exchange(held_, {}), tokens);
  const DeclaredFunction* function = functions_.named(call.name);
  const std::string recipient = function != nullptr ? function->recipient : "functions." + call.name;
  const bool is_function = recipient.starts_with("functions.");
  begin(tokens);
  encode(is_function ? "commentary to=" + recipient + " " : "analysis to=" + recipient + " code", tokens);
  if (is_function) {
    tokens.push_back(renderer_.control().constrain);
    encode("json", tokens);
  }
  tokens.push_back(renderer_.control().message);
  encode(FunctionTable::to_tool(function, call.arguments), tokens);
  in_call_ = true;
}

void HarmonyWriter::write(const SpokenEnd&, Tokens& tokens) {
  ended_ = true;
  if (in_call_) {
    tokens.push_back(renderer_.control().call);
    return;
  }
  say("final", std::exchange(held_, {}), tokens);
  if (!begun_ || cut_off_) {  // it said nothing: an empty answer, which the loop mends
    begin(tokens);
    encode("final", tokens);
    tokens.push_back(renderer_.control().message);
  }
  tokens.push_back(renderer_.control().return_);
}

}  // namespace toccata::agent
