// Sessions with a way out: what leads through it, and that nothing leads past it.
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/sandbox/footprint.h"
#include "tests/sandbox/sandbox_fixture.h"
#include "tests/support/loopback_server.h"
#include "tools/egress/egress_proxy.h"

namespace toccata::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using toccata::testing::http_answer;
using toccata::testing::LoopbackServer;

// No name of these tests is looked up in the real world.
Result<std::vector<std::string>> nobody(const std::string& host, std::chrono::milliseconds, std::stop_token) {
  if (host == "inside.example.org") return std::vector<std::string>{"127.0.0.1"};
  return Error{ErrorCode::kUnavailable, host + " has no address here"};
}

constexpr const char* kFetch =
    "import urllib.request, urllib.error\n"
    "def fetch(url, data=None):\n"
    "    try:\n"
    "        return urllib.request.urlopen(url, data, timeout=20).read().decode()\n"
    "    except urllib.error.HTTPError as e:\n"
    "        return e.read().decode()\n"
    "    except OSError as e:\n"
    "        return repr(e)\n";

class NetworkTest : public SandboxTest {
 protected:
  void SetUp() override {
    policy_.network = {"127.0.0.1:" + std::to_string(server_.port()), "pypi.org", "inside.example.org"};
    open_network(policy_);
  }
  void open_network(const Policy& policy) {
    open(policy, tools::serve_by_proxy({}, {}, nobody));
    if (session_) run(kFetch);
  }
  std::string fetch_text() const { return "fetch('" + server_.url("/page") + "')"; }

  LoopbackServer server_{[](const std::string& request, auto& connection) {
    const std::string body = request.substr(request.find("\r\n\r\n") + 4);
    connection.send(http_answer("200 OK", "text/plain", "hello" + (body.empty() ? "" : " " + body)));
  }};
  Policy policy_;
};

TEST_F(NetworkTest, AnAllowedHostIsReachedAndAccountedFor) {
  const Outcome outcome = run("print(" + fetch_text() + ")");
  EXPECT_EQ("hello", outcome.output);
  EXPECT_EQ(policy_.network, outcome.network);
  ASSERT_EQ(1U, outcome.hosts.size());
  const HostUse& use = outcome.hosts[0];
  EXPECT_EQ(("127.0.0.1"), use.host);
  EXPECT_EQ(server_.port(), use.port);
  EXPECT_TRUE(use.allowed);
  EXPECT_EQ("", use.reason);
  EXPECT_EQ(1U, use.connections);
  EXPECT_EQ(server_.requests().at(0).size(), use.sent);
  EXPECT_EQ(http_answer("200 OK", "text/plain", "hello").size(), use.received);
  EXPECT_THAT(server_.requests().at(0), AllOf(HasSubstr("GET /page HTTP/1.1\r\n"), HasSubstr("Connection: close\r\n")));
  EXPECT_THAT(session_->heard(), ElementsAre("127.0.0.1"));
  EXPECT_THAT(run("1 + 1").hosts, IsEmpty());
}

TEST_F(NetworkTest, BodiesAndTunnelsPass) {
  EXPECT_EQ("'hello " + std::string(100, 'x') + "'", output("fetch('" + server_.url() + "', b'x' * 100)"));
  const std::string tunnel =
      "import socket\n"
      "s = socket.create_connection(('127.0.0.1', 3128))\n"
      "s.sendall(b'CONNECT 127.0.0.1:" + std::to_string(server_.port()) + " HTTP/1.1\\r\\n\\r\\n')\n"
      "first = s.recv(1000)\n"
      "s.sendall(b'GET /through HTTP/1.1\\r\\n\\r\\n')\n"
      "rest = b''\n"
      "while part := s.recv(1000): rest += part\n"
      "(first, rest[-5:])";
  EXPECT_EQ("(b'HTTP/1.1 200 Connection established\\r\\n\\r\\n', b'hello')", output(tunnel));
}

TEST_F(NetworkTest, CommandsHaveItToo) {
  const Outcome outcome = session_->run_command(Command::shell("python3 -c \"import urllib.request as u; print(u.urlopen('" + server_.url() + "').read())\""), 60s);
  EXPECT_EQ("b'hello'", outcome.output);
  EXPECT_EQ(1U, outcome.hosts.size());
}

TEST_F(NetworkTest, OtherHostsAreRefusedInWordsForTheModel) {
  const Outcome outcome = run("print(fetch('http://evil.example/x'))");
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("evil.example:80 is refused"), HasSubstr("pypi.org"), HasSubstr("[network: the connection to evil.example:80 was refused")));
  ASSERT_EQ(1U, outcome.hosts.size());
  EXPECT_FALSE(outcome.hosts[0].allowed);
  EXPECT_THAT(output("fetch('https://evil.example/x')"), HasSubstr("Tunnel connection failed: 403"));
  EXPECT_THAT(session_->heard(), IsEmpty());
}

TEST_F(NetworkTest, ANameThatLeadsHomeIsRefused) {
  EXPECT_THAT(output("fetch('http://inside.example.org/')"), HasSubstr("a loopback address"));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(NetworkTest, NothingLeadsPastTheProxy) {
  const std::string port = std::to_string(server_.port());
  // The host's own 127.0.0.1 is another one; no route leads elsewhere.
  EXPECT_THAT(output("import socket\ns = socket.socket()\ns.connect(('127.0.0.1', " + port + "))"), HasSubstr("Error"));
  EXPECT_THAT(output("s = socket.socket()\ns.connect(('1.1.1.1', 443))"), HasSubstr("Error"));
  EXPECT_THAT(output("s = socket.socket()\ns.connect(('1.1.1.1', 3128))"), HasSubstr("Network is unreachable"));
  EXPECT_THAT(output("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"), HasSubstr("PermissionError"));
  EXPECT_THAT(output("socket.socket(socket.AF_INET6, socket.SOCK_STREAM)"), HasSubstr("PermissionError"));
  EXPECT_THAT(output("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"), HasSubstr("PermissionError"));
  EXPECT_THAT(output("socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)"), HasSubstr("PermissionError"));
  EXPECT_THAT(output("socket.getaddrinfo('pypi.org', 443)"), HasSubstr("gaierror"));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(NetworkTest, CodeHoldsNoDescriptorOfTheWayOut) {
  const std::string code =
      "import os, stat\n"
      "def kind(fd):\n"
      "    try: return os.readlink('/proc/self/fd/%d' % fd).split(':')[0]\n"
      "    except OSError: return None\n"
      "sorted((fd, kind(fd)) for fd in range(512) if kind(fd))";
  const std::string with = output(code);
  session_.reset();
  sandbox_.reset();
  open(Policy{});
  EXPECT_EQ(output(code), with);
}

TEST_F(NetworkTest, ItIsOpenOnlyWhileAnExecutionRuns) {
  const std::string wait =
      "import threading, time\n"
      "answers = []\n"
      "def later():\n"
      "    time.sleep(0.5)\n"
      "    answers.append(" + fetch_text() + ")\n"
      "threading.Thread(target=later).start()";
  EXPECT_THAT(run(wait).hosts, IsEmpty());
  std::this_thread::sleep_for(1s);
  EXPECT_THAT(server_.requests(), IsEmpty()) << "it waits for the next execution";
  const Outcome next = run("time.sleep(1)\nanswers");
  EXPECT_EQ("['hello']", next.output);
  EXPECT_EQ(1U, next.hosts.size()) << "which answers for it";
}

TEST_F(NetworkTest, WhatIsOpenAtTheEndIsCut) {
  LoopbackServer silent([](const std::string&, auto& connection) { connection.stall(); });
  Policy policy;
  policy.network = {"127.0.0.1:" + std::to_string(silent.port())};
  open_network(policy);
  const auto began = std::chrono::steady_clock::now();
  const Outcome outcome = run("import threading, time\nthreading.Thread(target=fetch, args=('" + silent.url() + "',)).start()\ntime.sleep(0.5)");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  ASSERT_EQ(1U, outcome.hosts.size());
  EXPECT_THAT(outcome.hosts[0].reason, HasSubstr("the execution had ended"));
}

TEST_F(NetworkTest, ForksAndRestartsHaveIt) {
  auto twin = session_->fork().value_or_throw();
  EXPECT_EQ("'hello'", twin->execute(fetch_text(), 60s).output);
  EXPECT_EQ(1U, twin->heard().size());
  EXPECT_THAT(session_->heard(), IsEmpty());
  twin.reset();
  EXPECT_EQ("'hello'", output(fetch_text()));
  EXPECT_TRUE(run("import os\nos._exit(1)").restarted);
  EXPECT_EQ("'hello'", output(std::string(kFetch) + fetch_text()));
  EXPECT_THAT(session_->heard(), ElementsAre("127.0.0.1")) << "its workspace may hold what was read";
}

TEST_F(NetworkTest, ASessionMadeAnewHasItsOwn) {
  if (session_->level() > Level::kNoProc) GTEST_SKIP();
  (void)run("import os\nos.kill(1, 9)\nos.kill(-1, 9)");
  EXPECT_EQ("'hello'", output(std::string(kFetch) + fetch_text()));
}

TEST_F(NetworkTest, SessionsWithFoldersHaveItAndNoNamedSockets) {
  Policy policy = policy_;
  policy.mounts = {{"/usr/share", "share"}};
  open_network(policy);
  EXPECT_EQ("'hello'", output(fetch_text()));
  EXPECT_THAT(output("import socket\nsocket.socket(socket.AF_UNIX)"), HasSubstr("PermissionError"));
  EXPECT_THAT(output("a, b = socket.socketpair()\na.connect('/tmp/x')"), HasSubstr("Error"));
}

TEST_F(NetworkTest, NothingStaysBehind) {
  session_.reset();
  const Footprint before;
  for (int i = 0; i < 3; ++i) {
    auto session = sandbox_->open().value_or_throw();
    session->execute(std::string(kFetch) + fetch_text(), 60s);
  }
  EXPECT_EQ(before, Footprint());
}

TEST(NetworkPolicyTest, LevelsWithoutANetworkOfTheirOwnAreRefused) {
  Policy policy;
  policy.network = {"pypi.org"};
  policy.minimum = policy.maximum = Level::kLandlock;
  const auto refused = make_sandbox(policy, tools::serve_by_proxy({}, {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("level landlock"), HasSubstr("--sandbox-net")));
}

TEST(NetworkPolicyTest, AWeakLevelThatIsAcceptedIsNotTaken) {
  Policy policy;
  policy.network = {"pypi.org"};
  policy.minimum = Level::kNone;
  const auto made = make_sandbox(policy, tools::serve_by_proxy({}, {}));
  if (made) {
    EXPECT_LE(made->level(), Level::kNoProc);
  } else {
    EXPECT_THAT(made.error().message, HasSubstr("--sandbox-net"));
  }
}

TEST(NetworkPolicyTest, WhatCannotBeServedIsRefused) {
  Policy policy;
  policy.network = {"pypi.org"};
  EXPECT_FALSE(Sandbox::create(policy).ok()) << "nobody serves it";
  for (const char* host : {"localhost:80", "https://pypi.org", "*", "*.org", "pypi.org:22", "a b", "", "*.10.0.0.1"}) {
    policy.network = {host};
    const auto made = Sandbox::create(policy, tools::serve_by_proxy({}, {}));
    ASSERT_FALSE(made.ok()) << host;
    EXPECT_THAT(made.error().message, HasSubstr("--sandbox-net is '" + std::string(host) + "'"));
  }
}

}  // namespace
}  // namespace toccata::sandbox
