#include "agent/loop/message_stream.h"

#include <utility>

namespace toccata::agent {

void EventQueue::flush() {
  writer_.commit();
  for (const Event& event : pending_) {
    if (sink_) sink_(event);
  }
  pending_.clear();
}

bool asks_for_tool(const std::optional<std::string>& recipient) {
  return recipient && *recipient != "assistant" && *recipient != "all" && *recipient != "user";
}

store::MessageRow row_of(const harmony::Message& message) {
  store::MessageRow row;
  row.role = harmony::to_string(message.role);
  row.name = message.name.value_or("");
  row.channel = message.channel.value_or("");
  row.recipient = message.recipient.value_or("");
  row.content_type = message.content_type.value_or("");
  row.content = message.text();
  return row;
}

MessageStream::MessageStream(store::RunWriter& writer, EventQueue& events, const tools::CitablePages& pages)
    : writer_(writer), events_(events), pages_(pages), last_flush_(std::chrono::steady_clock::now()) {}

void MessageStream::take(const std::vector<harmony::ParseEvent>& parsed) {
  for (const harmony::ParseEvent& event : parsed) {
    std::visit([this](const auto& e) { take_one(e); }, event);
  }
  ++n_tokens_since_flush_;
  const bool full = n_tokens_since_flush_ >= kPieceTokens || std::chrono::steady_clock::now() - last_flush_ >= kPieceTime;
  if (full && !(pending_delta_.empty() && events_.empty())) flush();
}

void MessageStream::show_first() {
  if (first_piece_) flush();
}

void MessageStream::flush() {
  queue_delta();
  events_.flush();
  first_piece_ = false;
  n_tokens_since_flush_ = 0;
  last_flush_ = std::chrono::steady_clock::now();
}

void MessageStream::take_again(const std::vector<harmony::ParseEvent>& parsed) {
  for (const harmony::ParseEvent& event : parsed) {
    std::visit([this](const auto& e) { take_one(e); }, event);
  }
}

void MessageStream::finish() { queue_delta(); }

void MessageStream::take_one(const harmony::MessageStarted& started) {
  if (started.role != harmony::Role::kAssistant) foreign_role_ = true;
  const std::string channel = started.channel.value_or("");
  if (asks_for_tool(started.recipient)) {
    kind_ = Kind::kCall;
  } else if (channel == "commentary") {
    kind_ = Kind::kPreamble;
  } else if (channel.empty() || channel == "final") {
    kind_ = Kind::kFinal;
  } else {
    kind_ = Kind::kReasoning;  // analysis, and channels nobody knows
  }
  harmony::Message header;
  header.role = started.role;
  header.name = started.name;
  header.channel = started.channel;
  header.recipient = started.recipient;
  header.content_type = started.content_type;
  writer_.open_message(row_of(header));
  open_ = true;
  item_id_.clear();
  cited_.clear();
  citing_.reset();
  if (kind_ == Kind::kFinal) citing_.emplace(pages_);
}

void MessageStream::take_one(const harmony::ContentDelta& delta) { add_text(delta.text); }

void MessageStream::add_text(std::string_view text) {
  if (!open_ || text.empty()) return;
  writer_.append_text(text);
  // A message in another role is kept in the ledger and shown to nobody: the model made it up.
  if (kind_ == Kind::kCall || foreign_role_) return;
  if (item_id_.empty()) {
    item_id_ = events_.next_item_id();
    events_.push(ItemStarted{item_with("")});
    first_piece_ = true;
  }
  if (citing_) return show(citing_->push(text));
  pending_delta_ += text;
}

void MessageStream::show(std::vector<CitationStream::Piece> pieces) {
  for (CitationStream::Piece& piece : pieces) {
    pending_delta_ += piece.text;
    if (!piece.citation) continue;
    const Citation& found = *piece.citation;
    if (found.check != CitationCheck::kOk) {
      writer_.note("citation", piece.text + " at character " + std::to_string(found.start) + ", " + found.url + ": " + to_string(found.check));
    }
    pending_cited_.push_back(found);
    cited_.push_back(std::move(*piece.citation));
  }
}

void MessageStream::take_one(const harmony::MessageDone& done) {
  using End = harmony::MessageDone::End;
  const store::MessageRow row = row_of(done.message);
  if (!open_) writer_.open_message(row);
  store::MessageRow whole = row;
  whole.complete = done.end != End::kEos;
  writer_.close_message(whole);
  if (!item_id_.empty()) {
    if (citing_) show(citing_->finish());
    queue_delta();
    events_.push(ItemCompleted{item_with(row.content)});
  }
  if (done.message.role == harmony::Role::kAssistant) done_.push_back({done.message, done.end});
  open_ = false;
  item_id_.clear();
}

void MessageStream::take_one(const harmony::Warning& warning) {
  writer_.note(
      "parser", "token " + std::to_string(warning.position) + " of the step: " + warning.what
  );
}

void MessageStream::queue_delta() {
  if (pending_delta_.empty()) return;
  ItemDelta delta{item_id_, ItemDelta::Kind::kFinal, std::move(pending_delta_), std::exchange(pending_cited_, {})};
  if (kind_ == Kind::kReasoning) delta.kind = ItemDelta::Kind::kReasoning;
  if (kind_ == Kind::kPreamble) delta.kind = ItemDelta::Kind::kPreamble;
  pending_delta_.clear();
  events_.push(std::move(delta));
}

Item MessageStream::item_with(std::string text) const {
  using Phase = AgentMessageItem::Phase;
  if (kind_ == Kind::kReasoning) return Item{item_id_, ReasoningItem{std::move(text)}};
  const Phase phase = kind_ == Kind::kPreamble ? Phase::kPreamble : Phase::kFinal;
  return Item{item_id_, AgentMessageItem{phase, std::move(text), cited_}};
}

}  // namespace toccata::agent
