// What an endpoint's answer says -> the tokens that a gpt-oss model would have written for it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "agent/harmony/renderer.h"
#include "agent/model/message_events.h"
#include "core/base/token.h"

namespace toccata::agent {

// One per answer. It begins where the log ends (Dialogue::open_channel): inside an answer, reasoning and calls are left
// out. Renderer and functions must outlive it.
//   HarmonyWriter writer(renderer, functions, "");
//   writer.take(spoken, tokens);   // appends to tokens; ends with `<|return|>` or, behind calls, with `<|call|>`
//
// Several calls stand one behind the other, each closed with `<|call|>`: the last one's comes with the answer's end.
class HarmonyWriter {
 public:
  HarmonyWriter(const harmony::Renderer& renderer, const FunctionTable& functions, std::string open_channel)
      : renderer_(renderer),
        functions_(functions),
        in_final_(open_channel == "final"),
        open_(std::move(open_channel)),
        begun_(!open_.empty()),
        cut_off_(begun_ && !in_final_) {}

  void take(const Spoken& spoken, Tokens& tokens);
  bool ended() const { return ended_; }

 private:
  void say(std::string_view channel, std::string_view text, Tokens& tokens);
  void begin(Tokens& tokens);
  void encode(std::string_view text, Tokens& tokens) const;
  void write(const SpokenReasoning& reasoning, Tokens& tokens);
  void write(const SpokenText& text, Tokens& tokens);
  void write(const SpokenCall& call, Tokens& tokens);
  void write(const SpokenEnd& end, Tokens& tokens);

  const harmony::Renderer& renderer_;
  const FunctionTable& functions_;
  const bool in_final_;
  std::string open_;      // channel of the open message
  bool begun_;            // a message was begun: the next one brings its own `<|start|>assistant`
  bool cut_off_;          // the open message is an older answer's
  bool ended_ = false;
  bool in_call_ = false;  // whose `<|call|>` is still to come
  // Of which it is not known yet whether a call follows it: then it was a preamble.
  std::string held_;
};

}  // namespace toccata::agent
