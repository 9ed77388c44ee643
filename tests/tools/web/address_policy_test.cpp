#include "core/base/json.h"
#include "tools/web/address_policy.h"

#include <gtest/gtest.h>

#include "tools/web/web_url.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/web/host_name.h"

namespace toccata::tools {
namespace {

using nlohmann::json;

// One JSON object a line: url, resolved (absent: not resolved yet), allow, a part of the reason, origins that are allowed.
TEST(AddressPolicyTest, DecidesEveryCaseOfTheTable) {
  std::ifstream file(TOCCATA_SOURCE_DIR "/tests/data/web/url_policy.jsonl");
  int n_cases = 0;
  for (std::string line; std::getline(file, line); ++n_cases) {
    const json row = json_from_valid<json>(line);
    const auto policy = AddressPolicy::with_origins(row.value("origins", std::vector<std::string>{})).value_or_throw();
    std::optional<std::vector<std::string>> resolved;
    if (row.contains("resolved")) resolved = row["resolved"].get<std::vector<std::string>>();
    const Verdict verdict = judge(policy, row["url"].get<std::string>(), resolved);
    EXPECT_EQ(verdict.allow, row["allow"].get<bool>()) << line.substr(0, 300) << "\n" << verdict.reason;
    EXPECT_NE(verdict.reason.find(row.value("reason", "")), std::string::npos) << line.substr(0, 300) << "\n" << verdict.reason;
  }
  EXPECT_GE(n_cases, 150);
}

TEST(AddressPolicyTest, AnExceptionMustBeAnOrigin) {
  for (const char* url : {"127.0.0.1:8000", "ftp://127.0.0.1", "http://127.0.0.1/page", "http://127.1/", "http://u@h.example", ""}) {
    const auto policy = AddressPolicy::with_origins({url});
    ASSERT_FALSE(policy) << url;
    EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(policy.error().message.find("--allow-origin"), std::string::npos);
  }
}

TEST(AddressPolicyTest, DomainsLeaveNothingElse) {
  const auto policy = AddressPolicy::make({"http://127.0.0.1:8000"}, {"Example.org", "b\u00fccher.example", "93.184.216.34"}).value_or_throw();
  for (const char* url : {"https://example.org/", "http://www.example.org:8080/", "https://b\u00fccher.example/", "http://93.184.216.34/", "http://127.0.0.1:8000/"}) {
    EXPECT_TRUE(judge(policy, url, std::nullopt).allow) << url << judge(policy, url, std::nullopt).reason;
  }
  for (const char* url : {"https://notexample.org/", "https://example.org.evil.example/", "https://org/", "http://1.93.184.216.34.example/", "http://93.184.216.35/",
                          "http://127.0.0.1:8001/"}) {
    EXPECT_FALSE(judge(policy, url, std::nullopt).allow) << url;
  }
  EXPECT_FALSE(judge(policy, "https://example.org/", std::vector<std::string>{"10.0.0.1"}).allow) << "still no private address";
  EXPECT_FALSE(AddressPolicy::make({}, {"https://example.org/"}));
  EXPECT_FALSE(AddressPolicy::make({}, {""}));
}

TEST(WebUrlTest, IsWrittenInOneWay) {
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP://Example.COM:80", "http://example.com/"},
      {"https://example.com:443?q=a b#f", "https://example.com/?q=a%20b"},
      {"http://example.com:443/x", "http://example.com:443/x"},
      {"https://[2606:4700:4700:0:0:0:0:1111]:8443/", "https://[2606:4700:4700::1111]:8443/"},
      {"https://example.com/ä\\<\">", "https://example.com/%C3%A4%5C%3C%22%3E"},
      {"https://M\u00DCNCHEN.de/%7e", "https://xn--mnchen-3ya.de/%7e"}};
  for (const auto& [text, wanted] : cases) {
    const auto url = parse_web_url(text);
    ASSERT_TRUE(url) << text << ": " << url.error().message;
    EXPECT_EQ(url->text(), wanted);
    EXPECT_EQ(*parse_web_url(url->text()), *url) << "not stable: " << wanted;
  }
}

// Names in use, from IDN registries and RFC 3492 section 7.1.
TEST(HostNameTest, EncodesOtherScripts) {
  const std::pair<const char*, const char*> cases[] = {
      {"bücher.example", "xn--bcher-kva.example"},
      {"пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"},
      {"例え.テスト", "xn--r8jz45g.xn--zckzah"},
      {"παράδειγμα.δοκιμή", "xn--hxajbheg2az3al.xn--jxalpdlp"},
      {"他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"},
      {"パフィーdeルンバ", "xn--de-jg4avhby1noc0d"},
      {"Majiでkoiする5秒前", "xn--majikoi5-783gue6qz075azm5e"}};
  for (const auto& [text, wanted] : cases) {
    const auto name = host_name(text);
    ASSERT_TRUE(name) << text << ": " << name.error().message;
    EXPECT_EQ(*name, wanted);
  }
}

TEST(HostNameTest, RefusesWhatIsNotText) {
  for (const std::string& name : {std::string("a\xFF.com"), std::string("\xC0\xAF.com"), std::string("\xED\xA0\x80.com"), std::string("a\0b.com", 7)}) {
    EXPECT_FALSE(host_name(name)) << name;
  }
}

TEST(WebUrl, KnowsThisMachineByItsAddressAndNotByHowANameBegins) {
  for (const char* here : {"http://127.0.0.1/", "http://127.9.9.9:4318/v1", "http://[::1]:1/", "https://localhost/"}) {
    EXPECT_TRUE(is_this_machine(parse_web_url(here).value_or_throw())) << here;
  }
  for (const char* away : {"http://127.evil.example/", "http://localhost.evil.example/", "http://10.0.0.1/", "http://[::2]/"}) {
    EXPECT_FALSE(is_this_machine(parse_web_url(away).value_or_throw())) << away;
  }
}

}  // namespace
}  // namespace toccata::tools
