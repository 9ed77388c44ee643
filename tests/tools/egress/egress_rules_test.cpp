#include "tools/egress/egress_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace toccata::tools {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

ProxyRequest request_for(const std::string& text) {
  const bool tunnel = text.find("://") == std::string::npos;
  const std::string head = tunnel ? "CONNECT " + text + " HTTP/1.1\r\n\r\n" : "GET " + text + " HTTP/1.1\r\n\r\n";
  return parse_proxy_request(head).value_or_throw();
}

bool allows(const AllowList& list, const std::string& text) { return list.allows(request_for(text).url); }

TEST(AllowListTest, NamesHostsAndPorts) {
  const AllowList list = AllowList::make({"example.org", "*.Example.net", "alt.example:8443", "192.0.2.7", "[2001:db8::1]:99", "bücher.example"}).value_or_throw();
  for (const char* open : {"example.org:443", "http://example.org/", "EXAMPLE.ORG:443", "a.example.net:443", "a.b.example.net:80", "alt.example:8443", "192.0.2.7:443", "[2001:db8::1]:99", "xn--bcher-kva.example:443"}) {
    EXPECT_TRUE(allows(list, open)) << open;
  }
  for (const char* shut : {"www.example.org:443", "example.org:8443", "example.net:443", "badexample.net:443", "a.example.net.evil:443", "alt.example:443", "192.0.2.8:443", "[2001:db8::2]:99", "[2001:db8::1]:443", "example.org.evil:443"}) {
    EXPECT_FALSE(allows(list, shut)) << shut;
  }
  EXPECT_FALSE(allows(AllowList::make({}).value_or_throw(), "example.org:443")) << "an empty list allows nothing";
}

TEST(AllowListTest, SaysWhatIsNoHost) {
  for (const char* bad : {"", "*", "*.", "*.org", "**.example.org", "a.*.example.org", "https://example.org", "example.org/path", "example.org:0", "example.org:99999", "example.org:http", "example.org:080", "user@example.org", "a b.example", "2001:db8::1", "*.192.0.2.1", "example.org#x", "example.org?"}) {
    const auto list = AllowList::make({bad});
    ASSERT_FALSE(list.ok()) << bad;
    EXPECT_THAT(list.error().message, HasSubstr("--sandbox-net is '" + std::string(bad) + "'"));
  }
}

// Answers as a name server would that was told what to say, one answer after the other.
struct Names {
  std::map<std::string, std::vector<std::vector<std::string>>> answers;
  int n_asked = 0;

  Resolve resolve() {
    return [this](const std::string& host, std::chrono::milliseconds, std::stop_token) -> Result<std::vector<std::string>> {
      ++n_asked;
      auto& left = answers[host];
      if (left.empty()) return Error{ErrorCode::kUnavailable, host + " has no address here"};
      const auto answer = left.front();
      if (left.size() > 1) left.erase(left.begin());
      return answer;
    };
  }
};

std::string outcome(const EgressRules& rules, const std::string& text) {
  const auto route = rules.route(request_for(text), 1s, {});
  if (!route) return std::string(to_string(route.error().code)) + ": " + route.error().message;
  std::string all;
  for (const std::string& address : route->addresses) all += (all.empty() ? "" : " ") + address;
  return route->proxy.empty() ? all : all + " by " + route->proxy;
}

TEST(EgressRulesTest, OnlyPublicAddressesOfAllowedHosts) {
  Names names{{
      {"good.example", {{"93.184.216.34", "2606:2800:220:1::1"}}},
      {"home.example", {{"192.168.1.1"}}},
      {"loop.example", {{"127.0.0.1"}}},
      {"meta.example", {{"169.254.169.254"}}},
      {"mapped.example", {{"::ffff:127.0.0.1"}}},
      {"mixed.example", {{"93.184.216.34", "10.0.0.1"}}},
      {"nat.example", {{"64:ff9b::7f00:1"}}},
      {"zero.example", {{"0.0.0.0"}}},
  }};
  const auto rules = EgressRules::make({"*.example.org", "good.example", "home.example", "loop.example", "meta.example", "mapped.example", "mixed.example", "nat.example", "zero.example", "gone.example"}, {}, {}, names.resolve()).value_or_throw();
  EXPECT_EQ("93.184.216.34 2606:2800:220:1::1", outcome(rules, "good.example:443"));
  EXPECT_EQ("93.184.216.34 2606:2800:220:1::1", outcome(rules, "http://good.example/x"));
  for (const char* shut : {"home.example:443", "loop.example:443", "http://meta.example/latest", "mapped.example:443", "mixed.example:443", "nat.example:443", "zero.example:443"}) {
    EXPECT_THAT(outcome(rules, shut), HasSubstr("permission denied")) << shut;
  }
  EXPECT_THAT(outcome(rules, "gone.example:443"), HasSubstr("unavailable"));
  const int n_asked = names.n_asked;
  EXPECT_THAT(outcome(rules, "evil.example:443"), HasSubstr("not on the list"));
  EXPECT_EQ(n_asked, names.n_asked) << "what is not allowed is not looked up";
}

TEST(EgressRulesTest, ANameThatChangesItsMindIsJudgedEachTime) {
  Names names{{{"rebind.example", {{"93.184.216.34"}, {"127.0.0.1"}}}}};
  const auto rules = EgressRules::make({"rebind.example"}, {}, {}, names.resolve()).value_or_throw();
  EXPECT_EQ("93.184.216.34", outcome(rules, "rebind.example:443")) << "one look, and what was seen is connected to";
  EXPECT_EQ(1, names.n_asked);
  EXPECT_THAT(outcome(rules, "rebind.example:443"), HasSubstr("a loopback address"));
}

TEST(EgressRulesTest, AnAddressOnTheListAndAnOriginAreExceptions) {
  Names names{{{"inside.example", {{"10.0.0.5"}}}, {"tricky.example", {{"169.254.169.254"}}}}};
  const auto rules = EgressRules::make({"127.0.0.1:8000", "inside.example:8080", "tricky.example:8080"}, {"http://inside.example:8080", "http://tricky.example:8080"}, {}, names.resolve()).value_or_throw();
  EXPECT_EQ("127.0.0.1", outcome(rules, "127.0.0.1:8000"));
  EXPECT_THAT(outcome(rules, "127.0.0.1:8001"), HasSubstr("not on the list"));
  EXPECT_THAT(outcome(rules, "127.0.0.2:8000"), HasSubstr("not on the list"));
  EXPECT_EQ("10.0.0.5", outcome(rules, "inside.example:8080"));
  EXPECT_THAT(outcome(rules, "tricky.example:8080"), HasSubstr("permission denied")) << "who answers for a name chooses no metadata service";
}

TEST(EgressRulesTest, EntriesThatCouldNeverBeReachedAreRefusedAtOnce) {
  for (const char* bad : {"localhost:8000", "printer.local", "db.internal:8080", "smtp.example.org:25", "redis.example.org:6379", "intranet"}) {
    const auto rules = EgressRules::make({bad}, {}, {});
    ASSERT_FALSE(rules.ok()) << bad;
    EXPECT_THAT(rules.error().message, HasSubstr("--allow-origin")) << bad;
  }
  EXPECT_TRUE(EgressRules::make({"localhost:8000"}, {"http://localhost:8000"}, {}).ok());
}

TEST(EgressRulesTest, TheUsersProxyIsToldTheAddressThatWasJudged) {
  Names names{{{"good.example", {{"93.184.216.34"}}}, {"home.example", {{"10.0.0.1"}}}}};
  ProxyRules proxy = ProxyRules::make("http://proxy.example:3128", "http://proxy.example:3128", "direct.example").value_or_throw();
  auto rules = EgressRules::make({"good.example", "home.example", "unknown.example", "direct.example"}, {}, proxy, names.resolve()).value_or_throw();
  EXPECT_EQ("93.184.216.34 by http://proxy.example:3128", outcome(rules, "good.example:443"));
  EXPECT_THAT(outcome(rules, "home.example:443"), HasSubstr("permission denied"));
  EXPECT_THAT(outcome(rules, "unknown.example:443"), HasSubstr("unavailable"));
  names.answers["direct.example"] = {{"93.184.216.35"}};
  EXPECT_EQ("93.184.216.35", outcome(rules, "direct.example:443"));
  proxy.trust_names = true;
  rules = EgressRules::make({"unknown.example"}, {}, proxy, names.resolve()).value_or_throw();
  EXPECT_EQ(" by http://proxy.example:3128", outcome(rules, "unknown.example:443")) << "names are left to it when the user says so";
  const auto by_tls = EgressRules::make({"good.example"}, {}, ProxyRules::make("", "https://proxy.example", "").value_or_throw());
  ASSERT_FALSE(by_tls.ok());
  EXPECT_THAT(by_tls.error().message, HasSubstr("--proxy"));
}

}  // namespace
}  // namespace toccata::tools
