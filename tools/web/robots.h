// robots.txt, RFC 9309: what of a site a crawler may ask for.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools {

class RobotsRules {
 public:
  // The group of `agent` (a product name such as "toccata"), else that of "*". Any bytes are a file; what is no rule is passed over, and so is
  // what lies behind the first 500 KiB.
  static RobotsRules parse(std::string_view text, std::string_view agent);
  static RobotsRules allow_all() { return {}; }
  static RobotsRules allow_none();

  // Path and query of a URL. The longest rule that matches decides, of equals the one that allows.
  bool allows(std::string_view target) const;
  // Crawl-delay, which is no part of the RFC but widely used; at most a minute.
  std::optional<std::chrono::milliseconds> delay() const { return delay_; }
  // Absolute addresses, of the whole file.
  const std::vector<std::string>& sitemaps() const { return sitemaps_; }

 private:
  struct Rule {
    bool allow = false;
    std::string pattern;
  };
  std::vector<Rule> rules_;
  std::optional<std::chrono::milliseconds> delay_;
  std::vector<std::string> sitemaps_;
};

}  // namespace toccata::tools
