// Which hosts the code of a session may reach, as the user names them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/web/web_url.h"

namespace toccata::tools {

// "example.org": that host; "*.example.org": every host below it, not itself; "192.0.2.1", "[2001:db8::1]": that address. At
// ports 80 and 443, or with ":8443" behind it at that one. An empty list allows nothing.
class AllowList {
 public:
  // kInvalidArgument names the text and what is wrong with it: no host, a port that is none, a whole URL, a wildcard that is not the
  // first label or stands before a single one.
  static Result<AllowList> make(const std::vector<std::string>& texts);

  bool allows(const WebUrl& url) const;
  // "example.org, *.example.net:8443": as given, the first of them when they are many.
  std::string text() const;

  struct Entry {
    std::string text;     // as given
    bool below = false;   // hosts below `host` instead of it
    WebUrl host;          // its port and scheme mean nothing
    std::vector<int> ports;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace toccata::tools
