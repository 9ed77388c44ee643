#include "sandbox/branch.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <string>

#include "sandbox/cell.h"
#include "sandbox/linux/deadline.h"
#include "sandbox/linux/fd_message.h"

namespace toccata::sandbox {
namespace {

constexpr std::chrono::seconds kForkTime{10};  // of a large interpreter, on a loaded machine
constexpr std::uint32_t kFork = 0xFFFFFFFF;    // in place of a cell's size

Error failed(const std::string& why) { return {ErrorCode::kUnavailable, "the session cannot be forked: " + why}; }

template <class T>
void put(std::string& packet, T value) {
  packet.append(reinterpret_cast<const char*>(&value), sizeof value);
}

bool send_packet(int socket, const std::string& packet, std::span<const int> fds = {}) {
  return send_message(socket, packet.data(), packet.size(), fds, MSG_DONTWAIT) >= 0;
}

// The interpreter's own word that it ended lies in the keeper's channel, for others to read.
bool has_ended(int keeper) {
  char kind = 0;
  return recv(keeper, &kind, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && kind == 'd';
}

// Waits until `socket` can be read. False when the time is over, or `origin` has ended.
bool await_packet(int socket, const Child& origin, const Deadline& deadline) {
  while (!deadline.passed() && origin.running()) {
    pollfd ready = {socket, POLLIN, 0};
    constexpr int kLookMs = 50;  // between two looks at the origin
    if (poll(&ready, 1, std::min(kLookMs, deadline.poll_ms())) > 0) return true;
    if (has_ended(origin.keeper.get())) return false;
  }
  return false;
}

std::optional<KeeperMessage> await_keeper(int keeper, char kind, const Child& origin, const Deadline& deadline) {
  if (!await_packet(keeper, origin, deadline)) return std::nullopt;
  const auto message = receive_keeper(keeper);
  if (!message || message->kind != kind) return std::nullopt;
  return message;
}

// A reply that carries this generation and number: its text, from the letter on. Others were left there by code.
std::optional<std::string> await_reply(
    int cells, std::uint32_t generation, std::uint64_t number, const Child& origin, const Deadline& deadline
) {
  std::string head;
  put(head, generation);
  put(head, number);
  while (await_packet(cells, origin, deadline)) {
    char packet[64];
    const ssize_t n = recv(cells, packet, sizeof packet, MSG_DONTWAIT);
    if (n <= 0) return std::nullopt;
    const std::string text(packet, static_cast<std::size_t>(n));
    if (text.size() > head.size() && text.starts_with(head)) return text.substr(head.size());
  }
  return std::nullopt;
}

}  // namespace

Result<Branch> fork_interpreter(const Child& origin, std::uint32_t generation, std::uint64_t number) {
  Result<Offshoot> made = offshoot(origin);
  if (!made) return made.error();
  const Deadline deadline(kForkTime);
  Branch branch{std::move(made->child), 0};
  const Child& child = branch.child;

  // The keeper takes it in.
  const std::array kept = {made->keeper.get(), made->cells.get(), made->out.get(), made->err.get()};
  std::string order = "f";
  put(order, std::uint32_t{0});
  if (!send_packet(origin.keeper.get(), order) || !send_packet(origin.keeper.get(), order, kept)) return failed(strerror(errno));
  made->keeper.reset();
  const auto room = await_keeper(child.keeper.get(), 'f', origin, deadline);
  if (!room) return failed("its keeper has no room for a branch");
  branch.generation = room->generation;

  // The interpreter forks itself.
  std::string request;
  put(request, generation);
  put(request, number);
  put(request, kFork);
  put(request, branch.generation);
  const std::array given = {made->cells.get(), made->out.get(), made->err.get()};
  if (!send_packet(origin.cells.get(), request) || !send_packet(origin.cells.get(), request, given)) return failed(strerror(errno));
  for (UniqueFd* fd : {&made->cells, &made->out, &made->err}) fd->reset();
  const auto reply = await_reply(origin.cells.get(), generation, number, origin, deadline);
  if (!reply) return failed("its interpreter does not answer");
  if (*reply != "o") return failed("it runs more than one thread, or has no room for another process");
  const auto hello = await_reply(child.cells.get(), branch.generation, number, origin, deadline);
  if (!hello || hello->size() != 1 + sizeof(std::uint32_t) || (*hello)[0] != 'f') return failed("the branch does not answer");

  // Which process it is: its own word. A wrong one harms nobody but this session.
  std::string adopt = "p";
  put(adopt, branch.generation);
  adopt += hello->substr(1);
  if (!send_packet(child.keeper.get(), adopt)) return failed(strerror(errno));
  if (!await_keeper(child.keeper.get(), 's', origin, deadline)) return failed("its keeper does not know the branch");
  return branch;
}

}  // namespace toccata::sandbox
