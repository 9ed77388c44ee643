#include "agent/cli/judge_program.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/cli/environment.h"
#include "core/base/json.h"
#include "tools/mcp/process.h"

namespace toccata::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPrintedBytesMax = std::size_t{64} << 10;

Error failed(const std::string& command, const std::string& why) {
  return {ErrorCode::kUnavailable, "the judge `" + command.substr(0, 80) + "` " + why};
}

// What is there now, and whether more may come.
bool read_some(int fd, std::string& to) {
  char bytes[4096];
  const auto n = ::read(fd, bytes, sizeof bytes);
  if (n > 0 && to.size() < kPrintedBytesMax) to.append(bytes, static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

Result<int> ask_program(
    const std::string& command, const std::string& task, const std::vector<agent::Candidate>& candidates, std::chrono::milliseconds timeout
) {
  nlohmann::ordered_json question = {{"task", task}, {"candidates", nlohmann::ordered_json::array()}};
  for (const agent::Candidate& candidate : candidates) {
    question["candidates"].push_back({{"number", candidate.number}, {"answer", candidate.final}, {"run", candidate.run_id}});
  }
  const std::string input = json_text(question) + "\n";
  Result<tools::mcp::Process> started =
      tools::mcp::Process::start({.program = "/bin/sh", .arguments = {"-c", command}, .environment = whole_environment()});
  if (!started) return started.error();
  tools::mcp::Process& process = *started;

  const auto deadline = Clock::now() + timeout;
  std::string out, err;
  std::size_t n_written = 0;
  bool out_open = true, err_open = true;
  while (out_open) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return failed(command, "did not answer within " + std::to_string(timeout.count()) + " ms");
    const bool writes = process.in.get() >= 0 && n_written < input.size();
    pollfd fds[] = {
        {process.out.get(), POLLIN, 0},
        {err_open ? process.err.get() : -1, POLLIN, 0},
        {writes ? process.in.get() : -1, POLLOUT, 0}};
    if (::poll(fds, 3, static_cast<int>(std::min<std::int64_t>(left, 1000))) < 0 && errno != EINTR) return failed(command, "cannot be heard");
    if (fds[0].revents != 0) out_open = read_some(process.out.get(), out);
    if (fds[1].revents != 0) err_open = read_some(process.err.get(), err);
    if (fds[2].revents == 0) continue;
    const auto n = ::write(process.in.get(), input.data() + n_written, input.size() - n_written);
    n_written = n > 0 ? n_written + static_cast<std::size_t>(n) : (n < 0 && errno != EAGAIN && errno != EINTR ? input.size() : n_written);
    if (n_written == input.size()) process.in.reset();
  }
  const std::string how = process.end(std::chrono::seconds(2));
  if (how != "exited with code 0") return failed(command, how + (err.empty() ? "" : ": " + err.substr(0, 300)));
  const std::size_t begin = out.find_first_not_of(" \t\r\n");
  const std::string word = begin == std::string::npos ? "" : out.substr(begin, out.find_first_of(" \t\r\n", begin) - begin);
  const bool is_number = !word.empty() && word.size() < 7 && word.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) return failed(command, "printed '" + out.substr(0, 80) + "', expected the number of a candidate");
  return std::stoi(word);
}

}  // namespace toccata::cli
