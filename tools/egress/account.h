// What was asked for during one execution: one row a host, port, verdict and reason.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "sandbox/egress.h"

namespace toccata::tools {

class Account {
 public:
  static constexpr std::size_t kRowsMax = 100;  // what goes beyond is added up in one row more

  void add(const sandbox::HostUse& use) {
    Key key{use.host, use.port, use.allowed, use.reason};
    if (!rows_.contains(key) && rows_.size() >= kRowsMax) key = {"", 0, false, "further hosts and reasons"};
    sandbox::HostUse& row = rows_[key];
    if (row.connections == 0) std::tie(row.host, row.port, row.allowed, row.reason) = key;
    row.connections += use.connections;
    row.sent += use.sent;
    row.received += use.received;
  }

  std::vector<sandbox::HostUse> rows() const {
    std::vector<sandbox::HostUse> rows;
    for (const auto& [key, row] : rows_) rows.push_back(row);
    return rows;
  }

 private:
  using Key = std::tuple<std::string, int, bool, std::string>;
  std::map<Key, sandbox::HostUse> rows_;
};

}  // namespace toccata::tools
