// Where the browser tool gets its pages from: the local index, search services and the web.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/web/search_service.h"

namespace toccata::tools {

enum class DocumentKind { kHtml, kText };

struct Document {
  std::string url;
  std::string title;  // "" = take it from the document
  std::string source;
  DocumentKind kind = DocumentKind::kText;
};

// One thread at a time. Errors are told to the model in their own words.
class BrowserBackend {
 public:
  virtual ~BrowserBackend() = default;
  // Best first, at most `n_max`.
  virtual Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop) = 0;
  virtual Result<Document> fetch(const std::string& url, std::stop_token stop) = 0;
  // Whether it asks nobody outside this machine.
  virtual bool is_local() const { return false; }
  // What follows belongs to this call: "RUN/NUMBER", as its idempotency key.
  virtual void begin_call(const std::string& /*key*/) {}
};

}  // namespace toccata::tools
