// A parsed page whose memory and time are bounded, however it was written.
#pragma once

#include <gumbo.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace toccata::tools {

struct HtmlLimits {
  std::size_t bytes_max = std::size_t{768} << 20;  // of the tree
  double cpu_seconds_max = 2;                      // of parsing; hostile nesting is quadratic work in any HTML5 parser
};

// Owns the tree; `source` must outlive it. Any nesting is allowed: nothing here recurses, the memory goes back as a whole.
class HtmlTree {
 public:
  HtmlTree();
  ~HtmlTree();
  HtmlTree(const HtmlTree&) = delete;
  HtmlTree& operator=(const HtmlTree&) = delete;

  // Whether it could be parsed within the limits. Call once.
  bool parse(std::string_view source, const HtmlLimits& limits = {});
  // Requires that parse() said yes.
  const GumboNode& root() const { return *output_->root; }

 private:
  class Arena;
  std::unique_ptr<Arena> arena_;
  GumboOutput* output_ = nullptr;
};

}  // namespace toccata::tools
