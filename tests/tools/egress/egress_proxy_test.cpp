// The proxy as a session's code sees it, over real sockets: what passes, what is refused, and that nothing makes it wait.
#include "tools/egress/egress_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback_server.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using sandbox::HostUse;
using sandbox::UniqueFd;
using toccata::testing::http_answer;
using toccata::testing::LoopbackServer;
using Clock = std::chrono::steady_clock;

// What stands at the session's end of the way out.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(0, ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Until there are `n` bytes, or the other side ends.
  std::string receive(std::size_t n = std::string::npos) {
    std::string text;
    char buffer[65536];
    while (text.size() < n) {
      const ssize_t got = ::recv(fd_.get(), buffer, std::min(sizeof buffer, n - text.size()), 0);
      if (got <= 0) break;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }
  std::string ask(std::string_view request) {
    send(request);
    return receive();
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  // The other side sees a reset.
  void abort() {
    const linger now{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

 private:
  UniqueFd fd_;
};

constexpr const char* kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";

class EgressProxyTest : public ::testing::Test {
 protected:
  // A door that allows `hosts`, and one execution at it.
  void open(const std::vector<std::string>& hosts, EgressLimits limits = {}, Resolve resolve = {}, ProxyRules proxy = {}, const std::vector<std::string>& origins = {}) {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(0, bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size));
    ASSERT_EQ(0, listen(listener.get(), 64));
    ASSERT_EQ(0, getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size));
    port_ = ntohs(address.sin_port);
    if (!resolve) resolve = [](const std::string& host, std::chrono::milliseconds, std::stop_token) -> Result<std::vector<std::string>> {
      return Error{ErrorCode::kUnavailable, host + " has no address here"};
    };
    auto made = serve_by_proxy(origins, std::move(proxy), std::move(resolve), limits)(hosts).value_or_throw();
    door_ = made->open(std::move(listener));
    account_ = door_->begin();
  }
  std::vector<HostUse> end() { return door_->end(account_); }
  Client client() { return Client(port_); }
  std::string ask(const std::string& request) { return client().ask(request); }
  static std::string local(int port) { return "127.0.0.1:" + std::to_string(port); }
  static std::string local(const LoopbackServer& server) { return local(server.port()); }
  static std::string connect(const std::string& to) { return "CONNECT " + to + " HTTP/1.1\r\n\r\n"; }
  static std::string get(const std::string& url) { return "GET " + url + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

  int port_ = 0;
  std::unique_ptr<sandbox::Door> door_;
  int account_ = 0;
};

void say_hello(const std::string&, toccata::testing::Connection& connection) { connection.send(http_answer("200 OK", "text/plain", "hello")); }

TEST_F(EgressProxyTest, APlainRequestGoesOnAndIsCounted) {
  LoopbackServer server(say_hello);
  open({local(server)});
  EXPECT_THAT(ask("POST " + server.url("/a") + " HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\nContent-Length: 3\r\n\r\nabc"), HasSubstr("\r\n\r\nhello"));
  const auto uses = end();
  ASSERT_EQ(1U, uses.size());
  const std::string sent = server.requests().at(0);
  EXPECT_EQ("POST /a HTTP/1.1\r\nHost: " + local(server) + "\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", sent);
  EXPECT_EQ((HostUse{"127.0.0.1", server.port(), true, "", 1, sent.size(), http_answer("200 OK", "text/plain", "hello").size()}), uses[0]);
}

TEST_F(EgressProxyTest, NothingHidesBehindARequest) {
  LoopbackServer server(say_hello);
  open({local(server)});
  const std::string second = "GET /second HTTP/1.1\r\nHost: evil.example\r\n\r\n";
  EXPECT_THAT(ask(get(server.url("/first")) + second), HasSubstr("hello"));
  EXPECT_THAT(ask("POST " + server.url("/first") + " HTTP/1.1\r\nContent-Length: 2\r\n\r\nab" + second), HasSubstr("hello"));
  (void)end();
  for (const std::string& request : server.requests()) EXPECT_THAT(request, Not(HasSubstr("second")));
  EXPECT_EQ(2U, server.requests().size());
}

TEST_F(EgressProxyTest, ATunnelCarriesBothWaysAndHalfEnds) {
  LoopbackServer echo([](const std::string& request, auto& connection) {
    connection.send("got " + std::to_string(request.size()));
    connection.stall();
  });
  open({local(echo)});
  Client code = client();
  code.send(connect(local(echo)));
  EXPECT_EQ(kEstablished, code.receive(std::string(kEstablished).size()));
  code.send("GET / HTTP/1.1\r\n");
  code.send("\r\n");
  EXPECT_EQ("got 18", code.receive(6));
  code.end_sending();
  EXPECT_EQ("", code.receive()) << "the far side ends when it hears of it";
  const auto uses = end();
  ASSERT_EQ(1U, uses.size());
  EXPECT_EQ((HostUse{"127.0.0.1", echo.port(), true, "", 1, 18, 6}), uses[0]);
}

TEST_F(EgressProxyTest, MuchGoesThroughUnchanged) {
  std::string much(std::size_t{8} << 20, '\0');
  std::mt19937 random(7);
  for (char& c : much) c = static_cast<char>(random());
  LoopbackServer server([&](const std::string&, auto& connection) { connection.send(http_answer("200 OK", "x/y", much)); });
  open({local(server)});
  const std::string answer = ask(get(server.url()));
  EXPECT_TRUE(answer.ends_with(much));
  Client code = client();
  code.send(connect(local(server)));
  (void)code.receive(std::string(kEstablished).size());
  code.send("POST / HTTP/1.1\r\nContent-Length: " + std::to_string(much.size()) + "\r\n\r\n" + much);
  EXPECT_TRUE(code.receive(http_answer("200 OK", "x/y", much).size()).ends_with(much));
  EXPECT_TRUE(server.requests().at(1).ends_with(much));
}

TEST_F(EgressProxyTest, WhatIsRefusedIsToldInWords) {
  open({"pypi.org", "*.example.org:8443"});
  const std::string answer = ask(connect("evil.example:443"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 Forbidden: evil.example:443 is refused: it is not on the list of hosts that this session may reach: pypi.org, *.example.org:8443\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\ntoccata: evil.example:443"));
  EXPECT_THAT(ask(get("http://evil.example/")), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask(connect("pypi.org:22")), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask(connect("example.org:8443")), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask(connect("127.0.0.1:80")), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: pypi.org\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("this is a proxy")));
  EXPECT_THAT(ask("POST http://pypi.org/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 411"));
  EXPECT_THAT(ask(connect("pypi.org:443")), StartsWith("HTTP/1.1 502")) << "allowed, but without an address here";
  for (const HostUse& use : end()) {
    EXPECT_EQ(use.host == "pypi.org" && use.port == 443, use.allowed) << use.host;
    EXPECT_NE("", use.reason);
    EXPECT_EQ(0U, use.sent + use.received);
  }
}

TEST_F(EgressProxyTest, AnAnswerNeverRepeatsControlCharacters) {
  open({"pypi.org"});
  const std::string answer = ask("GET /\x1b[2J\xff HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  for (const char c : answer) EXPECT_TRUE(c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7F));
}

TEST_F(EgressProxyTest, ANameThatChangesItsMindLeadsNowhereElse) {
  LoopbackServer inside(say_hello);
  int n_asked = 0;
  const std::string name = "rebind.example:" + std::to_string(inside.port());
  const auto resolve = [&](const std::string&, std::chrono::milliseconds, std::stop_token) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{++n_asked == 1 ? "127.0.0.1" : "169.254.169.254"};
  };
  open({name}, {}, resolve, {}, {"http://" + name});
  EXPECT_THAT(ask(get("http://" + name + "/")), HasSubstr("hello"));
  EXPECT_EQ(1, n_asked) << "what was judged is connected to: no second look";
  EXPECT_THAT(ask(connect(name)), AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("169.254.169.254")));
}

TEST_F(EgressProxyTest, EndlessAndSlowHeadsEnd) {
  open({"pypi.org"}, {.head = 300ms});
  Client endless = client();
  const std::string line = "X: " + std::string(1000, 'x') + "\r\n";
  endless.send("GET http://pypi.org/ HTTP/1.1\r\n");
  for (int i = 0; i < 100 && endless.send(line); ++i) {
  }
  EXPECT_THAT(endless.receive(), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask(std::string(200'000, 'x')), StartsWith("HTTP/1.1 431"));
  const auto began = Clock::now();
  EXPECT_THAT(ask("GET http://pypi.org/ HTTP/1.1\r\n"), StartsWith("HTTP/1.1 408"));
  Client slow = client();
  for (int i = 0; i < 100 && Clock::now() - began < 10s && slow.send("x"); ++i) std::this_thread::sleep_for(20ms);
  EXPECT_LT(Clock::now() - began, 5s) << "byte by byte is no way to stay";
}

TEST_F(EgressProxyTest, AbruptEndsLeaveNothing) {
  LoopbackServer server([](const std::string&, auto& connection) { connection.send("half an ans"); });
  LoopbackServer silent([](const std::string&, auto& connection) { connection.stall(); });
  open({local(server), local(silent)});
  client().close();
  client().abort();
  Client half = client();
  half.send("GET http://pypi");
  half.abort();
  EXPECT_EQ("half an ans", ask(get(server.url())));
  Client gone = client();
  gone.send(get(silent.url()));
  for (int i = 0; i < 500 && silent.requests().empty(); ++i) std::this_thread::sleep_for(10ms);
  gone.abort();
  Client tunnel = client();
  tunnel.send(connect(local(server)) + "GET / HTTP/1.1\r\n\r\n");
  tunnel.receive(std::string(kEstablished).size() + 4);
  tunnel.abort();
  const auto began = Clock::now();
  (void)end();
  EXPECT_LT(Clock::now() - began, 2s);
}

TEST_F(EgressProxyTest, AServerThatIsNotThereIsTold) {
  int port = 0;
  {
    LoopbackServer gone(say_hello);
    port = gone.port();
  }
  open({local(port)});
  EXPECT_THAT(ask(connect(local(port))), AllOf(StartsWith("HTTP/1.1 502"), HasSubstr("Connection refused")));
  const auto uses = end();
  ASSERT_EQ(1U, uses.size());
  EXPECT_TRUE(uses[0].allowed);
  EXPECT_THAT(uses[0].reason, HasSubstr("Connection refused"));
}

TEST_F(EgressProxyTest, ANameServerThatHangsHoldsNobody) {
  std::atomic<int> n_waiting = 0;
  open({"slow.example"}, {.connect = 400ms}, [&](const std::string&, std::chrono::milliseconds time, std::stop_token stop) -> Result<std::vector<std::string>> {
    ++n_waiting;
    const auto until = Clock::now() + time;
    while (Clock::now() < until && !stop.stop_requested()) std::this_thread::sleep_for(5ms);
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
    return Error{ErrorCode::kTimeout, "no name server answered"};
  });
  EXPECT_THAT(ask(connect("slow.example:443")), StartsWith("HTTP/1.1 504"));
  Client waiting = client();
  waiting.send(connect("slow.example:443"));
  while (n_waiting < 2) std::this_thread::sleep_for(5ms);
  const auto began = Clock::now();
  (void)end();
  EXPECT_LT(Clock::now() - began, 300ms);
}

TEST_F(EgressProxyTest, NothingIsServedBetweenExecutions) {
  LoopbackServer server(say_hello);
  open({local(server)});
  (void)end();
  Client early = client();
  early.send(get(server.url("/early")));
  std::this_thread::sleep_for(200ms);
  EXPECT_THAT(server.requests(), IsEmpty());
  account_ = door_->begin();
  EXPECT_THAT(early.receive(), HasSubstr("hello"));
  EXPECT_EQ(1U, end().size());
}

TEST_F(EgressProxyTest, TheEndOfAnExecutionCutsWhatItHasOpen) {
  LoopbackServer silent([](const std::string&, auto& connection) { connection.stall(); });
  open({local(silent)});
  Client code = client();
  code.send(connect(local(silent)) + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(kEstablished, code.receive(std::string(kEstablished).size()));
  Client idle = client();
  const auto began = Clock::now();
  const auto uses = end();
  EXPECT_LT(Clock::now() - began, 1s);
  EXPECT_EQ("", code.receive());
  const auto cut = std::find_if(uses.begin(), uses.end(), [](const HostUse& use) { return use.allowed; });
  ASSERT_NE(uses.end(), cut);
  EXPECT_EQ("the execution had ended", cut->reason);
}

TEST_F(EgressProxyTest, ExecutionsThatOverlapAreToldOfEachOthers) {
  LoopbackServer server(say_hello);
  open({local(server)});
  (void)ask(get(server.url()));
  const int second = door_->begin();
  (void)ask(get(server.url()));
  const auto first_uses = end();
  ASSERT_EQ(1U, first_uses.size());
  EXPECT_EQ(2U, first_uses[0].connections);
  EXPECT_THAT(ask(get(server.url())), HasSubstr("hello")) << "the second goes on";
  const auto second_uses = door_->end(second);
  ASSERT_EQ(1U, second_uses.size());
  EXPECT_GE(second_uses[0].connections, 2U);
  EXPECT_LE(second_uses[0].connections, 3U) << "the first one's end may have been written down after the second began";
  EXPECT_THAT(door_->end(second), IsEmpty());
}

TEST_F(EgressProxyTest, AnExecutionThatBeginsAsAnotherEndsIsServed) {
  open({"pypi.org"});
  (void)end();
  std::atomic<int> n_answered = 0;
  std::vector<std::jthread> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.emplace_back([&] {
      for (int k = 0; k < 40; ++k) {
        const int account = door_->begin();
        n_answered += ask(connect("evil.example:443")).starts_with("HTTP/1.1 403") ? 1 : 0;
        (void)door_->end(account);
      }
    });
  }
  sessions.clear();
  EXPECT_EQ(120, n_answered);
}

TEST_F(EgressProxyTest, OnlySoManyConnectionsAtOnce) {
  LoopbackServer server(say_hello);
  open({local(server)}, {.connections_at_once = 2});
  Client one = client(), two = client();
  one.send("G");
  two.send("G");
  Client three = client();
  three.send(get(server.url()));
  std::this_thread::sleep_for(200ms);
  EXPECT_THAT(server.requests(), IsEmpty());
  one.close();
  EXPECT_THAT(three.receive(), HasSubstr("hello"));
}

TEST_F(EgressProxyTest, OnlySoManyConnectionsAndBytesInOneExecution) {
  LoopbackServer server([](const std::string&, auto& connection) { connection.send(http_answer("200 OK", "x/y", std::string(1 << 20, 'x'))); });
  open({local(server)}, {.connections = 3, .bytes = 200'000});
  EXPECT_LT(ask(get(server.url())).size(), 300'000U);
  EXPECT_LT(ask(get(server.url())).size(), 100'000U);
  (void)ask(get("http://evil.example/"));
  Client fourth = client();
  fourth.send(get("http://evil.example/"));
  std::this_thread::sleep_for(100ms);
  const auto uses = end();
  std::uint64_t n = 0;
  for (const HostUse& use : uses) {
    n += use.connections;
    EXPECT_EQ(use.allowed ? "too many bytes were moved" : use.reason, use.reason);
  }
  EXPECT_EQ(3U, n);
  account_ = door_->begin();
  EXPECT_THAT(fourth.receive(), StartsWith("HTTP/1.1 403")) << "it was waiting";
}

TEST_F(EgressProxyTest, AConnectionOnWhichNothingMovesEnds) {
  LoopbackServer silent([](const std::string&, auto& connection) { connection.stall(); });
  open({local(silent)}, {.idle = 200ms});
  const auto began = Clock::now();
  EXPECT_EQ("", ask(get(silent.url())));
  EXPECT_LT(Clock::now() - began, 5s);
  EXPECT_EQ("nothing moved for too long", end().at(0).reason);
}

TEST_F(EgressProxyTest, AFloodOfHostsIsAddedUp) {
  open({"pypi.org"});
  for (int i = 0; i < 250; ++i) (void)ask(connect("h" + std::to_string(i) + ".example:443"));
  const auto uses = end();
  EXPECT_LE(uses.size(), 101U);
  std::uint64_t n = 0;
  for (const HostUse& use : uses) n += use.connections;
  EXPECT_EQ(250U, n);
}

TEST_F(EgressProxyTest, ADoorThatIsShutCutsEverything) {
  LoopbackServer silent([](const std::string&, auto& connection) { connection.stall(); });
  open({local(silent)});
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(client());
  for (int i = 0; i < 10; ++i) clients[static_cast<std::size_t>(i)].send(i % 2 == 0 ? connect(local(silent)) : get(silent.url()));
  const auto began = Clock::now();
  door_.reset();
  EXPECT_LT(Clock::now() - began, 2s);
}

TEST_F(EgressProxyTest, TheUsersProxyIsAskedWithItsOwnPasswordOnly) {
  LoopbackServer proxy([](const std::string&, auto& connection) {
    connection.send("HTTP/1.1 200 OK\r\nX: y\r\n\r\n");
    (void)connection.read_request();
    connection.send(http_answer("200 OK", "text/plain", "through both"));
  });
  const std::string url = "http://user:p%40ss@" + local(proxy);
  open({"good.example"}, {}, [](const std::string&, auto, auto) { return Result<std::vector<std::string>>(std::vector<std::string>{"93.184.216.34"}); }, ProxyRules::make(url, url, "").value_or_throw());
  const std::string answer = ask(get("http://good.example/"));
  EXPECT_THAT(answer, HasSubstr("through both"));
  EXPECT_THAT(answer, Not(HasSubstr("X: y"))) << "the proxy's own words stay here";
  EXPECT_EQ("CONNECT 93.184.216.34:80 HTTP/1.1\r\nHost: 93.184.216.34:80\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n", proxy.requests().at(0));
}

TEST_F(EgressProxyTest, AUsersProxyThatRefusesIsTold) {
  LoopbackServer proxy([](const std::string&, auto& connection) { connection.send("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"); });
  const std::string url = "http://user:secret@" + local(proxy);
  open({"good.example"}, {}, [](const std::string&, auto, auto) { return Result<std::vector<std::string>>(std::vector<std::string>{"93.184.216.34"}); }, ProxyRules::make(url, url, "").value_or_throw());
  EXPECT_THAT(ask(connect("good.example:443")), AllOf(StartsWith("HTTP/1.1 502"), HasSubstr("the user's proxy refuses it: HTTP 407"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace toccata::tools
