// Whole conversations with the browser, as files under tests/data/browser/sessions: a call on a line of its own after ">>> ",
// who answers after "<<< ", then the answer. TOCCATA_RECORD=1 writes the answers instead of comparing them; record only
// what scripts/check_browser.py finds equal to the reference or what the first line explains.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "agent/cli/token_prefix.h"
#include "tests/tools/browser/folder_backend.h"
#include "tools/browser/browser_tool.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(TOCCATA_SOURCE_DIR) / "tests/data/browser";

std::vector<fs::path> sessions() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFolder / "sessions")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// The session played again: comments and calls of the file, answers of the tool.
std::string played(const std::string& text) {
  BrowserTool tool(std::make_unique<testing::FolderBackend>(kFolder), cli::o200k_prefix());
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ") && out.empty()) out += line + "\n";
    if (!line.starts_with(">>> ")) continue;
    const std::size_t blank = line.find(' ', 4);
    const ToolResult result = tool.call({line.substr(4, blank - 4), line.substr(blank + 1), ""}, {});
    out += line + "\n<<< " + result.author + "\n" + result.content + "\n";
  }
  return out;
}

class BrowserSessionTest : public ::testing::TestWithParam<fs::path> {};

TEST_P(BrowserSessionTest, GoesAsRecorded) {
  const std::string recorded = read_text_file(GetParam()).value_or_throw();
  const std::string now = played(recorded);
  if (std::getenv("TOCCATA_RECORD") != nullptr) std::ofstream(GetParam()) << now;
  EXPECT_EQ(now, read_text_file(GetParam()).value_or_throw());
}

INSTANTIATE_TEST_SUITE_P(Recorded, BrowserSessionTest, ::testing::ValuesIn(sessions()), [](const auto& page) {
  return "S" + page.param.stem().string();
});

TEST(BrowserSessionsTest, AreAllThere) { EXPECT_GE(sessions().size(), 30U); }

}  // namespace
}  // namespace toccata::tools
