// Hostile programs, each in its own session, at every level with namespaces and at level landlock, where this machine
// reaches them. After each
// one: nothing of the host was shown or changed, the host's hands in the workspace met no trap, the time was bounded, and the
// next cell works or says that the interpreter was restarted. At the end of each, nothing is left behind.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

#include "sandbox/linux/unique_fd.h"
#include "tests/sandbox/footprint.h"
#include "tests/sandbox/hostile_network_programs.h"
#include "tests/sandbox/hostile_programs.h"
#include "tests/sandbox/sandbox_fixture.h"
#include "tests/support/loopback_server.h"
#include "tools/egress/egress_proxy.h"

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "canary-4f1d0c";

// Something of the host's to steal or to reach: a file in /tmp, an abstract socket, and a port of the host's 127.0.0.1.
class Bait {
 public:
  Bait() : name_("toccata-bait-" + std::to_string(getpid())), file_("/tmp/" + name_) {
    std::ofstream(file_) << kSecret;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data(), name_.size());
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    ready_ = bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
             listen(socket_.get(), 1) == 0 && listen_on_port();
  }
  ~Bait() { fs::remove(file_); }
  bool untouched() const {
    const UniqueFd visitor(accept4(port_socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return ready_ && text_of(file_) == kSecret && !visitor;
  }
  std::string prelude() const {
    return "CANARY = '" + file_ + "'\nABSTRACT = '" + name_ +
           "'\nHOST_PID = " + std::to_string(getpid()) + "\nHOST_PORT = " + std::to_string(port_) + "\n" + kHostilePrelude;
  }

 private:
  bool listen_on_port() {
    port_socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool listens = bind(port_socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(port_socket_.get(), 16) == 0 &&
                         getsockname(port_socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0;
    port_ = ntohs(address.sin_port);
    return listens;
  }

  std::string name_, file_;
  UniqueFd socket_, port_socket_;
  int port_ = 0;
  bool ready_ = false;
};

Policy small_policy(Level level) {
  Policy policy;
  policy.minimum = policy.maximum = level;
  policy.limits.memory_bytes = 256 << 20;
  policy.limits.workspace_bytes = policy.limits.tmp_bytes = policy.limits.shm_bytes = 8 << 20;
  policy.limits.workspace_inodes = 2000;
  policy.limits.flood_bytes = 8 << 20;
  return policy;
}

enum class Way { kNone, kOut };  // out: to one host of ours

class HostileTest : public ::testing::TestWithParam<std::tuple<Level, Hostile, Way>> {
 protected:
  // One sandbox a level for all programs; null where the level cannot be reached.
  static Sandbox* sandbox(Level level, Way way, std::string& why) {
    static std::map<std::pair<Level, Way>, Result<Sandbox>> made;
    auto found = made.find({level, way});
    if (found == made.end()) {
      Policy policy = small_policy(level);
      if (way == Way::kOut) policy.network = {"127.0.0.1:" + std::to_string(allowed().port())};
      found = made.emplace(std::pair(level, way), make_sandbox(policy, tools::serve_by_proxy({}, {}, nobody))).first;
    }
    if (found->second) return &*found->second;
    why = found->second.error().message;
    return nullptr;
  }
  static toccata::testing::LoopbackServer& allowed() {
    static toccata::testing::LoopbackServer server([](const std::string& request, auto& connection) {
      const bool smuggled = request.find("secret") != std::string::npos;
      connection.send(toccata::testing::http_answer("200 OK", "text/plain", smuggled ? "ESCAPED" : "allowed"));
    });
    return server;
  }
  // What the network's programs know besides: where the one allowed host is.
  static std::string prelude(Way way) {
    return way == Way::kNone ? "" : "ALLOWED = '127.0.0.1:" + std::to_string(allowed().port()) + "'\n" + kNetworkPrelude;
  }

 private:
  static Result<std::vector<std::string>> nobody(const std::string& host, std::chrono::milliseconds, std::stop_token) {
    return Error{ErrorCode::kUnavailable, host + " has no address here"};
  }
};

// Programs that run into their time limit take seconds each.
bool thorough() { return std::getenv("TOCCATA_TEST_THOROUGH") != nullptr; }

// Without what the host says of the network.
std::string own_output(const Outcome& outcome) {
  return outcome.output.substr(0, std::min(outcome.output.find("[network: "), outcome.output.find("\n[network: ")));
}

void expect_fate(const Hostile& program, const Outcome& outcome) {
  switch (program.fate) {
    case Fate::kStopped:
      EXPECT_EQ(own_output(outcome), "'stopped'");
      break;
    case Fate::kEnds:
      EXPECT_NE(outcome.status, Status::kTimeout) << outcome.output;
      break;
    case Fate::kDies:
      EXPECT_EQ(outcome.status, Status::kDied) << outcome.output;
      break;
    case Fate::kTimeout:
      EXPECT_EQ(outcome.status, Status::kTimeout) << outcome.output;
      break;
  }
  EXPECT_LT(outcome.output.size(), 100'000U);
  EXPECT_THAT(outcome.output, Not(HasSubstr(kSecret)));
  EXPECT_THAT(outcome.output, Not(HasSubstr("ESCAPED")));
  if (outcome.state_lost) {
    EXPECT_THAT(outcome.output, HasSubstr(kRestartedSentence));
  }
}

// The host reads all that the program left, as it would to show artifacts.
void expect_harmless_files(Session& session) {
  const auto files = session.list_files();
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_LE(files->size(), 1000U);
  for (const WorkspaceFile& file : *files) {
    if (file.size > 4096) continue;
    const Result<std::string> text = session.download(file.path);
    if (text) {
      EXPECT_THAT(*text, Not(HasSubstr(kSecret)));
    }
  }
  for (const char* link : {"out", "l", "root/etc/passwd", "pipe", "sock"})
    EXPECT_FALSE(session.download(link).ok()) << link;
}

TEST_P(HostileTest, IsHeld) {
  const auto& [level, program, way] = GetParam();
  if (program.fate == Fate::kTimeout && level != Level::kFullNoCgroup && !thorough())
    GTEST_SKIP() << "the same ladder at each level; set TOCCATA_TEST_THOROUGH to climb it at all";
  std::string why;
  Sandbox* const box = sandbox(level, way, why);
  if (box == nullptr) GTEST_SKIP() << why;
  const Bait bait;
  const Footprint before;
  {
    auto session = box->open().value_or_throw();
    ASSERT_EQ(session->execute(bait.prelude() + prelude(way), 60s).output, kNoOutput);
    const bool slow = program.fate == Fate::kTimeout;
    expect_fate(program, session->execute(program.code, slow ? 300ms : 120s));
    expect_harmless_files(*session);
    const Outcome next = session->execute("print(1 + 1)", 20s);
    if (next.status != Status::kOk || own_output(next) != "2") {
      // Code that broke its own interpreter may be told so once; then all is well again.
      EXPECT_TRUE(next.restarted || next.status == Status::kError) << next.output;
    }
    if (next.restarted) {
      EXPECT_THAT(next.output, HasSubstr(kRestartedSentence));
    }
    EXPECT_NE(next.status, Status::kTimeout) << next.output;
  }
  EXPECT_TRUE(bait.untouched());
  EXPECT_EQ(before, Footprint()) << "descriptors, mounts, control groups or children remain";
}

std::string name_of(const ::testing::TestParamInfo<HostileTest::ParamType>& test) {
  const Level level = std::get<0>(test.param);
  const char* name = level == Level::kFull           ? "Full"
                     : level == Level::kFullNoCgroup ? "FullNoCgroup"
                     : level == Level::kNoProc       ? "NoProc"
                                                     : "Landlock";
  return std::string(std::get<1>(test.param).name) + name;
}

// All of them but the one whose first step a way out allows.
std::vector<Hostile> programs_beside_network() {
  std::vector<Hostile> programs(std::begin(kHostile), std::end(kHostile));
  std::erase_if(programs, [](const Hostile& program) { return program.name == std::string("Internet"); });
  return programs;
}

INSTANTIATE_TEST_SUITE_P(
    Programs,
    HostileTest,
    ::testing::Combine(
        ::testing::Values(Level::kFull, Level::kFullNoCgroup, Level::kNoProc, Level::kLandlock),
        ::testing::ValuesIn(kHostile),
        ::testing::Values(Way::kNone)
    ),
    name_of
);
INSTANTIATE_TEST_SUITE_P(
    WithAWayOut,
    HostileTest,
    ::testing::Combine(
        ::testing::Values(Level::kFull, Level::kFullNoCgroup, Level::kNoProc), ::testing::ValuesIn(kHostileNetwork), ::testing::Values(Way::kOut)
    ),
    name_of
);
// The other walls stand as before.
INSTANTIATE_TEST_SUITE_P(
    AllWithAWayOut,
    HostileTest,
    ::testing::Combine(::testing::Values(Level::kFull), ::testing::ValuesIn(programs_beside_network()), ::testing::Values(Way::kOut)),
    name_of
);

}  // namespace
}  // namespace toccata::sandbox
