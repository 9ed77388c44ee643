// What a live session costs without its KV cache: resident bytes and threads.
//   session_bench [sessions] [threads] [turns]      default 10000, 4, 2
//   session_bench waiting [sessions]                default 500: all inside a tool that does not return yet
//
// A session between two turns is an object: nobody's thread, no file of its own. A pool of a few threads drives as many
// as there are, a turn at a time; each thread has a connection to the ledger, and its sessions stay with it, since an
// agent writes through the connection it was made with. Inside a turn Agent::run() holds its thread, and the watchdog of
// a tool's time-out a second one: that is what the mode "waiting" measures.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "agent/loop/agent.h"
#include "tests/support/fake_tool.h"
#include "tests/support/scripted_model.h"
#include "tests/support/temp_folder.h"

namespace toccata::agent {
namespace {

// A line of /proc/self/status: kB, or a count.
long status_of(const char* name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::atol(line.c_str() + std::strlen(name) + 1);
  }
  return 0;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::unique_ptr<ScriptedModel> model_for(int n_turns) {
  std::vector<std::string> texts;
  for (int turn = 0; turn < n_turns; ++turn) {
    texts.push_back(testing::thinks("I should look at the time first.") + testing::calls("functions.now", "{}"));
    texts.push_back(testing::says_final("It is noon, and that is all there is to say of it."));
  }
  return testing::scripted_model(texts);
}

// Sessions of one thread.
struct Lane {
  explicit Lane(const std::filesystem::path& path) : ledger(store::Ledger::open(path).value_or_throw()) {}
  std::unique_ptr<store::Ledger> ledger;
  tools::Registry registry;
  std::vector<std::unique_ptr<Agent>> agents;
};

int idle_sessions(int n_sessions, int n_threads, int n_turns) {
  const testing::TempFolder folder;
  const auto model = model_for(n_turns);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < n_threads; ++i) {
    lanes.push_back(std::make_unique<Lane>(folder / "ledger.db"));
    lanes.back()->registry.add(testing::fake_functions([](const tools::ToolCall& call, std::stop_token) {
      return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "12:00", "{}"};
    }));
  }
  const long before_kb = status_of("VmRSS:");
  std::atomic<int> n_failed{0};
  for (int turn = 0; turn < n_turns; ++turn) {
    const double begin = cpu_seconds();
    std::vector<std::thread> threads;
    for (int i = 0; i < n_threads; ++i) {
      threads.emplace_back([&, i, lane = lanes[static_cast<std::size_t>(i)].get()] {
        for (int n = i; n < n_sessions; n += n_threads) {
          const auto at = static_cast<std::size_t>(n / n_threads);
          if (turn == 0) lane->agents.push_back(std::make_unique<Agent>(*model, lane->registry, *lane->ledger, AgentConfig{}));
          if (lane->agents[at]->run("What time is it?").exit_code != 0) ++n_failed;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const long rss_kb = status_of("VmRSS:");
    std::printf(
        "turn %d: %d sessions alive, %ld threads of the process; resident %ld MB, of which %.1f KB a session; %.0f us CPU a turn of 2 steps\n",
        turn + 1, n_sessions, status_of("Threads:"), rss_kb / 1024, static_cast<double>(rss_kb - before_kb) / n_sessions,
        (cpu_seconds() - begin) * 1e6 / n_sessions
    );
  }
  const bool fits = status_of("VmRSS:") < 1024L * 1024;
  std::printf("%d turns failed; %s 1 GB\n", n_failed.load(), fits ? "below" : "ABOVE");
  return n_failed == 0 && fits ? 0 : 1;
}

int waiting_sessions(int n_sessions) {
  const testing::TempFolder folder;
  const auto model = model_for(1);
  const long before_kb = status_of("VmRSS:");
  std::latch all_wait(n_sessions), go_on(1);
  std::vector<std::thread> threads;
  for (int n = 0; n < n_sessions; ++n) {
    threads.emplace_back([&] {
      Lane lane(folder / "ledger.db");
      lane.registry.add(testing::fake_functions([&](const tools::ToolCall& call, std::stop_token) {
        all_wait.count_down();
        go_on.wait();
        return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "12:00", "{}"};
      }));
      Agent agent(*model, lane.registry, *lane.ledger, AgentConfig{});
      agent.run("What time is it?");
    });
  }
  all_wait.wait();
  const long rss_kb = status_of("VmRSS:");
  std::printf(
      "%d sessions wait inside a tool, %ld threads; resident %ld MB, of which %.1f KB a session (with a connection to the ledger each)\n",
      n_sessions, status_of("Threads:"), rss_kb / 1024, static_cast<double>(rss_kb - before_kb) / n_sessions
  );
  go_on.count_down();
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace toccata::agent

int main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) { return argc > i ? std::atoi(argv[i]) : otherwise; };
  if (argc > 1 && std::string(argv[1]) == "waiting") return toccata::agent::waiting_sessions(number(2, 500));
  return toccata::agent::idle_sessions(number(1, 10'000), number(2, 4), number(3, 2));
}
