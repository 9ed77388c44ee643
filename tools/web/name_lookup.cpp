#include "tools/web/name_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace toccata::tools {
namespace {

// Shared with a thread that may outlive the question.
struct Answer {
  std::mutex mutex;
  std::condition_variable_any arrived;
  bool done = false;
  std::string failure;
  std::vector<std::string> addresses;
};

void look_up(const std::string& host, Answer& answer) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = nullptr;
    if (entry->ai_family == AF_INET) address = &reinterpret_cast<const sockaddr_in*>(entry->ai_addr)->sin_addr;
    if (entry->ai_family == AF_INET6) address = &reinterpret_cast<const sockaddr_in6*>(entry->ai_addr)->sin6_addr;
    if (address == nullptr || inet_ntop(entry->ai_family, address, text.data(), text.size()) == nullptr) continue;
    if (std::find(addresses.begin(), addresses.end(), text.data()) == addresses.end()) addresses.emplace_back(text.data());
  }
  if (list != nullptr) freeaddrinfo(list);
  const std::lock_guard lock(answer.mutex);
  answer.addresses = std::move(addresses);
  if (failure != 0) answer.failure = gai_strerror(failure);
  answer.done = true;
  answer.arrived.notify_all();
}

}  // namespace

Result<std::vector<std::string>> addresses_of(const std::string& host, std::chrono::milliseconds timeout, std::stop_token stop) {
  const auto answer = std::make_shared<Answer>();
  std::thread([host, answer] { look_up(host, *answer); }).detach();
  std::unique_lock lock(answer->mutex);
  answer->arrived.wait_for(lock, stop, timeout, [&] { return answer->done; });
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "looking up " + host + " was stopped"};
  if (!answer->done) return Error{ErrorCode::kTimeout, "no name server answered for " + host};
  if (answer->addresses.empty()) {
    return Error{ErrorCode::kUnavailable, host + " has no address here" + (answer->failure.empty() ? "" : ": " + answer->failure)};
  }
  return answer->addresses;
}

}  // namespace toccata::tools
