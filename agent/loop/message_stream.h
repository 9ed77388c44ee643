#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/harmony/parser.h"
#include "agent/loop/citation_stream.h"
#include "agent/loop/events.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

// Numbers the items of a thread and emits events, each after the ledger has committed what it shows.
class EventQueue {
 public:
  EventQueue(store::RunWriter& writer, const EventSink& sink) : writer_(writer), sink_(sink) {}
  // Items of earlier processes had numbers below `n`.
  void go_on_from_item(int n) { n_items_ = n; }
  std::string next_item_id() { return "item_" + std::to_string(n_items_++); }
  void push(Event event) { pending_.push_back(std::move(event)); }
  // Commits, then emits.
  void flush();
  bool empty() const { return pending_.empty(); }

 private:
  store::RunWriter& writer_;
  const EventSink& sink_;
  std::vector<Event> pending_;
  int n_items_ = 0;
};

// What the parser reads out of one model call -> ledger rows and events, as it comes in.
//
// The first text of a message is passed on before anything waits for the model, the rest in pieces of at most kPieceTokens
// tokens or kPieceTime, whichever is first: one commit for each piece, so a slow model is seen token by token and tokens
// that come at once do not pay a commit each.
class MessageStream {
 public:
  static constexpr int kPieceTokens = 64;
  static constexpr std::chrono::milliseconds kPieceTime{25};

  struct Done {
    harmony::Message message;
    harmony::MessageDone::End end = harmony::MessageDone::End::kEnd;
  };

  // `pages`: what an answer may cite; must outlive it.
  MessageStream(store::RunWriter& writer, EventQueue& events, const tools::CitablePages& pages);

  // After each token. Flushes when a piece is full.
  void take(const std::vector<harmony::ParseEvent>& parsed);
  // The next token is waited for: flushes when a message has begun that nobody has seen anything of.
  void show_first();
  // The same for a token of an earlier process, already in the token log: queues all and flushes nothing.
  void take_again(const std::vector<harmony::ParseEvent>& parsed);
  // Queues what is left; the parser has seen the end. The caller flushes, with what it adds itself.
  void finish();

  // Messages of the assistant that ended, in order.
  const std::vector<Done>& messages() const { return done_; }
  // The open or last message calls a tool / was written in another role than the assistant's.
  bool foreign_role() const { return foreign_role_; }
  // Inside a message of the analysis channel without recipient.
  bool in_reasoning() const { return open_ && kind_ == Kind::kReasoning; }

 private:
  enum class Kind { kFinal, kPreamble, kReasoning, kCall };
  void take_one(const harmony::MessageStarted& started);
  void take_one(const harmony::ContentDelta& delta);
  void take_one(const harmony::MessageDone& done);
  void take_one(const harmony::Warning& warning);
  void add_text(std::string_view text);
  void queue_delta();
  void flush();
  // Text of an answer, and what it cites: a marker is shown whole or not at all.
  void show(std::vector<CitationStream::Piece> pieces);
  Item item_with(std::string text) const;

  store::RunWriter& writer_;
  EventQueue& events_;
  std::vector<Done> done_;
  bool open_ = false;
  bool foreign_role_ = false;
  Kind kind_ = Kind::kFinal;
  std::string item_id_;  // empty until the open message has text
  std::string pending_delta_;
  const tools::CitablePages& pages_;
  std::optional<CitationStream> citing_;   // of an open answer
  std::vector<Citation> pending_cited_;    // in pending_delta_
  std::vector<Citation> cited_;            // in the open answer
  bool first_piece_ = false;  // the open message has text that nobody has seen yet
  int n_tokens_since_flush_ = 0;
  std::chrono::steady_clock::time_point last_flush_;
};

// Whether a message with this recipient asks for a tool: models also address the user and themselves.
bool asks_for_tool(const std::optional<std::string>& recipient);

// A message as a ledger row.
store::MessageRow row_of(const harmony::Message& message);

}  // namespace toccata::agent
