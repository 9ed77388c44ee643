// The headers an assistant may write, as one automaton over bytes and control tokens.
//
// Both orders of a call are in it (`<|channel|>commentary to=f ...` and ` to=f<|channel|>commentary ...`), with every way
// the models and the reference renderer write the type of the body:
//
//   turn    := (message "<|start|>assistant")* last
//   message := "<|channel|>" ("analysis" | "commentary") "<|message|>" text "<|end|>"
//   last    := "<|channel|>final" [type] "<|message|>" text "<|return|>" | call "<|message|>" arguments "<|call|>"
//   call    := "<|channel|>" ("analysis" | "commentary") " to=" name [type] | " to=" name "<|channel|>" (...) [type]
//   type    := [" "] "<|constrain|>" word | " " word
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace toccata::harmony {

// What follows a header's `<|message|>`.
enum class BodyKind { kReasoning, kPreamble, kFinal, kCall };

class TurnGrammar {
 public:
  // Control tokens as symbols behind the 256 bytes.
  enum Symbol : int { kStart = 256, kChannel, kConstrain, kMessage };
  struct Tool {
    std::string recipient;  // as the model is told: "functions.get_weather"
    bool json = true;       // else the body is raw text
  };
  struct Node {
    std::vector<std::pair<int, int>> edges;  // symbol -> node, sorted
    int tool = -1;                           // a name of a tool ends here
  };

  // `final`: an answer is possible; without it, a call has to come behind at most one other message. Tools whose
  // recipients are no single word are left out.
  TurnGrammar(const std::vector<Tool>& tools, bool final);

  int at_header() const { return 0; }    // behind `<|start|>assistant`
  int at_message() const { return between_; }  // behind `<|end|>`
  int at_first_role() const { return first_role_; }  // behind the `<|start|>` of a turn
  // The node behind `symbol`, or -1.
  int step(int node, int symbol) const;
  const Node& node(int i) const { return nodes_[i]; }
  // Nodes that a header ends at, instead of going on.
  bool is_body(int node) const { return node >= first_body_ && node < first_body_ + 4; }
  BodyKind body(int node) const { return static_cast<BodyKind>(node - first_body_); }

 private:
  int add_node();
  void add_edge(int from, int symbol, int to);
  // The node behind `text`; what is there already is used again.
  int add_text(int from, std::string_view text);
  // The same, arriving at `to`.
  void add_text(int from, std::string_view text, int to);
  void add_type(int from, const std::vector<std::string>& words, int body);
  enum class Messages { kAll, kNoAnswer, kCallsOnly };
  void add_header(int header, Messages which, const std::vector<Tool>& tools, const int (&tails)[2][2]);
  int body_node(BodyKind kind) const { return first_body_ + static_cast<int>(kind); }

  std::vector<Node> nodes_;
  int between_ = 0, first_role_ = 0, first_body_ = 0;
};

}  // namespace toccata::harmony
