#include "tools/web/charset.h"

#include <gtest/gtest.h>
#include <iconv.h>

#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

// Text as iconv writes it, which knows nothing of our decoder.
std::string encoded(std::string text, const char* encoding) {
  const iconv_t handle = iconv_open(encoding, "UTF-8");
  std::string out(text.size() * 4 + 16, '\0');
  char* from = text.data();
  char* to = out.data();
  std::size_t left = text.size();
  std::size_t room = out.size();
  const bool done = iconv(handle, &from, &left, &to, &room) != static_cast<std::size_t>(-1) &&
                    iconv(handle, nullptr, nullptr, &to, &room) != static_cast<std::size_t>(-1);
  iconv_close(handle);
  EXPECT_TRUE(done) << encoding << " cannot write " << text;
  out.resize(out.size() - room);
  return out;
}

struct Sample {
  std::string name;
  const char* iconv;
  const char* encoding;
  std::string text;
};

// Sentences of our own.
const std::vector<Sample> kSamples = {
    {"Japanese", "CP932", "Shift_JIS", "<p>満潮は一日に二回あります。月の引力が海の水を動かすからです。カレンダーで確かめてください。"},
    {"JapaneseShort", "CP932", "Shift_JIS", "<title>潮のひきかた</title>"},
    {"JapaneseEuc", "EUC-JP", "EUC-JP", "<p>満潮は一日に二回あります。月の引力が海の水を動かすからです。カレンダーで確かめてください。"},
    {"JapaneseMail", "ISO-2022-JP", "ISO-2022-JP", "<p>満潮は一日に二回あります。"},
    {"Chinese", "GB18030", "gb18030", "<p>海水每天涨落两次，这是因为月亮的引力。我们可以在网上看到时间表，请问你什么时候去海边？"},
    {"ChineseTraditional", "BIG5", "Big5", "<p>海水每天漲落兩次，這是因為月亮的引力。我們可以在網上看到時間表，請問你什麼時候去海邊？"},
    {"Korean", "EUC-KR", "EUC-KR", "<p>바닷물은 하루에 두 번 오르내립니다. 달의 중력이 물을 움직이기 때문입니다. 시간표를 보세요."},
    {"Russian", "WINDOWS-1251", "windows-1251", "<p>Прилив бывает два раза в день. Луна притягивает воду, и Земля вращается под ней."},
    {"RussianKoi", "KOI8-R", "KOI8-R", "<p>Прилив бывает два раза в день. Луна притягивает воду, и Земля вращается под ней."},
    {"French", "WINDOWS-1252", "windows-1252", "<p>La marée monte deux fois par jour ; c’est l’attraction de la lune, déjà connue à l’été."},
    {"German", "WINDOWS-1252", "windows-1252", "<p>Die Flut kommt täglich zweimal über die Küste; größer wird sie bei Vollmond."},
    {"OneAccent", "WINDOWS-1252", "windows-1252", "<p>Only one caf\u00e9 in a long English page."},
    {"Quotes", "WINDOWS-1252", "windows-1252", "<p>\u201cQuoted\u201d \u2014 and no more."},
    {"Utf8", "UTF-8", "UTF-8", "<p>Ebbe \u2013 \u6f6e \u2013 прилив \U0001F30A"},
    {"Utf16Little", "UTF-16LE", "UTF-16LE", "<p>plain text with an \u00e9"},
    {"Utf16Big", "UTF-16BE", "UTF-16BE", "<p>plain text with an \u00e9"},
    {"Ascii", "UTF-8", "UTF-8", "<p>plain"},
};

class DetectionTest : public ::testing::TestWithParam<Sample> {};

TEST_P(DetectionTest, FindsTheEncodingAndReadsIt) {
  const Sample& sample = GetParam();
  const std::string bytes = encoded(sample.text, sample.iconv);
  EXPECT_EQ(detect_encoding(bytes), sample.encoding);
  EXPECT_EQ(to_utf8(bytes, "text/html", true), sample.text);
  if (sample.name.starts_with("Utf16")) return;
  EXPECT_EQ(to_utf8(std::string(100'000, ' ') + bytes, "text/html", true).substr(100'000), sample.text) << "after a long head";
}

TEST_P(DetectionTest, ALabelInTheHeaderIsEnough) {
  const Sample& sample = GetParam();
  const std::string bytes = encoded(sample.text, sample.iconv);
  const auto found = find_charset(bytes, std::string("text/html; charset=\"") + sample.encoding + "\"", true);
  EXPECT_EQ(found.encoding, sample.encoding);
  EXPECT_EQ(found.source, CharsetSource::kHeader);
  EXPECT_EQ(decode(bytes, found.encoding), sample.text);
}

INSTANTIATE_TEST_SUITE_P(Each, DetectionTest, ::testing::ValuesIn(kSamples), [](const auto& p) { return p.param.name; });

TEST(CharsetLabelTest, LabelsAreThoseOfTheStandard) {
  EXPECT_EQ(encoding_of_label(" Latin1\n"), "windows-1252");
  EXPECT_EQ(encoding_of_label("ISO-8859-1"), "windows-1252");
  EXPECT_EQ(encoding_of_label("us-ascii"), "windows-1252");
  EXPECT_EQ(encoding_of_label("gb2312"), "GBK");
  EXPECT_EQ(encoding_of_label("ks_c_5601-1987"), "EUC-KR");
  EXPECT_EQ(encoding_of_label("x-sjis"), "Shift_JIS");
  EXPECT_EQ(encoding_of_label("utf-16"), "UTF-16LE");
  EXPECT_EQ(encoding_of_label("iso-2022-kr"), "replacement");
  for (const char* unknown : {"", " ", "utf", "utf-8 utf8", "utf-7", "EBCDIC-US", "../../etc/passwd", "UTF-8//IGNORE"}) {
    EXPECT_EQ(encoding_of_label(unknown), std::nullopt) << unknown;
  }
}

struct Declared {
  std::string name;
  std::string bytes;
  std::string type;
  std::string_view encoding;
  CharsetSource source;
};

const std::vector<Declared> kDeclared = {
    {"BomBeatsHeader", "\xEF\xBB\xBFx", "text/html; charset=koi8-r", "UTF-8", CharsetSource::kByteOrderMark},
    {"BomOfUtf16", "\xFF\xFEx\0", "text/html; charset=utf-8", "UTF-16LE", CharsetSource::kByteOrderMark},
    {"HeaderBeatsMeta", "<meta charset=utf-8>\xE9t\xE9", "text/html;CHARSET = 'windows-1250'", "windows-1250", CharsetSource::kHeader},
    {"UnknownHeaderIsNone", "<meta charset='shift_jis'>", "text/html; charset=nonsense", "Shift_JIS", CharsetSource::kMeta},
    {"MetaCharset", "<!doctype html><html><head><META\tCHARSET = \"euc-kr\" >", "text/html", "EUC-KR", CharsetSource::kMeta},
    {"MetaHttpEquiv", "<meta http-equiv=Content-Type content='text/html; charset=big5'>", "text/html", "Big5", CharsetSource::kMeta},
    {"MetaInAComment", "<!-- <meta charset=koi8-r> --><meta charset=gbk>", "text/html", "GBK", CharsetSource::kMeta},
    {"MetaOfAnotherName", "<metadata charset=koi8-r><p>x", "text/html", "UTF-8", CharsetSource::kDetected},
    {"MetaNeverEnds", "<meta charset=koi8-r", "text/html", "KOI8-R", CharsetSource::kMeta},
    {"CommentNeverEnds", "<!-- <meta charset=koi8-r>", "text/html", "UTF-8", CharsetSource::kDetected},
    {"MetaSaysUtf16", "<meta charset=utf-16>\xC3\xA9", "text/html", "UTF-8", CharsetSource::kMeta},
    {"XmlDeclaration", "<?xml version='1.0' encoding='koi8-r'?>", "application/xml", "KOI8-R", CharsetSource::kMeta},
    {"NoMetaInText", "<meta charset=koi8-r>", "", "UTF-8", CharsetSource::kDetected},
    {"HeaderSaysLatinOfUtf8", "na\xC3\xAFve caf\xC3\xA9", "text/html; charset=iso-8859-1", "UTF-8", CharsetSource::kDetected},
    {"HeaderSaysUtf8OfLatin", "une \xE9t\xE9 \xE0 la plage", "text/html; charset=utf-8", "windows-1252", CharsetSource::kDetected},
    {"HeaderSaysUtf8OfCyrillic", "\xCF\xF0\xE8\xE2\xE5\xF2 \xEC\xE8\xF0", "text/html; charset=utf-8", "windows-1251", CharsetSource::kDetected},
    {"HeaderSaysUtf16OfAscii", "<p>plain", "text/html; charset=utf-16le", "UTF-8", CharsetSource::kDetected},
    {"OneBadByteIsForgiven", std::string("\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xA9\xC3\xA8\xC3\xA0"
                                         "\xC3\xA9\xC3\xA8\xC3\xA0\xC3\xA9\xC3\xA8\xC3\xA0\xFF"), "text/html; charset=utf-8", "UTF-8", CharsetSource::kHeader},
};

TEST(CharsetTest, DeclarationsAreWeighed) {
  for (const Declared& declared : kDeclared) {
    const bool markup = !declared.type.empty();
    const Charset found = find_charset(declared.bytes, declared.type, markup);
    EXPECT_EQ(found.encoding, declared.encoding) << declared.name;
    EXPECT_EQ(static_cast<int>(found.source), static_cast<int>(declared.source)) << declared.name;
  }
}

TEST(CharsetTest, WhatIsNoCharacterIsMarked) {
  EXPECT_EQ(decode("a\xFF" "b", "UTF-8"), "a\uFFFDb");
  EXPECT_EQ(decode("\xED\xA0\x80", "UTF-8"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(decode("x\xE2\x82", "UTF-8"), "x\uFFFD");
  EXPECT_EQ(decode("\xF4\x90\x80\x80", "UTF-8").find("\xF4"), std::string::npos);
  EXPECT_EQ(decode("\x82<b>", "Shift_JIS"), "\uFFFD<b>");
  EXPECT_EQ(decode("\x81", "Shift_JIS"), "\uFFFD");
  EXPECT_EQ(decode("a\x81z", "windows-1252"), "a\uFFFDz");
  EXPECT_EQ(decode(std::string("\x00\xD8x\0", 4), "UTF-16LE"), "\uFFFDx");
  EXPECT_EQ(decode("abc", "UTF-16LE"), "\u6261\uFFFD");
  EXPECT_EQ(decode("\x1B$)C\x0E!!", "replacement"), "\uFFFD");
  EXPECT_EQ(decode("", "replacement"), "");
  EXPECT_EQ(decode("\xEF\xBB\xBFx", "UTF-8"), "x");
  EXPECT_EQ(decode("caf\xE9", "no such thing"), "caf\u00e9");
}

TEST(CharsetTest, EveryByteInEveryEncodingGivesUtf8) {
  std::string bytes;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 5) bytes += {static_cast<char>(a), static_cast<char>(b)};
  }
  for (const char* label : {"utf-8", "ibm866", "latin2", "latin3", "latin4", "iso-8859-5", "arabic", "greek", "hebrew", "logical", "latin6", "iso-8859-13",
                            "iso-8859-14", "l9", "iso-8859-16", "koi8-r", "koi8-u", "macintosh", "tis-620", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
                            "cp1255", "cp1256", "cp1257", "cp1258", "x-mac-cyrillic", "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "sjis", "euc-kr",
                            "replacement", "utf-16be", "utf-16le", "x-user-defined"}) {
    const auto encoding = encoding_of_label(label);
    ASSERT_TRUE(encoding) << label;
    const std::string text = decode(bytes, *encoding);
    EXPECT_EQ(utf8_form(text).n_bad, 0U) << label;
    EXPECT_FALSE(text.empty()) << label;
  }
}

TEST(CharsetTest, RandomBytesAreReadAsSomething) {
  std::uint32_t state = 1;
  std::string bytes(3 << 20, '\0');
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  EXPECT_EQ(utf8_form(to_utf8(bytes, "", true)).n_bad, 0U);
}

}  // namespace
}  // namespace toccata::tools
