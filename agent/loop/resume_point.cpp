#include "agent/loop/resume_point.h"

#include <algorithm>

namespace toccata::agent {
namespace {

using store::SegmentKind;

// One segment of the last step, in order.
void add(
    const store::Segment& segment, std::size_t n_opening, Token end, bool& opened, ResumePoint& point
) {
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
      point.said.insert(point.said.end(), segment.tokens.begin(), segment.tokens.end());
      break;
    case SegmentKind::kForced:
      if (!opened) {  // `<|start|>assistant`, and a header that was opened for the model
        const auto n = static_cast<std::ptrdiff_t>(std::min(n_opening, segment.tokens.size()));
        point.said.insert(point.said.end(), segment.tokens.begin() + n, segment.tokens.end());
      }
      // A forced `<|end|>` closes what was cut off, even when nothing was said before it.
      if (opened || segment.tokens.back() == end) point.closed = true;
      opened = true;
      break;
    case SegmentKind::kRollback:  // of the closing stop token: the log was settled
      point.closed = true;
      break;
  }
}

}  // namespace

ResumePoint find_resume_point(const store::RunRecord& run, std::size_t n_opening, Token end) {
  ResumePoint point;
  if (!run.steps.empty()) point.step = run.steps.back().step;
  bool opened = false;
  for (const store::Segment& segment : run.segments) {
    if (segment.kind == SegmentKind::kPrompt) point.has_prompt = true;
    if (segment.kind == SegmentKind::kUser) point.has_task = true;
    if (point.step > 0 && segment.step == point.step) {
      add(segment, n_opening, end, opened, point);
    }
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
