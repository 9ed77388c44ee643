// The trace that the turns of a run belong to, as W3C Trace Context says it (w3.org/TR/trace-context): requests to models and
// tools name it, and the span they are made in.
//
// The id of a span is made of what it stands for, so that a request can name its span while it is under way, and whoever sends
// the spans to a collector comes to the same id behind it. Runs that a run makes share its trace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace toccata::agent {

struct TraceParent {
  std::string trace_id;  // 32 hex digits
  std::string span_id;   // 16
  std::string flags;     // 2
  friend bool operator==(const TraceParent&, const TraceParent&) = default;
};

// "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"; nothing for what is none. Later versions are read as far as this one goes.
std::optional<TraceParent> parse_traceparent(std::string_view text);

class Trace {
 public:
  // `exported`: the spans reach a collector, so requests name them. Else they pass on what came, and nothing when nothing did.
  explicit Trace(bool exported) : exported_(exported) {}

  // Of the turns to come, between two of them: what their caller's request named; "" or what is no traceparent: each has a trace
  // of its own.
  void set_parent(std::string_view traceparent) { parent_ = parse_traceparent(traceparent); }
  // By the run that nobody made, as its turn begins.
  void begin_turn();

  const std::string& id() const { return id_; }
  // The span above the turn; "" = none.
  std::string parent() const { return parent_ ? parent_->span_id : std::string(); }
  // Of a model call, by its step, and of a tool call, by its number in the run.
  std::string span_of_step(std::string_view run, int step) const { return span(run, 's', step); }
  std::string span_of_call(std::string_view run, int call) const { return span(run, 'c', call); }
  // For a request made in this span; "" = it says nothing.
  std::string traceparent(const std::string& span) const;

 private:
  std::string span(std::string_view run, char kind, int number) const;

  const bool exported_;
  std::optional<TraceParent> parent_;
  std::string id_;
  std::uint64_t salt_ = 0;  // of the turn: a step that is gone on with in a later process is another span
};

}  // namespace toccata::agent
