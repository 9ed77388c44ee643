// Pages of ZIM files (openzim.org: Wikipedia and other sites for reading offline, as Kiwix has them), by libzim through its Python
// bindings. It reads what strangers made, so it runs in a sandbox session: without network, with no file of the user but this one, bounded in
// time, memory and output.
//
//   auto archive = ZimArchive::open("wiki.zim", sandbox::Level::kFullNoCgroup).value_or_throw();
//   for (std::uint64_t at = 0; at < archive->n_entries();) { auto batch = archive->read(at, stop).value_or_throw(); at = batch.next; ... }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>

#include "sandbox/sandbox.h"
#include "tools/browser/document_archive.h"

namespace toccata::tools {

struct ZimLimits {
  std::chrono::milliseconds time{120'000};  // of opening, and of one read()
  // Of address space: libzim maps the lists of a large file.
  std::size_t memory_bytes = std::size_t{4} << 30;
  std::size_t page_bytes = std::size_t{8} << 20;   // larger ones are left out
  std::size_t batch_bytes = std::size_t{16} << 20;  // of pages, that one read() gives; a single page may be larger
};

class ZimArchive final : public DocumentArchive {
 public:
  // `weakest`: the least level of the sandbox that is accepted. Errors: kUnavailable (the bindings are not installed, the
  // sandbox cannot be had), kCorrupt (no ZIM file, damaged), kNotFound, kPermissionDenied, kTimeout, kCancelled.
  static Result<std::unique_ptr<ZimArchive>> open(
      const std::filesystem::path& file, sandbox::Level weakest, ZimLimits limits = {}, std::stop_token stop = {}
  );

  std::uint64_t n_entries() const override { return n_entries_; }
  // Articles: HTML and plain text; pictures, styles and indexes are no pages. kCorrupt when the file is damaged there.
  Result<Batch> read(std::uint64_t first, std::stop_token stop) override;

 private:
  ZimArchive(sandbox::Sandbox sandbox, std::unique_ptr<sandbox::Session> session, ZimLimits limits)
      : limits_(limits), sandbox_(std::move(sandbox)), session_(std::move(session)) {}
  Result<std::string> run(const std::string& code, const char* file, std::stop_token stop);

  ZimLimits limits_;
  sandbox::Sandbox sandbox_;  // before the session, which must end first
  std::unique_ptr<sandbox::Session> session_;
  std::uint64_t n_entries_ = 0;
};

// What read() makes of the bytes that came out of the sandbox, which may be anything; "first" and `n_entries` bound what they may say.
// For tests.
Result<DocumentArchive::Batch> parse_batch(std::string_view bytes, std::uint64_t first, std::uint64_t n_entries);

}  // namespace toccata::tools
