#include "agent/loop/resume_point.h"

#include <algorithm>
#include <span>
#include <utility>

namespace toccata::agent {
namespace {

using store::SegmentKind;

struct LastStep {
  std::size_t n_opening;
  const harmony::ControlTokens& control;
  bool opened = false;
  ResumePoint& point;

  void say(std::span<const Token> tokens) {
    point.said.insert(point.said.end(), tokens.begin(), tokens.end());
  }

  void add_forced(std::span<const Token> tokens) {
    if (!std::exchange(opened, true)) {  // `<|start|>assistant`, and a header that was opened for the model
      say(tokens.subspan(std::min(n_opening, tokens.size())));
      // Nothing was said before it was closed.
      if (tokens.back() == control.end) point.closed = true;
    } else if (tokens.back() == control.end) {
      point.closed = true;
    } else {
      say(tokens);  // what had to come, or the answer opened in place of more reasoning
    }
  }

  // One segment, in order.
  void add(const store::Segment& segment) {
    switch (segment.kind) {
      case SegmentKind::kPrompt:
        break;
      case SegmentKind::kUser:
        point.asked_again = point.closed = true;
        break;
      case SegmentKind::kTool:
        ++point.n_answered;
        point.closed = true;
        break;
      case SegmentKind::kSampled:
        say(segment.tokens);
        break;
      case SegmentKind::kForced:
        add_forced(segment.tokens);
        break;
      case SegmentKind::kEdited:
      case SegmentKind::kRollback:  // of the closing stop token, or an edit: the log was settled
        point.closed = true;
        break;
    }
  }
};

}  // namespace

ResumePoint find_resume_point(
    const store::RunRecord& run, std::size_t n_opening, const harmony::ControlTokens& control
) {
  ResumePoint point;
  if (!run.steps.empty()) point.step = run.steps.back().step;
  LastStep last{.n_opening = n_opening, .control = control, .point = point};
  for (const store::Segment& segment : run.segments) {
    if (segment.kind == SegmentKind::kPrompt) point.has_prompt = true;
    if (segment.kind == SegmentKind::kUser) point.has_task = true;
    if (point.step > 0 && segment.step == point.step) last.add(segment);
  }
  return point;
}

int first_message_of_last_step(const store::RunRecord& run) {
  const int last = run.steps.empty() ? 0 : run.steps.back().step;
  const auto first = std::find_if(run.messages.begin(), run.messages.end(), [&](const auto& m) {
    return last > 0 && m.step == last;
  });
  return static_cast<int>(first - run.messages.begin());
}

}  // namespace toccata::agent
