// The browser gpt-oss was trained with: search, open, find over a stack of pages.
// Source of the surface: openai/gpt-oss gpt_oss/tools/simple_browser, without its defects.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/browser/backend.h"
#include "tools/browser/page_text.h"
#include "tools/browser/page_view.h"
#include "tools/tool.h"

namespace toccata::tools {

// Every search, open, scroll and find that succeeds adds one page to the stack; cursor k is the k-th. One per run.
// With PageScope::kMain pages open as their main content; the view says so, and `open` with `view_source` shows the whole.
class BrowserTool final : public Tool, private CitablePages {
 public:
  BrowserTool(std::unique_ptr<BrowserBackend> backend, TokenPrefix prefix, PageScope scope = PageScope::kWhole);

  const ToolSpec& spec() const override { return spec_; }
  // Errors are plain words for the model (kFailed); nothing is added to the stack then.
  ToolResult call(const ToolCall& call, std::stop_token stop) override;
  const CitablePages* citable_pages() const override { return this; }

 private:
  struct Arguments;
  std::string search(const Arguments& arguments, std::stop_token stop);
  std::string open(const Arguments& arguments, std::stop_token stop);
  std::string find(const Arguments& arguments);

  const std::shared_ptr<const Page>& page_at(std::int64_t cursor) const;
  std::shared_ptr<const Page> load(const std::string& url, bool anew, std::stop_token stop);
  std::string push(std::shared_ptr<const Page> page, int loc, int n_lines);
  std::optional<CitablePage> citable(std::int64_t cursor) const override;

  std::unique_ptr<BrowserBackend> backend_;
  TokenPrefix prefix_;
  PageScope scope_;
  ToolSpec spec_;
  std::vector<std::shared_ptr<const Page>> stack_;
  std::map<std::string, std::shared_ptr<const Page>> pages_;  // by url
};

// Over the index of local documents. Errors as LocalIndex::open.
Result<std::unique_ptr<Tool>> open_local_browser(
    const std::filesystem::path& index, TokenPrefix prefix, PageScope scope = PageScope::kWhole
);

}  // namespace toccata::tools
