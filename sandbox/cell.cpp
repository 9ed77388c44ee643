#include "sandbox/cell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace toccata::sandbox {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kChunk = 48 * 1024;  // of code in one packet; the runner reads 64 KiB
constexpr std::size_t kHeader = 16;
constexpr std::size_t kReadMax = std::size_t{1} << 20;  // of output between two looks at the clock

constexpr int kPacketsMax = 4096;  // of replies between two looks at the clock

constexpr std::array kSteps = {
    Ladder::Step{milliseconds(0), 'i'}, Ladder::Step{milliseconds(700), 'i'}, Ladder::Step{milliseconds(2000), 'k'},
    Ladder::Step{milliseconds(4000), 0}};
constexpr std::size_t kKillStep = 2;

template <class T>
void put(std::string& packet, T value) {
  packet.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
T get(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

std::optional<KeeperMessage> receive_keeper(int socket) {
  char packet[16];
  const ssize_t n = recv(socket, packet, sizeof packet, MSG_DONTWAIT);
  if (n <= 0) return std::nullopt;
  KeeperMessage message;
  message.kind = packet[0];
  if (n >= 5) message.generation = get<std::uint32_t>(packet + 1);
  if (n >= 9) message.wait_status = get<int>(packet + 5);
  return message;
}

void send_keeper(int socket, char order, std::uint32_t generation) {
  std::string packet(1, order);
  put(packet, generation);
  // A full or closed socket means that the keeper is lost, which the ladder finds out by itself.
  (void)!send(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

Cell::Cell(const Child& child, std::uint32_t generation, std::uint64_t number, const Limits& limits)
    : child_(child),
      generation_(generation),
      number_(number),
      limits_(limits),
      out_(limits.output_chars),
      err_(limits.output_chars),
      ladder_(kSteps, kKillStep) {}

Cell::End Cell::run(
    std::string_view code, milliseconds timeout, const std::stop_token& stop, int interrupts, CpuWatch& cpu
) {
  eventfd_t asked = 0;
  (void)!eventfd_read(interrupts, &asked);  // meant for a cell that is over
  const UniqueFd stopped(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(stop, [&] { (void)!eventfd_write(stopped.get(), 1); });
  // Far deadlines would overflow the clock; a day is for ever here.
  deadline_ = Clock::now() + std::clamp(timeout, milliseconds(0), milliseconds(86'400'000));
  unsent_ = code;
  while (!end_) {
    wait(stopped.get(), interrupts, cpu.next());
    read_output(kReadMax);
    read_keeper();
    read_reply();
    if (end_) break;
    if (!child_.running()) end_ = End::kGone;
    if (out_.bytes() + err_.bytes() > limits_.flood_bytes) ladder_.step_in(Cause::kFlood);
    if (stop.stop_requested()) ladder_.step_in(Cause::kStopped);
    if (Clock::now() >= deadline_) ladder_.step_in(Cause::kTimeout);
    const CpuWatch::Verdict used = cpu.look();
    if (used != CpuWatch::Verdict::kWithin) ladder_.step_in(Cause::kCpu);
    if (used == CpuWatch::Verdict::kOverdrawn) ladder_.hurry();
    if (eventfd_read(interrupts, &asked) == 0) interrupt();
    climb();
  }
  settle();
  return *end_;
}

void Cell::wait(int stop_fd, int interrupts, Clock::time_point look) {
  while (!sent_all_ && send_some()) {
  }
  const short cells = sent_all_ ? POLLIN : POLLIN | POLLOUT;
  pollfd fds[] = {
      {child_.cells.get(), cells, 0},
      {child_.out.get(), POLLIN, 0},
      {child_.err.get(), POLLIN, 0},
      {child_.keeper.get(), POLLIN, 0},
      {child_.process(), POLLIN, 0},
      {stop_fd, POLLIN, 0},
      {interrupts, POLLIN, 0},
  };
  // Once stepped in, the stop is known and must not wake the loop again.
  if (cause() != Cause::kNone) fds[5].fd = -1;
  const Clock::time_point until = std::min(ladder_.next().value_or(deadline_), look);
  poll(fds, std::size(fds), Deadline(until - Clock::now()).poll_ms());
}

// One packet of the request. False when the socket is full or all is sent.
bool Cell::send_some() {
  const std::size_t size = std::min(unsent_.size(), kChunk);
  std::string packet;
  put(packet, generation_);
  put(packet, number_);
  put(packet, static_cast<std::uint32_t>(unsent_.size()));
  packet += unsent_.substr(0, size);
  if (send(child_.cells.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    return false;
  unsent_.remove_prefix(size);
  sent_all_ = unsent_.empty();
  return !sent_all_;
}

void Cell::read_output(std::size_t at_most) {
  drain(child_.out.get(), out_, at_most);
  drain(child_.err.get(), err_, at_most);
}

void Cell::read_keeper() {
  while (const auto message = receive_keeper(child_.keeper.get())) {
    if (message->kind == 'a') --unanswered_;
    if (message->kind == 'd' && message->generation == generation_)
      wait_status_ = message->wait_status;
    if (message->kind == 's' && message->generation > generation_) {
      generation_ = message->generation;
      end_ = End::kRestarted;
    }
  }
}

void Cell::read_reply() {
  char packet[64];
  // Bounded: code that writes faster than this reads must not keep the clock from being looked at.
  for (int i = 0; !end_ && i < kPacketsMax; ++i) {
    const ssize_t n = recv(child_.cells.get(), packet, sizeof packet, MSG_DONTWAIT);
    if (n <= 0) return;
    if (n != kHeader - 3 || get<std::uint32_t>(packet) != generation_) continue;
    if (get<std::uint64_t>(packet + 4) != number_) continue;
    end_ = packet[12] == 'o' ? End::kReturned : End::kRaised;
  }
}

void Cell::climb() {
  const auto order = ladder_.climb();
  if (!order) return;
  if (*order == 0) {
    end_ = End::kGone;
  } else if (*order == 'i') {
    interrupt();
  } else {
    send_keeper(child_.keeper.get(), *order, generation_);
  }
}

void Cell::interrupt() {
  ++unanswered_;
  send_keeper(child_.keeper.get(), 'i', generation_);
}

// After the end: an interrupt still on its way must not hit the next cell, and what was written before the end is in
// the pipes by now. Only that much is read: something may go on writing.
void Cell::settle() {
  const Deadline patience(milliseconds(300));
  while (*end_ != End::kGone && unanswered_ > 0 && !patience.passed()) {
    pollfd keeper = {child_.keeper.get(), POLLIN, 0};
    poll(&keeper, 1, patience.poll_ms());
    const End before = *end_;
    read_keeper();
    if (before != *end_) break;
  }
  drain_present(child_.out.get(), out_);
  drain_present(child_.err.get(), err_);
  out_.finish();
  err_.finish();
}

std::string Cell::text(std::size_t& cut) const {
  constexpr std::size_t kCutLine = 64;  // room for the two lines that say what was cut
  std::size_t budget = limits_.output_chars;
  if (out_.chars() + err_.chars() > budget) budget -= std::min(budget, 2 * kCutLine);
  // Errors are what the model needs most: they get half when both are long.
  const std::size_t n_err =
      std::min(err_.chars(), std::max(budget / 2, budget - std::min(budget, out_.chars())));
  std::string text = out_.render(std::min(out_.chars(), budget - n_err), cut);
  if (!text.empty() && text.back() != '\n' && err_.chars() > 0) text += '\n';
  return text + err_.render(n_err, cut);
}

}  // namespace toccata::sandbox
