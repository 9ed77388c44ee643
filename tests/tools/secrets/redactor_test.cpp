#include "tools/secrets/redactor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/base64.h"

namespace toccata::tools {
namespace {

const std::string kValue = "s3cr3t/Key+\"x\" \\ü=";  // what every encoding has to escape
const Redactor& redactor() {
  static const Redactor redactor({{"KEY", kValue}});
  return redactor;
}

std::string percent(const std::string& text, bool all, const char* digits = "0123456789ABCDEF") {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!all && std::isalnum(byte) != 0) {
      out += c;
    } else {
      out += std::string("%") + digits[byte >> 4] + digits[byte & 15];
    }
  }
  return out;
}
std::string json(const std::string& text, bool ascii = false) {
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', ascii);
  return quoted.substr(1, quoted.size() - 2);
}
std::string hex(const std::string& text, const std::string& between = "") {
  std::string out;
  char digits[3];
  for (const char c : text) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += (out.empty() ? "" : between) + digits;
  }
  return out;
}
std::string wrapped(const std::string& text, std::size_t columns, const std::string& line_break = "\n") {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += columns) out += (at == 0 ? "" : line_break) + text.substr(at, columns);
  return out;
}
std::string url_alphabet(std::string text) {
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

TEST(RedactorTest, TheValueIsReplacedByItsName) {
  EXPECT_EQ(redactor().redact("a " + kValue + " b " + kValue), "a [secret KEY] b [secret KEY]");
  EXPECT_EQ(redactor().redact("nothing secret here, 100% sure & \\well"), "nothing secret here, 100% sure & \\well");
  EXPECT_EQ(Redactor().redact("x"), "x");
}

TEST(RedactorTest, EverySpellingOfItIsFound) {
  std::string html;
  for (const char c : kValue) html += c == '"' ? "&quot;" : c == '+' ? "&#43;" : c == '/' ? "&#x2f;" : std::string(1, c);
  std::string form = percent(kValue, false);
  form.replace(form.find("%20"), 3, "+");
  const std::vector<std::string> spellings = {
      kValue, percent(kValue, false), percent(kValue, true), percent(kValue, true, "0123456789abcdef"), percent(percent(kValue, false), false),
      form, json(kValue), json(kValue, true), json(json(kValue)), json(json(json(kValue, true))), html, hex(kValue),
      hex(kValue, ":"), hex(kValue, " "), wrapped(hex(kValue), 16), json(percent(kValue, true)),
      R"(s3cr3t\/Key+\"x\" \\\u00fc=)", R"(s3cr3t/Key+\x22x\x22\x20\x5c\xc3\xbc=)"};
  for (const std::string& spelling : spellings) {
    EXPECT_EQ(redactor().redact("<" + spelling + ">"), "<[secret KEY]>") << spelling;
    std::string upper = spelling;
    if (spelling == hex(kValue)) {
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    EXPECT_EQ(redactor().redact(upper), "[secret KEY]") << upper;
  }
}

// Wherever it stands in what was encoded; what is left are the characters it shares with its neighbours.
TEST(RedactorTest, Base64IsFoundAtEveryOffsetAndWrapped) {
  for (std::size_t before = 0; before < 7; ++before) {
    const std::string whole = base64("user-id:"  + std::string(before, 'a') + kValue + "tail of it");
    for (const std::string& text : {whole, url_alphabet(whole), wrapped(whole, 13), wrapped(whole, 13, "\r\n"), wrapped(whole, 13, "\\n"),
                                    percent(whole, false), json(whole)}) {
      const std::string shown = redactor().redact(text);
      EXPECT_THAT(shown, ::testing::HasSubstr("[secret KEY]")) << before << " " << text;
      EXPECT_LE(shown.size(), text.size() - kValue.size() + 12) << shown;
    }
  }
}

TEST(RedactorTest, TheLongerOfTwoThatBeginAlikeWins) {
  const Redactor both({{"SHORT", "abcdef"}, {"LONG", "abcdefgh"}});
  EXPECT_EQ(both.redact("abcdefgh abcdefx"), "[secret LONG] [secret SHORT]x");
}

TEST(RedactorTest, ShortValuesAreLeftAlone) { EXPECT_TRUE(Redactor(std::vector<Secret>{{"PIN", "12345"}}).empty()); }

TEST(RedactorTest, AStreamHoldsBackWhatMayBeASecret) {
  for (const std::string& spelling : {kValue, percent(kValue, true), json(kValue, true), base64(kValue), hex(kValue)}) {
    const std::string text = "before " + spelling + " after s3c and 50% of it";
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      RedactingStream stream(redactor());
      std::string shown = stream.push(text.substr(0, cut));
      shown += stream.push(text.substr(cut));
      EXPECT_EQ(shown + stream.finish(), redactor().redact(text)) << cut;
      EXPECT_EQ((shown + stream.finish()).find("s3cr3t/Key"), std::string::npos);
    }
    RedactingStream stream(redactor());
    std::string shown;
    for (const char c : text) shown += stream.push(std::string(1, c));
    EXPECT_EQ(shown + stream.finish(), redactor().redact(text));
  }
  RedactingStream stream(redactor());
  EXPECT_EQ(stream.push("a line\n"), "a line\n");  // ordinary text does not wait
}

TEST(RedactorTest, WhateverBytesComeItEndsAndKeepsThem) {
  std::mt19937 random(7);
  const std::string alphabet = "s3cr3t/Key+\"x\" \\%&;#u0041nx2526=";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (auto n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    if (text.find("s3cr3t") != std::string::npos) continue;
    EXPECT_EQ(redactor().redact(text), text);
    const std::size_t at = random() % (text.size() + 1);
    EXPECT_THAT(redactor().redact(text.substr(0, at) + kValue + text.substr(at)), ::testing::HasSubstr("[secret KEY]"));
  }
}

// Bytes of a hostile server: an escape at every place, and the beginning of nothing.
TEST(RedactorTest, AMillionEscapesTakeNoLongerThanSeconds) {
  for (const std::string piece : {"\\", "%25", "&#1;", "s3cr3t", "czNj"}) {
    std::string text;
    while (text.size() < 1'000'000) text += piece;
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(redactor().redact(text), text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << piece;
  }
}

}  // namespace
}  // namespace toccata::tools
