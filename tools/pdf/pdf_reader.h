// Text of PDF files, through pdftotext and pdfinfo of poppler-utils. Both read what strangers wrote, so they run in a sandbox session:
// without network and files of the user, bounded in time, memory and output. Each document gets a session of its own, so that none
// can have a hand in what the next one says.
//
//   PdfReader reader(sandbox::Level::kFullNoCgroup);
//   Result<std::string> text = reader.text(bytes);  // "# On tides\n\n[Page 1 of 2]\n..."
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "sandbox/sandbox.h"

namespace toccata::tools {

struct PdfLimits {
  std::chrono::milliseconds time{30'000};
  std::size_t memory_bytes = std::size_t{768} << 20;
  std::size_t pdf_bytes = std::size_t{64} << 20;
  std::size_t text_bytes = std::size_t{16} << 20;  // more is left out, and said so
  int pages = 5000;                                // likewise
};

// One thread at a time. Costs nothing until it is first used.
class PdfReader {
 public:
  // `weakest`: the least level of the sandbox that is accepted. `program` is looked for in /usr/local/bin, /usr/bin and /bin.
  explicit PdfReader(sandbox::Level weakest, PdfLimits limits = {}, std::string program = "pdftotext");

  // A heading, then each page behind a line that numbers it. Valid UTF-8 without control characters.
  // Errors: kUnavailable (pdftotext is not installed, the sandbox cannot be had), kCorrupt (damaged), kPermissionDenied (it wants a
  // password), kUnsupported (no text in it: a scan), kResourceExhausted (larger than pdf_bytes, or more memory than allowed before
  // the first word), kTimeout, kCancelled.
  Result<std::string> text(std::string_view pdf, std::stop_token stop = {});

 private:
  Result<sandbox::Sandbox*> sandbox();
  Result<std::string> convert(sandbox::Session& session, std::string_view pdf, std::stop_token stop);

  sandbox::Level weakest_;
  PdfLimits limits_;
  std::string program_;
  std::optional<sandbox::Sandbox> sandbox_;
};

}  // namespace toccata::tools
