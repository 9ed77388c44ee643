// A web site on 127.0.0.1: pages by path, with validators, and a record of what was asked for.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/loopback_server.h"

namespace toccata::testing {

struct SitePageAnswer {
  std::string body;
  std::string type = "text/html; charset=utf-8";
  std::string status = "200 OK";
  std::string headers = "";  // each with its line end
  std::string etag = "";     // answered with 304 when asked for with it
};

class SmallSite {
 public:
  SmallSite()
      : server_([this](const std::string& request, Connection& connection) { answer(request, connection); }) {}

  void put(const std::string& path, SitePageAnswer page) {
    const std::lock_guard lock(mutex_);
    pages_[path] = std::move(page);
  }
  void html(const std::string& path, const std::string& title, const std::string& body) { put(path, {"<title>" + title + "</title><p>" + body}); }
  void remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    pages_.erase(path);
  }
  std::string url(const std::string& path = "") const { return server_.url(path); }
  // Paths asked for since the last call, in their order; "304 " stands before one that had not changed.
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return std::exchange(asked_, {});
  }

 private:
  void answer(const std::string& request, Connection& connection) {
    const std::lock_guard lock(mutex_);
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    const auto page = pages_.find(path);
    if (page == pages_.end()) {
      asked_.push_back(path);
      return connection.send(http_answer("404 Not Found", "text/plain", "no"));
    }
    const auto& [body, type, status, headers, etag] = page->second;
    const std::string tag = etag.empty() ? "" : "ETag: \"" + etag + "\"\r\n";
    if (!etag.empty() && request.find("If-None-Match: \"" + etag + "\"\r\n") != std::string::npos) {
      asked_.push_back("304 " + path);
      return connection.send("HTTP/1.1 304 Not Modified\r\n" + tag + "Connection: close\r\n\r\n");
    }
    asked_.push_back(path);
    connection.send(http_answer(status, type, body, tag + headers));
  }

  std::mutex mutex_;
  std::map<std::string, SitePageAnswer> pages_;
  std::vector<std::string> asked_;
  LoopbackServer server_;
};

}  // namespace toccata::testing
