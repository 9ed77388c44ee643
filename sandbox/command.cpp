#include "sandbox/command.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace toccata::sandbox {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReadMax = std::size_t{1} << 20;  // of output between two looks at the clock

constexpr std::array kSteps = {
    Ladder::Step{milliseconds(0), 't'}, Ladder::Step{milliseconds(300), 'q'}, Ladder::Step{milliseconds(3000), 0}};
constexpr std::size_t kKillStep = 1;

}  // namespace

CommandRun::CommandRun(
    const Child& child, std::uint32_t number, const Limits& limits, Aside aside
)
    : child_(child),
      number_(number),
      limits_(limits),
      aside_(std::move(aside)),
      out_(limits.output_chars),
      ladder_(kSteps, kKillStep) {}

std::size_t CommandRun::shown_max() const {
  constexpr std::size_t kCutLine = 64;  // room for the line that says what was cut
  if (out_.chars() <= limits_.output_chars) return limits_.output_chars;
  return limits_.output_chars - std::min(limits_.output_chars, kCutLine);
}

bool CommandRun::send_order(
    char order, const std::vector<std::string>& argv, const std::string& folder
) {
  std::string packet(1, order);
  packet.append(reinterpret_cast<const char*>(&number_), sizeof number_);
  packet += folder;
  for (const std::string& argument : argv) (packet += '\0') += argument;
  return send(child_.keeper.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

bool CommandRun::run(
    const std::vector<std::string>& argv,
    const std::string& folder,
    milliseconds timeout,
    const std::stop_token& stop,
    CpuWatch& cpu
) {
  const UniqueFd stopped(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(stop, [&] { (void)!eventfd_write(stopped.get(), 1); });
  deadline_ = Clock::now() + std::clamp(timeout, milliseconds(0), milliseconds(86'400'000));
  if (!send_order('x', argv, folder)) return false;
  bool lost = false;
  while (!wait_status_ && !lost) {
    wait(stopped.get(), cpu.next());
    drain(child_.out.get(), out_, kReadMax);
    drain(child_.err.get(), out_, kReadMax);  // of the interpreter's threads
    read_keeper();
    if (wait_status_) break;
    if (!child_.running()) lost = true;
    if (out_.bytes() > limits_.flood_bytes) ladder_.step_in(Cause::kFlood);
    if (stop.stop_requested()) ladder_.step_in(Cause::kStopped);
    if (Clock::now() >= deadline_) ladder_.step_in(Cause::kTimeout);
    const CpuWatch::Verdict used = cpu.look();
    if (used != CpuWatch::Verdict::kWithin) ladder_.step_in(Cause::kCpu);
    if (used == CpuWatch::Verdict::kOverdrawn) ladder_.hurry();
    lost = lost || !climb();
  }
  // What it wrote before its end is in the pipe by now. Only that much: something may go on writing.
  drain_present(child_.out.get(), out_);
  drain_present(child_.err.get(), out_);
  out_.finish();
  return !lost;
}

void CommandRun::wait(int stop_fd, Clock::time_point look) {
  pollfd fds[] = {
      {child_.out.get(), POLLIN, 0},
      {child_.err.get(), POLLIN, 0},
      {child_.keeper.get(), POLLIN, 0},
      {child_.process(), POLLIN, 0},
      {cause() == Cause::kNone ? stop_fd : -1, POLLIN, 0},
  };
  const Clock::time_point until = std::min(ladder_.next().value_or(deadline_), look);
  poll(fds, std::size(fds), Deadline(until - Clock::now()).poll_ms());
}

void CommandRun::read_keeper() {
  while (const auto message = receive_keeper(child_.keeper.get())) {
    if (message->kind != 'x') {
      aside_(*message);
    } else if (message->generation == number_) {
      wait_status_ = message->wait_status;
    }
  }
}

// False when there is nothing left to try.
bool CommandRun::climb() {
  const auto order = ladder_.climb();
  if (!order) return true;
  if (*order == 0) return false;
  (void)send_order(*order);  // a lost keeper is found out by the next step
  return true;
}

}  // namespace toccata::sandbox
