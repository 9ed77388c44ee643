#include "tools/pdf/pdf_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>

#include "tests/support/loopback_server.h"
#include "tests/support/pdf_writer.h"
#include "tests/support/temp_folder.h"
#include "tools/browser/local_index.h"
#include "tools/web/fetcher.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Connection;
using testing::http_answer;
using testing::pdf_of_contents;
using testing::pdf_of_lines;
using testing::pdf_stream;

std::string packed(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9);
  out.resize(size);
  return out;
}

std::string repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// Skips where there is no pdftotext or no sandbox, and says which.
class PdfReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto text = PdfReader(sandbox::Level::kLandlock).text(pdf_of_lines({"probe"}));
    if (!text && text.error().code == ErrorCode::kUnavailable) GTEST_SKIP() << text.error().message;
  }
  static Result<std::string> read(const std::string& pdf, PdfLimits limits = {}) { return PdfReader(sandbox::Level::kLandlock, limits).text(pdf); }
};

TEST_F(PdfReaderTest, GivesTitleAndPages) {
  const auto text = read(pdf_of_lines({"High water comes late.", "Low water too."}, "On tides"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "# On tides\n\n[Page 1 of 2]\nHigh water comes late.\n\n[Page 2 of 2]\nLow water too.\n");
}

TEST_F(PdfReaderTest, TakesTheFirstLineForATitleThatSaysNothing) {
  for (const std::string title : {"", "Untitled", "Microsoft Word - draft3.doc", "42"}) {
    EXPECT_THAT(read(pdf_of_lines({"High water comes late."}, title)).value_or_throw(), ::testing::StartsWith("# High water comes late.\n"));
  }
}

TEST_F(PdfReaderTest, OneReaderReadsManyAndNoneSeesTheOther) {
  PdfReader reader(sandbox::Level::kLandlock);
  EXPECT_THAT(reader.text(pdf_of_lines({"one"})).value_or_throw(), HasSubstr("one"));
  EXPECT_FALSE(reader.text("%PDF-1.4 nothing"));
  EXPECT_THAT(reader.text(pdf_of_lines({"three"})).value_or_throw(), Not(HasSubstr("one")));
}

TEST_F(PdfReaderTest, SaysWhatIsWrongWithAPdf) {
  const std::string whole = pdf_of_lines({"High water"}, "On tides");
  EXPECT_EQ(read(whole.substr(0, whole.size() / 3)).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read("%PDF-1.7\n" + repeated("\xFF\x01\n", 1000)).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read("<html>not found</html>").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read("").error().code, ErrorCode::kCorrupt);
  const auto scan = read(pdf_of_contents({pdf_stream("0 0 m 100 100 l S")}, "Scan"));
  EXPECT_EQ(scan.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(scan.error().message, HasSubstr("scan"));
}

// Encrypted with a password (RC4, 40 bits): whatever O and U hold, the empty password does not fit.
TEST_F(PdfReaderTest, AnEncryptedPdfIsSaidToWantAPassword) {
  const std::string zeros = repeated("00", 32);
  const auto text = read(pdf_of_contents(
      {pdf_stream("BT /F1 12 Tf 72 700 Td (secret) Tj ET")}, "T", 1,
      "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/O<" + zeros + ">/U<" + zeros + ">/P -4>>"));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kPermissionDenied) << text.error().message;
  EXPECT_THAT(text.error().message, HasSubstr("password"));
}

// 256 MiB of content in a quarter of a MiB.
TEST_F(PdfReaderTest, ABombEndsAtALimit) {
  const std::string content = "BT /F1 12 Tf 72 700 Td " + repeated("(AAAAAAAAAAAAAAAA) Tj ", 12'000'000) + "ET";
  const std::string pdf = pdf_of_contents({pdf_stream(packed(content), "/Filter/FlateDecode")}, "Bomb");
  ASSERT_LT(pdf.size(), std::size_t{2} << 20);
  const auto began = std::chrono::steady_clock::now();
  const auto text = read(pdf, {.time = 5'000ms, .memory_bytes = std::size_t{128} << 20});
  EXPECT_LT(std::chrono::steady_clock::now() - began, 60s) << "it hangs";
  // A fast machine is through within the time: one line, written over itself.
  if (text) {
    EXPECT_LT(text->size(), std::size_t{1} << 20);
    return;
  }
  EXPECT_TRUE(text.error().code == ErrorCode::kResourceExhausted || text.error().code == ErrorCode::kTimeout) << text.error().message;
}

TEST_F(PdfReaderTest, EndlessOutputIsCutAndSaidToBe) {
  const std::string line = repeated("water ", 20);
  std::string content = "BT /F1 4 Tf 10 780 Td ";
  for (int i = 0; i < 190; ++i) content += "(" + line + ") Tj 0 -4 Td ";
  const std::string pdf = pdf_of_contents({pdf_stream(content + "ET")}, "Endless", 2000);  // one content, many pages
  const auto text = read(pdf, {.text_bytes = std::size_t{1} << 20});
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_LT(text->size(), std::size_t{2} << 20);
  EXPECT_THAT(text->substr(text->size() - 200), HasSubstr("left out"));
  const auto few = read(pdf, {.pages = 3});
  ASSERT_TRUE(few) << few.error().message;
  EXPECT_THAT(*few, HasSubstr("[Page 3 of 2000]"));
  EXPECT_THAT(*few, Not(HasSubstr("[Page 4")));
  EXPECT_THAT(*few, HasSubstr("left out"));
}

TEST_F(PdfReaderTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(read(pdf_of_lines({"x"}), {.pdf_bytes = 100}).error().code, ErrorCode::kResourceExhausted);
}

TEST_F(PdfReaderTest, StopsWhenAskedTo) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(PdfReader(sandbox::Level::kLandlock).text(pdf_of_lines({"x"}), stop.get_token()).error().code, ErrorCode::kCancelled);
}

TEST(PdfReaderAloneTest, SaysWhatToInstall) {
  const auto text = PdfReader(sandbox::Level::kLandlock, {}, "pdftotext-that-is-not-there").text(pdf_of_lines({"x"}));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(text.error().message, HasSubstr("install poppler-utils"));
}

TEST_F(PdfReaderTest, TheWebHasPdfPages) {
  const std::string pdf = pdf_of_lines({"High water comes late."}, "On tides");
  testing::LoopbackServer server([&](const std::string& request, Connection& connection) {
    const bool untyped = request.starts_with("GET /octets");
    const bool html = request.starts_with("GET /page");
    connection.send(http_answer("200 OK", untyped ? "application/octet-stream" : "application/pdf", html ? "<p>log in" : pdf));
  });
  Fetcher fetcher(AddressPolicy::with_origins({server.url()}).value_or_throw(), {.host_interval = 0ms});
  EXPECT_EQ(fetcher.fetch(server.url("/a.pdf")).error().code, ErrorCode::kUnsupported) << "without a reader of PDFs";
  PdfReader reader(sandbox::Level::kLandlock);
  fetcher.read_pdfs([&](std::string_view bytes, std::stop_token stop) { return reader.text(bytes, stop); });
  for (const char* path : {"/a.pdf", "/octets"}) {
    const auto page = fetcher.fetch(server.url(path));
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_FALSE(page->html);
    EXPECT_THAT(page->body, HasSubstr("High water"));
  }
  EXPECT_EQ(fetcher.fetch(server.url("/page")).error().code, ErrorCode::kCorrupt);
}

TEST_F(PdfReaderTest, TheIndexHasPdfFiles) {
  const testing::TempFolder folder;
  const auto put = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder / ("documents/" + name), std::ios::binary) << bytes;
  };
  std::filesystem::create_directories(folder / "documents");
  put("tides.pdf", pdf_of_lines({"High water comes late."}, "On tides"));
  put("2401.00001", pdf_of_lines({"Neap tides are low."}, "Without an ending"));
  put("broken.pdf", "%PDF-1.4 nothing");
  const auto index = LocalIndex::open(folder / "index.db", LocalIndex::Mode::kWrite).value_or_throw();
  PdfReader reader(sandbox::Level::kLandlock);
  index->read_pdfs([&](std::string_view bytes, std::stop_token stop) { return reader.text(bytes, stop); });
  const IndexChange change = index->add(folder / "documents").value_or_throw();
  EXPECT_EQ(change.added, 2);
  EXPECT_EQ(change.skipped, 1);
  EXPECT_THAT(change.troubles, ElementsAre(AllOf(HasSubstr("broken.pdf"), HasSubstr("damaged"))));
  EXPECT_EQ(index->search("high water", 5).value_or_throw().at(0).title, "On tides");
  EXPECT_EQ(index->search("neap", 5).value_or_throw().at(0).title, "Without an ending");
}

}  // namespace
}  // namespace toccata::tools
