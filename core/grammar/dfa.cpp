#include "core/grammar/dfa.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace toccata::grammar {
namespace {

struct TupleHash {
  std::size_t operator()(const std::vector<std::int32_t>& tuple) const {
    std::uint64_t hash = 0x9E3779B97F4A7C15U;
    for (const std::int32_t value : tuple) {
      hash = (hash ^ static_cast<std::uint32_t>(value)) * 0xD6E8FEB86659FD93U;
      hash ^= hash >> 32;
    }
    return hash;
  }
};
using TupleIds = std::unordered_map<std::vector<std::int32_t>, int, TupleHash>;

}  // namespace

std::int32_t Dfa::step(std::int32_t state, Symbol symbol) const {
  const std::span<const Edge> list = edges(state);
  const auto after = std::upper_bound(
      list.begin(), list.end(), symbol, [](Symbol s, const Edge& e) { return s < e.low; }
  );
  if (after == list.begin()) return kDead;
  const Edge& edge = *std::prev(after);
  return symbol <= edge.high ? edge.to : kDead;
}

bool Dfa::universal(std::int32_t state) const {
  const auto list = edges(state);
  return accepting(state) && list.size() == 1 && list[0].low == 0 && list[0].high == kLastSymbol &&
         list[0].to == state;
}

bool Dfa::accepts(std::span<const Symbol> word) const {
  if (empty()) return false;
  std::int32_t state = 0;
  for (const Symbol symbol : word) {
    state = step(state, symbol);
    if (state == kDead) return false;
  }
  return accepting(state);
}

int Dfa::shortest() const {
  std::vector<int> distance(size(), -1);
  std::deque<int> queue{0};
  distance[0] = 0;
  while (!queue.empty()) {
    const int state = queue.front();
    queue.pop_front();
    if (accepting(state)) return distance[state];
    for (const Edge& e : edges(state)) {
      if (distance[e.to] >= 0) continue;
      distance[e.to] = distance[state] + 1;
      queue.push_back(e.to);
    }
  }
  return 0;
}

std::optional<int> Dfa::longest() const {
  // Depth-first in post order without recursion; a state met while it is open closes a cycle.
  std::vector<int> longest(size(), 0), next(size(), 0);
  std::vector<char> colour(size(), 0);
  std::vector<int> path{0};
  colour[0] = 1;
  while (!path.empty()) {
    const int state = path.back();
    const auto list = edges(state);
    if (next[state] < static_cast<int>(list.size())) {
      const int to = list[next[state]++].to;
      if (colour[to] == 1) return std::nullopt;
      if (colour[to] == 0) {
        colour[to] = 1;
        path.push_back(to);
      }
      continue;
    }
    for (const Edge& e : list) longest[state] = std::max(longest[state], longest[e.to] + 1);
    colour[state] = 2;
    path.pop_back();
  }
  return longest[0];
}

Dfa Dfa::everything() {
  DfaBuilder builder;
  builder.add(0);
  builder.edge(0, 0, kLastSymbol, 0);
  return builder.build();
}

Dfa Dfa::words(const std::vector<std::vector<Symbol>>& words, std::int32_t other) {
  DfaBuilder builder;
  struct TrieNode {
    std::vector<std::pair<Symbol, int>> children;
  };
  std::vector<TrieNode> trie(1);
  std::unordered_map<std::uint64_t, int> children;  // (node, symbol) -> node
  builder.add(other);
  for (std::size_t i = 0; i < words.size(); ++i) {
    int at = 0;
    for (const Symbol symbol : words[i]) {
      const std::uint64_t key = static_cast<std::uint64_t>(at) << 32 | symbol;
      const auto [child, is_new] = children.emplace(key, static_cast<int>(trie.size()));
      if (is_new) {
        trie[at].children.emplace_back(symbol, child->second);
        trie.emplace_back();
        builder.add(other);
      }
      at = child->second;
    }
  }
  for (std::size_t i = words.size(); i-- > 0;) {  // the first of equal words wins
    int at = 0;
    for (const Symbol symbol : words[i]) at = children.at(static_cast<std::uint64_t>(at) << 32 | symbol);
    builder.set_tag(at, static_cast<std::int32_t>(i));
  }
  const int elsewhere = other >= 0 ? builder.add(other) : -1;
  if (other >= 0) builder.edge(elsewhere, 0, kLastSymbol, elsewhere);
  for (std::size_t node = 0; node < trie.size(); ++node) {
    auto& list = trie[node].children;
    std::sort(list.begin(), list.end());
    Symbol from = 0;
    for (const auto& [symbol, child] : list) {
      if (other >= 0 && from < symbol) builder.edge(static_cast<int>(node), from, symbol - 1, elsewhere);
      builder.edge(static_cast<int>(node), symbol, symbol, child);
      from = symbol + 1;
    }
    if (other >= 0 && from <= kLastSymbol) builder.edge(static_cast<int>(node), from, kLastSymbol, elsewhere);
  }
  return builder.build();
}

int DfaBuilder::add(std::int32_t tag) {
  tags_.push_back(tag);
  edges_.emplace_back();
  return static_cast<int>(tags_.size()) - 1;
}

Dfa DfaBuilder::build() {
  const int n = size();
  std::vector<std::vector<int>> back(n);
  for (int state = 0; state < n; ++state) {
    for (const Edge& e : edges_[state]) back[e.to].push_back(state);
  }
  std::vector<char> useful(n, 0);
  std::vector<int> queue;
  for (int state = 0; state < n; ++state) {
    if (tags_[state] >= 0) {
      useful[state] = 1;
      queue.push_back(state);
    }
  }
  while (!queue.empty()) {
    const int state = queue.back();
    queue.pop_back();
    for (const int from : back[state]) {
      if (!useful[from]) {
        useful[from] = 1;
        queue.push_back(from);
      }
    }
  }
  Dfa dfa;
  if (n == 0 || !useful[0]) return dfa;
  std::vector<int> renamed(n, kDead);
  int n_kept = 0;
  for (int state = 0; state < n; ++state) {
    if (useful[state]) renamed[state] = n_kept++;
  }
  dfa.first_.push_back(0);
  for (int state = 0; state < n; ++state) {
    if (!useful[state]) continue;
    auto& list = edges_[state];
    std::sort(list.begin(), list.end(), [](const Edge& a, const Edge& b) { return a.low < b.low; });
    for (const Edge& e : list) {
      if (!useful[e.to]) continue;
      const int to = renamed[e.to];
      if (dfa.edges_.size() > dfa.first_.back() && dfa.edges_.back().to == to &&
          dfa.edges_.back().high + 1 == e.low) {
        dfa.edges_.back().high = e.high;
      } else {
        dfa.edges_.push_back({e.low, e.high, to});
      }
    }
    dfa.first_.push_back(static_cast<std::uint32_t>(dfa.edges_.size()));
    dfa.tags_.push_back(tags_[state]);
  }
  return dfa;
}

std::optional<Dfa> product(
    const std::vector<const Dfa*>& parts,
    const std::function<std::int32_t(StateTuple)>& tag_of,
    const std::function<bool(StateTuple)>& alive,
    int n_states_max
) {
  DfaBuilder builder;
  TupleIds ids;
  std::vector<std::vector<std::int32_t>> queue;
  const auto id_of = [&](const std::vector<std::int32_t>& tuple) {
    const auto [at, is_new] = ids.emplace(tuple, builder.size());
    if (is_new) {
      builder.add(tag_of(tuple));
      queue.push_back(tuple);
    }
    return at->second;
  };
  std::vector<std::int32_t> start;
  for (const Dfa* part : parts) start.push_back(part->empty() ? kDead : 0);
  if (!alive(start)) return Dfa{};
  id_of(start);
  std::vector<Symbol> cuts;
  std::vector<std::int32_t> next(parts.size());
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (builder.size() > n_states_max) return std::nullopt;
    const std::vector<std::int32_t> tuple = queue[i];
    cuts.assign({0, kLastSymbol + 1});
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (tuple[p] == kDead) continue;
      for (const Edge& e : parts[p]->edges(tuple[p])) {
        cuts.push_back(e.low);
        cuts.push_back(e.high + 1);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
      for (std::size_t p = 0; p < parts.size(); ++p) {
        next[p] = tuple[p] == kDead ? kDead : parts[p]->step(tuple[p], cuts[c]);
      }
      if (alive(next)) builder.edge(static_cast<int>(i), cuts[c], cuts[c + 1] - 1, id_of(next));
    }
  }
  return builder.build();
}

std::optional<Dfa> intersection(const Dfa& a, const Dfa& b, int n_states_max) {
  return product(
      {&a, &b},
      [&](StateTuple t) { return a.accepting(t[0]) && b.accepting(t[1]) ? 0 : -1; },
      [](StateTuple t) { return t[0] != kDead && t[1] != kDead; },
      n_states_max
  );
}

std::optional<Dfa> with_length(const Dfa& a, std::int64_t min, std::int64_t max, int n_states_max) {
  if (a.empty()) return a;
  if (min <= a.shortest()) min = 0;
  const std::optional<int> longest = a.longest();
  if (longest && *longest <= max) max = INT64_MAX;
  if (min == 0 && max == INT64_MAX) return a;
  const std::int64_t levels = max == INT64_MAX ? min : max;
  if (levels * a.size() > n_states_max) return std::nullopt;
  DfaBuilder count;
  for (std::int64_t i = 0; i <= levels; ++i) {
    count.add(i >= min ? 0 : -1);
    if (i > 0) count.edge(static_cast<int>(i) - 1, 0, kLastSymbol, static_cast<int>(i));
  }
  const int last = static_cast<int>(levels);
  if (max == INT64_MAX) count.edge(last, 0, kLastSymbol, last);
  return intersection(a, count.build(), n_states_max);
}

int Nfa::add() {
  nodes_.emplace_back();
  return size() - 1;
}

void Nfa::close(std::vector<int>& set, bool at_begin, bool at_end, std::vector<char>& seen) const {
  for (const int node : set) seen[node] = 1;
  const auto follow = [&](const std::vector<int>& list) {
    for (const int to : list) {
      if (seen[to]) continue;
      seen[to] = 1;
      set.push_back(to);
    }
  };
  for (std::size_t i = 0; i < set.size(); ++i) {
    const int node = set[i];
    follow(nodes_[node].epsilon);
    if (at_begin) follow(nodes_[node].begin);
    if (at_end) follow(nodes_[node].end);
  }
  for (const int node : set) seen[node] = 0;
  std::sort(set.begin(), set.end());
}

std::optional<Dfa> Nfa::determinise(int start, int accept, int n_states_max) const {
  DfaBuilder builder;
  TupleIds ids;
  std::vector<std::vector<std::int32_t>> queue;
  std::vector<char> seen(nodes_.size(), 0);
  // A set that can accept whatever follows is as good as that one node.
  const auto& final_edges = nodes_[accept].edges;
  const bool open_ended = final_edges.size() == 1 && final_edges[0].low == 0 &&
                          final_edges[0].high == kLastSymbol && final_edges[0].to == accept;
  std::int64_t work = 0;
  const auto id_of = [&](std::vector<std::int32_t> set, bool at_begin) {
    close(set, at_begin, false, seen);
    if (open_ended && std::binary_search(set.begin(), set.end(), accept)) set = {accept};
    work += static_cast<std::int64_t>(set.size());
    std::vector<std::int32_t> key = set;
    if (at_begin) key.push_back(-1);  // the start differs from an equal set further on
    const auto [at, is_new] = ids.emplace(std::move(key), builder.size());
    if (is_new) {
      std::vector<int> ended = set;
      close(ended, at_begin, true, seen);
      builder.add(std::binary_search(ended.begin(), ended.end(), accept) ? 0 : -1);
      queue.push_back(std::move(set));
    }
    return at->second;
  };
  id_of({start}, true);
  std::vector<Symbol> cuts;
  std::vector<std::vector<std::int32_t>> targets;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (builder.size() > n_states_max || work > 64LL * n_states_max) return std::nullopt;
    const std::vector<std::int32_t> set = queue[i];
    cuts.clear();
    for (const int node : set) {
      for (const Edge& e : nodes_[node].edges) {
        cuts.push_back(e.low);
        cuts.push_back(e.high + 1);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    targets.assign(cuts.size(), {});
    for (const int node : set) {
      for (const Edge& e : nodes_[node].edges) {
        auto c = std::lower_bound(cuts.begin(), cuts.end(), e.low) - cuts.begin();
        for (; cuts[c] <= e.high; ++c) targets[c].push_back(e.to);
      }
    }
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
      if (targets[c].empty()) continue;
      std::sort(targets[c].begin(), targets[c].end());
      targets[c].erase(std::unique(targets[c].begin(), targets[c].end()), targets[c].end());
      builder.edge(static_cast<int>(i), cuts[c], cuts[c + 1] - 1, id_of(targets[c], false));
    }
  }
  return builder.build();
}

std::vector<Symbol> code_points(std::string_view text) {
  std::vector<Symbol> out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int n = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    Symbol symbol = n == 1 ? lead : n == 0 ? 0xFFFD : lead & (0xFFU >> (n + 1));
    if (n == 0 || i + n > text.size()) {
      out.push_back(0xFFFD);
      ++i;
      continue;
    }
    for (int k = 1; k < n; ++k) symbol = symbol << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    out.push_back(symbol);
    i += n;
  }
  return out;
}

}  // namespace toccata::grammar
