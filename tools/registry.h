#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tool.h"

namespace toccata::tools {

// The tools of one run, found by recipient. Owns them; one thread at a time.
class Registry {
 public:
  // Tools may share a namespace, not a recipient. Throws Exception(kInvalidArgument) when one is taken.
  void add(std::unique_ptr<Tool> tool);

  // "python" -> the raw tool of that name; "browser.search" -> the tool whose namespace declares `search`.
  // nullptr when nothing declared answers to it.
  Tool* find(std::string_view recipient) const;

  // Every recipient a model may address, in order of adding.
  std::vector<std::string> recipients() const;

  const std::vector<std::unique_ptr<Tool>>& tools() const { return tools_; }

 private:
  std::vector<std::unique_ptr<Tool>> tools_;
};

}  // namespace toccata::tools
