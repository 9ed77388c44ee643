#include "agent/harmony/constraint.h"

#include <algorithm>

#include "core/grammar/schema.h"

namespace toccata::harmony {
namespace {

using grammar::Grammar;
using grammar::TokenMask;

constexpr std::size_t kForcedBytesMax = 256;
constexpr std::string_view kNoArguments = R"({"type": "object", "additionalProperties": false})";
constexpr grammar::SchemaLimits kArgumentLimits{.closed_objects = true};

Result<std::shared_ptr<const Grammar>> compile(
    const std::string& whose, std::string_view schema, const grammar::SchemaLimits& limits = {}
) {
  grammar::CompiledSchema compiled = grammar::compile_schema_text(schema, limits);
  if (const auto* error = std::get_if<grammar::SchemaError>(&compiled)) {
    return Error{ErrorCode::kUnsupported, "the schema of " + whose + " cannot be enforced: " + error->text()};
  }
  return std::get<0>(std::move(compiled));
}

enum class CharClass { kWord, kDigit, kBlank, kOther };
CharClass class_of(char c) {
  const auto u = static_cast<unsigned char>(c);
  if (u >= '0' && u <= '9') return CharClass::kDigit;
  if (u == ' ' || u == '\n' || u == '\t') return CharClass::kBlank;
  if ((u | 32) >= 'a' && (u | 32) <= 'z') return CharClass::kWord;
  return u >= 0x80 ? CharClass::kWord : CharClass::kOther;
}

// How much of `text` is spelled the same whatever comes behind it: without its last run of letters, digits, blanks or
// signs, and the character such a run takes along (` word`, `_word`, `"word`, ` !`).
std::size_t settled_length(std::string_view text) {
  if (text.empty()) return 0;
  std::size_t n = text.size() - 1;
  const CharClass last = class_of(text[n]);
  while (n > 0 && class_of(text[n - 1]) == last) --n;
  if (n == 0) return 0;
  const CharClass before = class_of(text[n - 1]);
  const bool takes_it = (last == CharClass::kWord && before != CharClass::kDigit) ||
                        (last == CharClass::kOther && before == CharClass::kBlank);
  return takes_it ? n - 1 : n;
}

// The tokens of `text` that lie within its settled part; all of them when a `new_word` follows.
void append_settled(const tokenizer::Tokenizer& tokenizer, std::string_view text, bool new_word, Tokens& out) {
  const std::size_t settled = new_word ? text.size() : settled_length(text);
  std::size_t n = 0;
  for (const Token token : tokenizer.encode(text)) {
    n += tokenizer.token_bytes(token).value_or("").size();
    if (n > settled) return;
    out.push_back(token);
  }
}

}  // namespace

Result<std::shared_ptr<const ConstraintPlan>> ConstraintPlan::make(
    const ConstraintRules& rules,
    const Renderer& renderer,
    std::shared_ptr<const grammar::TokenTrie> trie,
    int n_columns
) {
  if (rules.must_call && rules.tools.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a call is demanded, but there is nothing to call"};
  }
  std::vector<TurnGrammar::Tool> tools;
  for (const ConstraintTool& tool : rules.tools) tools.push_back({tool.recipient, tool.parameters.has_value()});
  std::shared_ptr<ConstraintPlan> plan(new ConstraintPlan(renderer, TurnGrammar(tools, !rules.must_call)));
  for (const ConstraintTool& tool : rules.tools) {
    plan->bodies_.emplace_back();
    if (!tool.parameters) continue;
    auto compiled = compile("tool " + tool.recipient, tool.parameters->empty() ? kNoArguments : *tool.parameters, kArgumentLimits);
    if (!compiled) return compiled.error();
    plan->bodies_.back() = std::move(*compiled);
  }
  if (rules.final_schema) {
    auto compiled = compile("the answer", *rules.final_schema);
    if (!compiled) return compiled.error();
    plan->final_ = std::move(*compiled);
  }
  const int n_bits = std::max(n_columns, trie->n_vocab());
  plan->n_words_ = (static_cast<std::size_t>(n_bits) + 31) / 32;
  plan->any_text_.assign(plan->n_words_, 0);
  for (Token token = 0; token < trie->n_vocab(); ++token) {
    if (!trie->bytes(token).empty()) grammar::set_token(plan->any_text_, token);
  }
  plan->trie_ = std::move(trie);
  return std::shared_ptr<const ConstraintPlan>(std::move(plan));
}

Constraint::Constraint(std::shared_ptr<const ConstraintPlan> plan)
    : plan_(std::move(plan)), matchers_(plan_->bodies_.size() + 1) {}

void Constraint::begin() {
  where_ = Where::kHeader;
  node_ = plan_->headers_.at_header();
  tool_ = -1;
}

void Constraint::observe(Token token) {
  const bool between = where_ == Where::kHeader && node_ == plan_->headers_.at_message();
  if (token == plan_->renderer_.control().start && !between) {
    where_ = Where::kHeader;
    node_ = plan_->headers_.at_first_role();
    tool_ = -1;
  } else if (where_ != Where::kLost && !accept(token)) {
    where_ = Where::kLost;
  }
}

bool Constraint::allows(Token token) {
  const auto allowed = mask();
  return !allowed || (token >= 0 && static_cast<std::size_t>(token) < allowed->size() * 32 &&
                      ((*allowed)[token >> 5] >> (token & 31) & 1) != 0);
}

bool Constraint::accept(Token token) {
  switch (where_) {
    case Where::kHeader: return accept_in_header(token);
    case Where::kText:
      if (token == end_) {
        end_message();
        return true;
      }
      return token >= 0 && token < plan_->trie_->n_vocab() && grammar::has_token(plan_->any_text_, token);
    case Where::kJson:
      if (token == end_ && matcher_->at_end()) {
        end_message();
        return true;
      }
      return matcher_->accept(token);
    case Where::kLost:
    case Where::kDone: return false;
  }
  return false;
}

bool Constraint::accept_in_header(Token token) {
  const TurnGrammar& headers = plan_->headers_;
  if (const auto symbol = symbol_of(token)) {
    node_ = headers.step(node_, *symbol);
    if (node_ >= 0 && headers.is_body(node_)) enter_body(headers.body(node_));
    return node_ >= 0;
  }
  if (token < 0 || token >= plan_->trie_->n_vocab() || plan_->trie_->bytes(token).empty()) return false;
  for (const char c : plan_->trie_->bytes(token)) {
    node_ = headers.step(node_, static_cast<unsigned char>(c));
    if (node_ < 0) return false;
    if (const int tool = headers.node(node_).tool; tool >= 0) tool_ = tool;
  }
  return true;
}

void Constraint::enter_body(BodyKind kind) {
  const ControlTokens& control = plan_->renderer_.control();
  end_ = kind == BodyKind::kCall ? control.call : kind == BodyKind::kFinal ? control.return_ : control.end;
  std::shared_ptr<const Grammar> body;
  std::size_t slot = plan_->bodies_.size();
  if (kind == BodyKind::kFinal) body = plan_->final_;
  if (kind == BodyKind::kCall) {
    slot = static_cast<std::size_t>(tool_);
    body = plan_->bodies_[slot];
  }
  where_ = body ? Where::kJson : Where::kText;
  if (!body) return;
  std::unique_ptr<grammar::Matcher>& matcher = matchers_[slot];
  if (!matcher) matcher = std::make_unique<grammar::Matcher>(body, plan_->trie_);
  matcher->rollback(matcher->n_accepted());
  matcher_ = matcher.get();
}

void Constraint::end_message() {
  if (end_ != plan_->renderer_.control().end) {
    where_ = Where::kDone;
    return;
  }
  where_ = Where::kHeader;
  node_ = plan_->headers_.at_message();
  tool_ = -1;
}

std::optional<std::span<const std::uint32_t>> Constraint::mask() {
  switch (where_) {
    case Where::kHeader: return header_mask(node_);
    case Where::kText:
      mask_ = plan_->any_text_;
      grammar::set_token(mask_, end_);
      return mask_;
    case Where::kJson:
      mask_ = matcher_->mask();
      mask_.resize(plan_->n_words_);
      if (matcher_->at_end()) grammar::set_token(mask_, end_);
      return mask_;
    case Where::kLost:
    case Where::kDone: return std::nullopt;
  }
  return std::nullopt;
}

const TokenMask& Constraint::header_mask(int node) {
  const auto [found, is_new] = header_masks_.try_emplace(node);
  TokenMask& mask = found->second;
  if (!is_new) return mask;
  const grammar::TokenTrie& trie = *plan_->trie_;
  mask.assign(trie.n_words(), 0);
  walk_header(trie.safe(), node, mask);
  walk_header(trie.other(), node, mask);
  trie.spread_twins(mask);
  mask.resize(plan_->n_words_);
  for (const auto& [symbol, to] : plan_->headers_.node(node).edges) {
    if (symbol >= TurnGrammar::kStart) grammar::set_token(mask, token_of(symbol));
  }
  return mask;
}

void Constraint::walk_header(const grammar::Trie& trie, int node, Mask& mask) const {
  struct Place {
    std::uint32_t end;  // of the subtree
    int node;
  };
  std::vector<Place> path{{static_cast<std::uint32_t>(trie.size()), node}};
  for (std::uint32_t i = 0; i < trie.size();) {
    while (path.back().end <= i) path.pop_back();
    const int to = plan_->headers_.step(path.back().node, trie[i].byte());
    if (to < 0) {
      i += trie[i].skip();
      continue;
    }
    if (trie[i].value >= 0) grammar::set_token(mask, trie[i].value);
    path.push_back({i + trie[i].skip(), to});
    ++i;
  }
}

Tokens Constraint::forced() {
  switch (where_) {
    case Where::kHeader: return forced_header();
    case Where::kJson: return forced_json();
    case Where::kText:
    case Where::kLost:
    case Where::kDone: return {};
  }
  return {};
}

Tokens Constraint::forced_header() const {
  const TurnGrammar& headers = plan_->headers_;
  Tokens out;
  std::string text;
  int node = node_;
  while (!headers.is_body(node) && text.size() < kForcedBytesMax) {
    const TurnGrammar::Node& here = headers.node(node);
    if (here.edges.size() != 1) break;
    const auto [symbol, to] = here.edges[0];
    if (symbol < TurnGrammar::kStart) {
      text += static_cast<char>(symbol);
    } else {
      plan_->renderer_.tokenizer().encode_into(text, tokenizer::Specials::kNone, out);
      text.clear();
      out.push_back(token_of(symbol));
    }
    node = to;
  }
  // Behind a word of a header comes a blank or a control token, or more of the word.
  bool new_word = !text.empty() && class_of(text.back()) == CharClass::kWord;
  for (const auto& [symbol, to] : headers.node(node).edges) new_word = new_word && (symbol == ' ' || symbol >= TurnGrammar::kStart);
  append_settled(plan_->renderer_.tokenizer(), text, new_word, out);
  return out;
}

Tokens Constraint::forced_json() {
  const tokenizer::Tokenizer& tokenizer = plan_->renderer_.tokenizer();
  const std::string text = matcher_->forced_text(kForcedBytesMax);
  Tokens out;
  const bool stepped = matcher_->accept_text(text);  // not when there is none
  if (matcher_->must_end()) {
    tokenizer.encode_into(text, tokenizer::Specials::kNone, out);
    out.push_back(end_);
  } else {
    append_settled(tokenizer, text, /*new_word=*/false, out);
  }
  if (stepped) matcher_->rollback(1);
  return out;
}

std::optional<int> Constraint::symbol_of(Token token) const {
  const ControlTokens& control = plan_->renderer_.control();
  if (token == control.start) return TurnGrammar::kStart;
  if (token == control.channel) return TurnGrammar::kChannel;
  if (token == control.constrain) return TurnGrammar::kConstrain;
  if (token == control.message) return TurnGrammar::kMessage;
  return std::nullopt;
}

Token Constraint::token_of(int symbol) const {
  const ControlTokens& control = plan_->renderer_.control();
  switch (symbol) {
    case TurnGrammar::kStart: return control.start;
    case TurnGrammar::kChannel: return control.channel;
    case TurnGrammar::kConstrain: return control.constrain;
    default: return control.message;
  }
}

}  // namespace toccata::harmony
