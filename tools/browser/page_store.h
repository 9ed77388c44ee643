// Pages and search answers in one SQLite file, for two uses: a cache that runs share, and a record of what each run was
// given, which lets it be run again without the network.
//
// The file is a convenience: what goes wrong with it is told once, through `warn`, and everything goes on without it. A
// file that is none of ours, or damaged, is left as it is. Any number of processes may share it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tools/web/fetcher.h"

namespace toccata::tools {

struct StoredPage {
  FetchedPage page;
  std::int64_t stored_s = 0, fresh_until_s = 0;  // seconds since 1970
};

class PageStore {
 public:
  static constexpr std::int64_t kBytesMax = std::int64_t{256} << 20;  // of texts; then the longest unused go
  static constexpr std::size_t kTextBytesMax = std::size_t{16} << 20;  // of one page or answer

  using Warn = std::function<void(const std::string&)>;
  using Clock = std::function<std::int64_t()>;  // seconds since 1970
  // Makes the file and its folder. Never fails: see above.
  PageStore(std::filesystem::path path, Warn warn, Clock clock = {}, std::int64_t bytes_max = kBytesMax);
  ~PageStore();
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;

  // --- The cache: by the URL that was asked for ---
  std::optional<StoredPage> find(const std::string& url);
  void keep(const std::string& url, const FetchedPage& page);
  // The server says that it has not changed.
  void renew(const std::string& url, std::chrono::seconds fresh);
  void drop(const std::string& url);

  // --- The record: `kind` is "page" or "search", `answer` whatever the caller makes of it ---
  void record(std::string_view run, std::string_view kind, const std::string& key, const std::string& answer);
  // The `n`th answer (from 0) of the run to this key; the last one there is, when it has fewer.
  std::optional<std::string> recorded(std::string_view run, std::string_view kind, const std::string& key, int n);
  // How many answers a run has.
  std::int64_t n_recorded(std::string_view run);

  std::int64_t now() const { return clock_(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  struct File;
  template <class Work>
  void guarded(const Work& work);
  void make_room();
  void give_up(const char* what, const Exception& error);

  std::filesystem::path path_;
  Warn warn_;
  Clock clock_;
  std::int64_t bytes_max_;
  std::unique_ptr<File> file_;  // null: going on without
};

}  // namespace toccata::tools
