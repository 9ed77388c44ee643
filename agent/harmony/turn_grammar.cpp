#include "agent/harmony/turn_grammar.h"

#include <algorithm>
#include <string_view>

#include "core/base/error.h"

namespace toccata::harmony {
namespace {

constexpr std::string_view kChannelsOfCalls[] = {"analysis", "commentary"};

bool is_one_word(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7F;
  });
}

}  // namespace

TurnGrammar::TurnGrammar(const std::vector<Tool>& tools, bool final) {
  const int header = add_node();
  between_ = add_node();
  first_role_ = add_node();
  first_body_ = static_cast<int>(nodes_.size());
  for (int i = 0; i < 4; ++i) add_node();

  // What may stand behind a name does not depend on the name: one tail for each kind of body, and for each order.
  const std::vector<std::string> words[] = {{"code", "python", "text"}, {"json", "code"}};
  int tails[2][2];  // [role first][json]
  for (int json = 0; json < 2; ++json) {
    tails[0][json] = add_node();
    add_type(tails[0][json], words[json], body_node(BodyKind::kCall));
    tails[1][json] = add_node();
    const int channel = add_node();
    add_edge(tails[1][json], kChannel, channel);
    for (const std::string_view name : kChannelsOfCalls) {
      add_type(add_text(channel, name), words[json], body_node(BodyKind::kCall));
    }
  }
  add_header(header, final ? Messages::kAll : Messages::kNoAnswer, tools, tails);
  add_text(first_role_, "assistant", header);
  if (final) {
    add_edge(between_, kStart, first_role_);
    return;
  }
  const int next_role = add_node(), next = add_node();
  add_edge(between_, kStart, next_role);
  add_text(next_role, "assistant", next);
  add_header(next, Messages::kCallsOnly, tools, tails);
}

void TurnGrammar::add_header(int header, Messages which, const std::vector<Tool>& tools, const int (&tails)[2][2]) {
  const int channel = add_node();
  add_edge(header, kChannel, channel);
  const int analysis = add_text(channel, "analysis"), commentary = add_text(channel, "commentary");
  if (which != Messages::kCallsOnly) {
    add_edge(analysis, kMessage, body_node(BodyKind::kReasoning));
    add_edge(commentary, kMessage, body_node(BodyKind::kPreamble));
  }
  if (which == Messages::kAll) add_type(add_text(channel, "final"), {"json"}, body_node(BodyKind::kFinal));
  for (const int from : {analysis, commentary, header}) {
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (!is_one_word(tools[i].recipient)) continue;
      const int name = add_text(from, " to=" + tools[i].recipient);
      nodes_[name].tool = static_cast<int>(i);
      const int tail = tails[from == header ? 1 : 0][tools[i].json ? 1 : 0];
      for (const auto& [symbol, to] : std::vector(nodes_[tail].edges)) add_edge(name, symbol, to);
    }
  }
}

int TurnGrammar::step(int node, int symbol) const {
  for (const auto& [on, to] : nodes_[node].edges) {
    if (on == symbol) return to;
  }
  return -1;
}

int TurnGrammar::add_node() {
  nodes_.emplace_back();
  return static_cast<int>(nodes_.size()) - 1;
}

void TurnGrammar::add_edge(int from, int symbol, int to) {
  TOCCATA_CHECK(step(from, symbol) < 0, "a header has one reading");
  auto& edges = nodes_[from].edges;
  edges.insert(std::upper_bound(edges.begin(), edges.end(), std::pair(symbol, to)), {symbol, to});
}

int TurnGrammar::add_text(int from, std::string_view text) {
  for (const char c : text) {
    const int symbol = static_cast<unsigned char>(c);
    int to = step(from, symbol);
    if (to < 0) {
      to = add_node();
      add_edge(from, symbol, to);
    }
    from = to;
  }
  return from;
}

void TurnGrammar::add_text(int from, std::string_view text, int to) {
  add_edge(add_text(from, text.substr(0, text.size() - 1)), static_cast<unsigned char>(text.back()), to);
}

void TurnGrammar::add_type(int from, const std::vector<std::string>& words, int body) {
  add_edge(from, kMessage, body);
  const int constrained = add_node(), spaced = add_text(from, " ");
  add_edge(from, kConstrain, constrained);
  add_edge(spaced, kConstrain, constrained);
  for (const std::string& word : words) {
    add_edge(add_text(constrained, word), kMessage, body);
    add_edge(add_text(spaced, word), kMessage, body);
  }
}

}  // namespace toccata::harmony
