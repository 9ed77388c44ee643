// One table of what a session costs: sandbox_bench [PYTHON] [N]. PYTHON with numpy, pandas, sympy and matplotlib, for
// instance that of a venv made by scripts/bench_python, shows the cost with everything imported; without it the system's
// python3 is taken as it is. N repetitions (default 40). Next to it, in the same run: the interpreter alone, bubblewrap and
// firejail around it, and ipykernel (kernel_anchor.py); each is skipped, visibly, where it is not installed.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/sandbox.h"

namespace {

using namespace toccata;
using namespace toccata::sandbox;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begun) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

struct Row {
  std::string what;
  std::vector<double> ms;
};

void print(const Row& row) {
  if (row.ms.empty()) return;
  std::vector<double> sorted = row.ms;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double q) {
    return sorted[std::min(
        sorted.size() - 1, static_cast<std::size_t>(q * static_cast<double>(sorted.size()))
    )];
  };
  std::printf(
      "%-52s %6zu %9.2f %9.2f %9.2f\n", row.what.c_str(), sorted.size(), at(0.5), at(0), at(0.95)
  );
  std::fflush(stdout);
}

void skip(const char* what, const std::string& why) {
  std::printf("%-52s skipped: %s\n", what, why.c_str());
}

void die(const std::string& why) {
  std::fprintf(stderr, "sandbox_bench: %s\n", why.c_str());
  std::exit(1);
}

// Wall time of a whole program.
double run_program(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const auto begun = Clock::now();
  pid_t pid = 0;
  if (posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return -1;
  int status = 0;
  waitpid(pid, &status, 0);
  return status == 0 ? ms_since(begun) : -1;
}

void program_row(const char* what, const std::vector<std::string>& command, int n) {
  Row row{what, {}};
  for (int i = 0; i < n; ++i) {
    const double ms = run_program(command);
    if (ms < 0) return skip(what, command[0] + " is not there or fails");
    row.ms.push_back(ms);
  }
  print(row);
}

std::unique_ptr<Session> open(Sandbox& box) { return box.open().value_or_throw(); }

void expect(Session& session, const char* code, const char* value) {
  const Outcome outcome = session.execute(code, 60s);
  if (outcome.output != value) die(std::string(code) + " gave " + outcome.output);
}

// `open` alone, then to the first answer, then close.
void open_rows(Sandbox& box, const std::string& kind, int n, bool let_refill) {
  Row opened, answered, closed;
  for (int i = 0; i < n; ++i) {
    if (let_refill) {
      (void)box.await_warm();
      std::this_thread::sleep_for(20ms);
    }
    auto begun = Clock::now();
    auto session = open(box);
    opened.ms.push_back(ms_since(begun));
    expect(*session, "1+1", "2");
    answered.ms.push_back(ms_since(begun));
    begun = Clock::now();
    session->close();
    closed.ms.push_back(ms_since(begun));
  }
  opened.what = kind + ": open";
  answered.what = kind + ": open and first answer";
  closed.what = kind + ": close, all processes gone";
  for (const Row* row : {&opened, &answered, &closed}) print(*row);
}

void work_rows(Sandbox& box, int n) {
  auto session = open(box);
  Row trip{"round trip of 1+1", {}}, interrupt{"interrupt of a loop, state kept", {}};
  for (int i = 0; i < 20 * n; ++i) {
    const auto begun = Clock::now();
    expect(*session, "1+1", "2");
    trip.ms.push_back(ms_since(begun));
  }
  print(trip);
  expect(*session, "x = 7; x", "7");
  for (int i = 0; i < n; ++i) {
    Clock::time_point asked;
    std::thread breaker([&] {
      std::this_thread::sleep_for(30ms);
      asked = Clock::now();
      session->interrupt();
    });
    session->execute("while True: pass", 60s);
    const auto ended = Clock::now();
    breaker.join();
    interrupt.ms.push_back(std::chrono::duration<double, std::milli>(ended - asked).count());
  }
  expect(*session, "x", "7");
  print(interrupt);
}

// Private memory of the processes below this one, their page tables included, in KiB, by process.
struct Kib {
  long pages = 0, tables = 0;
};
std::map<pid_t, Kib> private_memory() {
  std::map<pid_t, pid_t> parents;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    std::ifstream status(entry.path() / "status");
    for (std::string word; pid > 0 && status >> word;) {
      if (word == "PPid:") status >> parents[pid];
    }
  }
  std::map<pid_t, Kib> found;
  for (const auto& [pid, parent] : parents) {
    pid_t at = pid;
    while (at != getpid() && parents.count(at) != 0) at = parents[at];
    if (at != getpid() || pid == getpid()) continue;
    std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string word; rollup >> word;) {
      long kib = 0;
      if (word.starts_with("Private_") && word != "Private_Hugetlb:" && rollup >> kib)
        found[pid].pages += kib;
    }
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;) {
      if (word == "VmPTE:") status >> found[pid].tables;
    }
  }
  return found;
}

// What `n` sessions cost beside the zygote, each after `code`.
void memory_row(Sandbox& box, const char* what, std::size_t n, const char* code, const char* value) {
  const auto before = private_memory();
  std::vector<std::unique_ptr<Session>> sessions;
  for (std::size_t i = 0; i < n; ++i) {
    sessions.push_back(open(box));
    if (sessions.back()->execute(code, 60s).output != value) return skip(what, "the code does not run here");
  }
  double pages = 0, tables = 0;
  for (const auto& [pid, kib] : private_memory()) {
    if (before.count(pid) != 0) continue;
    pages += static_cast<double>(kib.pages);
    tables += static_cast<double>(kib.tables);
  }
  const double each = pages / 1024 / static_cast<double>(n), with_tables = each + tables / 1024 / static_cast<double>(n);
  std::printf(
      "%-52s %6zu %9.2f MiB (both processes of a session, from smaps_rollup); %.2f MiB with page tables: %.0f per GiB\n", what,
      n, each, with_tables, 1024 / with_tables
  );
}

constexpr const char* kGroupBy =
    "import numpy as np, pandas as pd\n"
    "frame = pd.DataFrame({'k': np.arange(100_000) % 100, 'v': np.arange(100_000.0)})\n"
    "print(int(frame.groupby('k').v.mean().sum()))";

// A session made, asked once and closed, one after the other.
void rate_row(Sandbox& box, const char* what) {
  const auto begun = Clock::now();
  int n = 0;
  while (ms_since(begun) < 3000) {
    auto session = open(box);
    expect(*session, "1+1", "2");
    ++n;
  }
  std::printf("%-52s %6d %9.1f sessions a second\n", what, n, n / (ms_since(begun) / 1000));
}

Sandbox make(
    const std::string& python, bool zygote, unsigned ready, Level strongest = Level::kFull
) {
  Policy policy;
  policy.maximum = strongest;
  policy.python = python;
  policy.warmth.zygote = zygote;
  policy.warmth.ready = ready;
  return Sandbox::create(policy).value_or_throw();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string python = argc > 1 ? argv[1] : "/usr/bin/python3";
  const int n = argc > 2 ? std::max(1, std::atoi(argv[2])) : 40;
  {
    Sandbox cold = make(python, false, 0);
    std::printf("python %s, level %s\n", python.c_str(), to_string(cold.level()));
    std::printf("%-52s %6s %9s %9s %9s\n", "ms", "n", "p50", "min", "p95");
    open_rows(cold, "cold", n, false);
  }
  {
    const auto begun = Clock::now();
    Sandbox forked = make(python, true, 0);
    const Result<std::string> warm = forked.await_warm();
    if (!warm) die(warm.error().message);
    print({"zygote up, with its imports", {ms_since(begun)}});
    std::printf("  imported: %s\n", warm->c_str());
    open_rows(forked, "zygote", n, false);
    work_rows(forked, n);
    memory_row(forked, "private memory of an idle session", 32, "1+1", "2");
    memory_row(forked, "private memory after a pandas group-by", 8, kGroupBy, "4999950");
    rate_row(forked, "zygote: open, answer, close, one after the other");
  }
  {
    // Where groups are of version 1, joining one waits for the kernel's other work: milliseconds that are not ours.
    Sandbox forked = make(python, true, 0, Level::kFullNoCgroup);
    (void)forked.await_warm();
    open_rows(forked, "zygote without control group", n, false);
    rate_row(forked, "zygote without control group: one after the other");
  }
  {
    Sandbox pooled = make(python, true, 4);
    open_rows(pooled, "pool", n, true);
  }
  const std::string imports =
      "import importlib.util as u\nfor m in ('numpy','pandas','sympy','matplotlib.pyplot'):\n"
      "  if u.find_spec(m.split('.')[0]): __import__(m)";
  program_row("anchor: python3 -c 1", {python, "-c", "1"}, n);
  program_row("anchor: python3 with the imports", {python, "-c", imports}, 3);
  std::vector<std::string> bwrap = {
      "bwrap",
      "--unshare-all",
      "--die-with-parent",
      "--ro-bind",
      "/",
      "/",
      "--proc",
      "/proc",
      "--dev",
      "/dev",
      "--tmpfs",
      "/tmp",
      python,
      "-c",
      "1"};
  program_row("anchor: bubblewrap, python3 -c 1", bwrap, n);
  bwrap.back() = "import numpy";
  program_row("anchor: bubblewrap, python3 with numpy", bwrap, 5);
  const std::vector<std::string> firejail = {"firejail", "--quiet", "--noprofile", "--private", "--net=none", python, "-c"};
  for (const char* code : {"1", "import numpy"}) {
    std::vector<std::string> command = firejail;
    command.push_back(code);
    program_row(*code == '1' ? "anchor: firejail, python3 -c 1" : "anchor: firejail, python3 with numpy", command, 5);
  }
  bwrap.back() = imports;
  program_row("anchor: bubblewrap, python3 with the imports", bwrap, 3);
  const std::string kernel = std::string(TOCCATA_SOURCE_DIR) + "/tests/bench/kernel_anchor.py";
  std::fflush(stdout);
  if (run_program({python, kernel}) < 0) skip("anchor: ipykernel", "not installed for " + python);
}
