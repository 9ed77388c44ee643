#include "agent/cli/line_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace toccata::cli {
namespace {

class Lines final : public LineReader {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  std::optional<std::string> line(bool) override {
    if (at_ == lines_.size()) return std::nullopt;
    return lines_[at_++];
  }
  void remember(const std::string& message) override { remembered.push_back(message); }
  std::vector<std::string> remembered;

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

TEST(LineReaderTest, MessagesMayHaveSeveralLines) {
  Lines lines({"one", "a\\", "b\\", "c", R"(""")", "x", "", R"(y""")", R"("""z""")", R"(path \\)", "", R"(""")", "open"});
  std::vector<std::string> messages;
  while (const auto message = next_message(lines)) messages.push_back(*message);
  EXPECT_EQ(messages, (std::vector<std::string>{"one", "a\nb\nc", "x\n\ny", "z", R"(path \\)", "", "open"}));
  EXPECT_EQ(lines.remembered, messages);
}

TEST(LineReaderTest, TheEndMayComeInTheMiddle) {
  Lines lines({"a\\"});
  EXPECT_EQ(next_message(lines), "a\n");
  EXPECT_EQ(next_message(lines), std::nullopt);
}

}  // namespace
}  // namespace toccata::cli
