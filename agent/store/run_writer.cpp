#include <algorithm>
#include <utility>

#include "agent/store/ledger_impl.h"

namespace toccata::store {
namespace {

struct PendingSegment {
  int seq;
  Segment segment;
};
struct PendingMessage {
  int seq;
  MessageRow message;
  bool drop_pieces;  // its text stood in `pieces` until now
};
struct PendingCall {  // answered without being run
  int call;
  int step;
  std::int64_t at_ms;
  CallIntent intent;
};
struct PendingResult {
  int call;
  std::int64_t at_ms;
  CallResult result;
};
struct PendingStep {
  int step;
  std::int64_t at_ms;
};
struct PendingStepEnd {
  int step;
  std::int64_t at_ms, prefilled, decoded;
  std::string end;
  std::optional<std::int64_t> first_token_ms;
};

}  // namespace

class RunWriter::Impl {
 public:
  Impl(Ledger::Impl& ledger, std::int64_t run, std::string id, const RunCounts& counts)
      : ledger_(ledger),
        run_(run),
        id_(std::move(id)),
        step_(counts.step),
        n_segments_(counts.n_segments),
        n_messages_(counts.n_messages),
        n_calls_(counts.n_calls),
        n_notes_(counts.n_notes) {}

  const std::string& id() const { return id_; }
  int next_call() const { return n_calls_ + 1; }

  void reopen() { reopen_ = true; }

  void begin_step(int step) {
    step_ = step;
    first_token_ms_.reset();
    steps_.push_back({step, ledger_.clock()});
  }

  void continue_step(int step) {
    step_ = step;
    first_token_ms_.reset();
  }

  void redo_messages(int first) {
    TOCCATA_CHECK(!open_ && messages_.empty(), "redo_messages() comes before what is redone");
    if (first >= n_messages_) return;
    redo_from_ = first;
    n_messages_ = first;
  }

  void first_token() {
    if (!first_token_ms_) first_token_ms_ = ledger_.clock();
  }

  void finish_step(std::int64_t prefilled, std::int64_t decoded, std::string_view end) {
    step_ends_.push_back({step_, ledger_.clock(), prefilled, decoded, std::string(end), first_token_ms_});
  }

  void append_tokens(SegmentKind kind, std::span<const Token> tokens) {
    if (tokens.empty()) return;
    if (!segments_.empty()) {
      Segment& last = segments_.back().segment;
      if (last.kind == kind && last.step == step_ && kind != SegmentKind::kRollback) {
        last.tokens.insert(last.tokens.end(), tokens.begin(), tokens.end());
        return;
      }
    }
    segments_.push_back({n_segments_++, {step_, kind, Tokens(tokens.begin(), tokens.end())}});
  }

  void open_message(const MessageRow& header) {
    TOCCATA_CHECK(!open_, "close_message() before the next message");
    open_ = header;
    open_->step = step_;
    open_->content.clear();
    open_->complete = false;
    n_pieces_ = 0;
    pending_text_.clear();
    announced_ = false;
  }

  void append_text(std::string_view text) {
    TOCCATA_CHECK(open_.has_value(), "open_message() comes first");
    pending_text_ += text;
  }

  void close_message(const MessageRow& whole) {
    TOCCATA_CHECK(open_.has_value(), "open_message() comes first");
    messages_.push_back({n_messages_++, whole, /*drop_pieces=*/n_pieces_ > 0});
    messages_.back().message.step = open_->step;
    open_.reset();
    pending_text_.clear();
  }

  void add_message(const MessageRow& message) {
    TOCCATA_CHECK(!open_, "close_message() before the next message");
    messages_.push_back({n_messages_++, message, /*drop_pieces=*/false});
    messages_.back().message.step = step_;
  }

  int begin_call(CallIntent intent) {
    const int call = ++n_calls_;
    const std::int64_t now = ledger_.clock();
    Transaction transaction(ledger_.db);
    write_pending();
    write_call({call, step_, now, std::move(intent)});
    transaction.commit();
    forget_pending();
    return call;
  }

  int record_call(CallIntent intent, const CallResult& result) {
    const std::int64_t now = ledger_.clock();
    calls_.push_back({++n_calls_, step_, now, std::move(intent)});
    results_.push_back({n_calls_, now, result});
    return n_calls_;
  }

  void finish_call(int call, const CallResult& result) {
    results_.push_back({call, ledger_.clock(), result});
  }

  void note(std::string_view kind, std::string_view detail) {
    notes_.push_back({step_, ledger_.clock(), std::string(kind), std::string(detail)});
  }

  void commit() {
    if (!has_pending()) return;
    Transaction transaction(ledger_.db);
    write_pending();
    transaction.commit();
    forget_pending();
  }

  void finish(const RunEnd& end) {
    const std::int64_t now = ledger_.clock();
    Transaction transaction(ledger_.db);
    write_pending();
    ledger_.write()
        .finish_run
        .bind(run_, now, end.exit_code, end.terminal_reason, end.message, end.final, end.usage)
        .run();
    transaction.commit();
    forget_pending();
  }

 private:
  bool has_pending() const {
    return reopen_ || redo_from_ || !calls_.empty() || !segments_.empty() || !messages_.empty() || !results_.empty() ||
           !steps_.empty() || !step_ends_.empty() || !notes_.empty() || !pending_text_.empty() ||
           (open_ && !announced_);
  }

  // Inside a transaction. Changes no member, so that a failed commit may be tried again.
  void write_pending() {
    WriteStatements& sql = ledger_.write();
    if (reopen_) sql.reopen_run.bind(run_, ledger_.self()).run();
    if (redo_from_) {
      sql.redo_pieces.bind(run_, *redo_from_).run();
      sql.redo_messages.bind(run_, *redo_from_).run();
    }
    for (const PendingStep& s : steps_) {
      if (!whole(s)) sql.begin_step.bind(run_, s.step, s.at_ms).run();
    }
    for (const auto& [seq, segment] : segments_) {
      const std::span<const Token> tokens(segment.tokens);
      const auto blob = put_blob(sql, std::as_bytes(tokens));
      const std::span<const Token> inlined = blob ? std::span<const Token>() : tokens;
      sql.add_segment.bind(run_, seq, segment.step, to_string(segment.kind), inlined, blob).run();
    }
    for (const PendingMessage& m : messages_) {
      write_message(m.seq, m.message, m.message.content);
      if (m.drop_pieces) sql.drop_pieces.bind(run_, m.seq).run();
    }
    if (open_ && !announced_) write_message(n_messages_, *open_, text_in_row() ? pending_text_ : std::string_view());
    if (!pending_text_.empty() && !text_in_row()) {
      sql.add_piece.bind(run_, n_messages_, n_pieces_, pending_text_).run();
    }
    for (const PendingCall& call : calls_) write_call(call);
    write_results();
    for (std::size_t i = 0; i < notes_.size(); ++i) {
      const NoteRow& note = notes_[i];
      const int seq = n_notes_ + static_cast<int>(i);
      sql.add_note.bind(run_, seq, note.step, note.at_ms, note.kind, note.detail).run();
    }
    for (const PendingStepEnd& s : step_ends_) {
      if (const std::optional<std::int64_t> begun = begun_with(s)) {
        sql.whole_step
            .bind(run_, s.step, *begun, s.at_ms, s.prefilled, s.decoded, s.end, s.first_token_ms)
            .run();
        continue;
      }
      sql.finish_step.bind(run_, s.step, s.at_ms, s.prefilled, s.decoded, s.end, s.first_token_ms).run();
    }
  }

  void write_results() {
    for (const auto& [call, at_ms, result] : results_) {
      const auto blob = put_text(result.content);
      const std::string_view content = blob ? std::string_view() : result.content;
      ledger_.write()
          .finish_call
          .bind(
              run_, call, at_ms, result.status, result.author, content, result.metadata, blob,
              put_text(result.full_output), result.sandbox_cpu_us
          )
          .run();
      for (const SessionFile& file : result.files) write_file(call, file);
    }
  }

  void write_file(int call, const SessionFile& file) {
    const auto bytes = std::as_bytes(std::span(file.bytes.data(), file.bytes.size()));
    const auto blob = put_blob(ledger_.write(), bytes);
    std::optional<std::int64_t> size;
    if (file.size) size = static_cast<std::int64_t>(*file.size);
    ledger_.write().add_file.bind(run_, call, file.path, size, blob ? std::span<const std::byte>() : bytes, blob).run();
  }

  // When the step that ends began, if that is not written yet either: then one row says both.
  std::optional<std::int64_t> begun_with(const PendingStepEnd& end) const {
    for (const PendingStep& s : steps_) {
      if (s.step == end.step) return s.at_ms;
    }
    return std::nullopt;
  }
  bool whole(const PendingStep& begun) const {
    return std::any_of(step_ends_.begin(), step_ends_.end(), [&](const auto& end) { return end.step == begun.step; });
  }

  std::optional<std::int64_t> put_text(std::string_view text) {
    return put_blob(ledger_.write(), std::as_bytes(std::span(text.data(), text.size())));
  }

  void write_call(const PendingCall& c) {
    const auto blob = put_text(c.intent.arguments);
    const std::string_view arguments = blob ? std::string_view() : c.intent.arguments;
    ledger_.write()
        .begin_call
        .bind(
            run_,
            c.call,
            c.step,
            c.intent.recipient,
            arguments,
            c.intent.effect,
            c.intent.idempotency_key,
            c.at_ms,
            blob
        )
        .run();
  }

  // The first text of the open message goes into its row: most messages have no other before they are whole.
  bool text_in_row() const { return open_ && !announced_ && pending_text_.size() < kBlobBytes; }

  void write_message(int seq, const MessageRow& m, std::string_view text) {
    const auto blob = put_text(text);
    const std::string_view content = blob ? std::string_view() : text;
    ledger_.write()
        .add_message
        .bind(
            run_,
            seq,
            m.step,
            m.role,
            m.name,
            m.channel,
            m.recipient,
            m.content_type,
            content,
            m.complete,
            blob
        )
        .run();
  }

  void forget_pending() {
    reopen_ = false;
    redo_from_.reset();
    calls_.clear();
    segments_.clear();
    messages_.clear();
    results_.clear();
    steps_.clear();
    step_ends_.clear();
    n_notes_ += static_cast<int>(notes_.size());
    notes_.clear();
    if (!pending_text_.empty() && !text_in_row()) ++n_pieces_;
    pending_text_.clear();
    announced_ = open_.has_value();
  }

  Ledger::Impl& ledger_;
  std::int64_t run_;
  std::string id_;
  int step_ = 0;
  std::optional<std::int64_t> first_token_ms_;  // of this step
  int n_segments_ = 0, n_messages_ = 0, n_calls_ = 0, n_notes_ = 0;

  std::optional<MessageRow> open_;  // its number is n_messages_
  bool announced_ = false;          // its row is committed
  int n_pieces_ = 0;                // of the open message, committed
  std::string pending_text_;

  bool reopen_ = false;
  std::optional<int> redo_from_;
  std::vector<PendingCall> calls_;
  std::vector<PendingSegment> segments_;
  std::vector<PendingMessage> messages_;
  std::vector<PendingResult> results_;
  std::vector<PendingStep> steps_;
  std::vector<PendingStepEnd> step_ends_;
  std::vector<NoteRow> notes_;
};

RunWriter::RunWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RunWriter::RunWriter(RunWriter&&) noexcept = default;
RunWriter& RunWriter::operator=(RunWriter&&) noexcept = default;
RunWriter::~RunWriter() = default;

RunWriter RunWriter::make(
    Ledger& ledger, std::int64_t run, std::string id, const RunCounts& counts
) {
  return RunWriter(std::make_unique<Impl>(*ledger.impl_, run, std::move(id), counts));
}

const std::string& RunWriter::id() const { return impl_->id(); }
void RunWriter::reopen() { impl_->reopen(); }
void RunWriter::begin_step(int step) { impl_->begin_step(step); }
void RunWriter::continue_step(int step) { impl_->continue_step(step); }
void RunWriter::redo_messages(int first) { impl_->redo_messages(first); }
void RunWriter::first_token() { impl_->first_token(); }
void RunWriter::finish_step(std::int64_t prefilled, std::int64_t decoded, std::string_view end) {
  impl_->finish_step(prefilled, decoded, end);
}
void RunWriter::append_tokens(SegmentKind kind, std::span<const Token> tokens) {
  impl_->append_tokens(kind, tokens);
}
void RunWriter::rollback(std::span<const Token> taken_back) {
  impl_->append_tokens(SegmentKind::kRollback, taken_back);
}
void RunWriter::open_message(const MessageRow& header) { impl_->open_message(header); }
void RunWriter::append_text(std::string_view text) { impl_->append_text(text); }
void RunWriter::close_message(const MessageRow& whole) { impl_->close_message(whole); }
void RunWriter::add_message(const MessageRow& message) { impl_->add_message(message); }
int RunWriter::begin_call(CallIntent intent) {
  if (intent.idempotency_key.empty()) intent.idempotency_key = next_idempotency_key();
  return impl_->begin_call(std::move(intent));
}
int RunWriter::record_call(CallIntent intent, const CallResult& result) {
  if (intent.idempotency_key.empty()) intent.idempotency_key = next_idempotency_key();
  return impl_->record_call(std::move(intent), result);
}
std::string RunWriter::next_idempotency_key() const {
  return impl_->id() + "/" + std::to_string(impl_->next_call());
}
void RunWriter::finish_call(int call, const CallResult& result) {
  impl_->finish_call(call, result);
}
void RunWriter::note(std::string_view kind, std::string_view detail) { impl_->note(kind, detail); }
void RunWriter::commit() { impl_->commit(); }
void RunWriter::finish(const RunEnd& end) { impl_->finish(end); }

}  // namespace toccata::store
