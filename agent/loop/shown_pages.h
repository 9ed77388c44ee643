// The pages of a conversation, read back from what the browser tool has shown in it: for those who have the text only, a
// server whose client runs the tool, and a resumed run whose tool begins anew.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tools/citable_pages.h"
#include "tools/registry.h"

namespace toccata::agent {

class ShownPages final : public tools::CitablePages {
 public:
  // Takes a result of the browser tool in; any other text is none of its concern. A cursor that is shown again is the
  // new page. Lines that were not shown are empty.
  void show(std::string_view text);
  bool empty() const { return pages_.empty(); }
  std::optional<tools::CitablePage> citable(std::int64_t cursor) const override;

 private:
  struct Shown {
    std::string url, title;
    std::map<std::int64_t, std::string> lines;  // by number: between them may be any number that was not shown
  };
  std::map<std::int64_t, Shown> pages_;
};

// What a run can cite: the pages its tools have, then those that were shown. Borrows the registry.
class RunPages final : public tools::CitablePages {
 public:
  explicit RunPages(const tools::Registry& registry) : registry_(registry) {}
  // A result that the model has read.
  void show(std::string_view author, std::string_view text);
  std::optional<tools::CitablePage> citable(std::int64_t cursor) const override;

 private:
  const tools::Registry& registry_;
  ShownPages shown_;
};

// Whether an author's results may be pages: "browser.open", "functions.browser.open".
bool shows_pages(std::string_view author);

}  // namespace toccata::agent
