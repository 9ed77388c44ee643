#include "tools/pdf/pdf_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <vector>

#include "tools/web/pdf_text.h"
#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

using sandbox::Outcome;
using sandbox::Status;

constexpr std::size_t kTitleBytesMax = 300;

// Where the session's own PATH looks.
bool is_installed(const std::string& program) {
  constexpr std::array kFolders = {"/usr/local/bin", "/usr/bin", "/bin"};
  return std::any_of(kFolders.begin(), kFolders.end(), [&](const char* folder) {
    std::error_code missing;
    return std::filesystem::exists(std::filesystem::path(folder) / program, missing);
  });
}

sandbox::Policy policy_for(sandbox::Level weakest, const PdfLimits& limits) {
  sandbox::Policy policy;
  policy.minimum = weakest;
  policy.warmth = sandbox::Warmth::none();
  policy.limits.memory_bytes = limits.memory_bytes;
  policy.limits.processes = 16;
  policy.limits.cpu_seconds = static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(limits.time).count()) + 1;
  policy.limits.file_bytes = std::max(limits.text_bytes, limits.pdf_bytes);
  policy.limits.workspace_bytes = limits.pdf_bytes + limits.text_bytes + (std::size_t{4} << 20);
  policy.limits.workspace_inodes = 64;
  policy.limits.tmp_bytes = policy.limits.shm_bytes = std::size_t{1} << 20;
  policy.limits.transfer_bytes = std::max(limits.text_bytes, limits.pdf_bytes);
  policy.limits.flood_bytes = std::uint64_t{1} << 20;
  return policy;
}

// pdfinfo for the title and the reason of a failure, not for long; both programs write into files, whose size is bounded. The text's own limit is
// in blocks of 1024 bytes and ends the program that goes beyond it; what was written by then stays.
std::string script(const std::string& program, const PdfLimits& limits) {
  return "timeout 5 pdfinfo -enc UTF-8 document.pdf >info 2>errors\n"
         "ulimit -f " + std::to_string(limits.text_bytes / 1024) + "\n"
         "exec " + program + " -q -enc UTF-8 -eol unix -l " + std::to_string(limits.pages) + " document.pdf text >/dev/null 2>&1\n";
}

// What stands behind "Name:" at the start of a line of pdfinfo's.
std::string_view field(std::string_view info, std::string_view name) {
  for (std::size_t at = 0; at < info.size();) {
    const std::string_view line = info.substr(at, info.find('\n', at) - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      std::string_view value = line.substr(name.size() + 1);
      value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
      return value;
    }
    at += line.size() + 1;
  }
  return {};
}

// Titles that programs put there by themselves say nothing.
bool is_telling(std::string_view title) {
  constexpr std::array<std::string_view, 6> kIdle = {"untitled", "Untitled", "Microsoft Word - ", "Microsoft PowerPoint - ", "PowerPoint Presentation", "Layout 1"};
  if (std::any_of(kIdle.begin(), kIdle.end(), [&](std::string_view idle) { return title.starts_with(idle); })) return false;
  return std::any_of(title.begin(), title.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80 || std::isalpha(static_cast<unsigned char>(c)) != 0; });
}

std::string_view first_line(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.find_first_not_of(" \t\f") != std::string_view::npos) return line.substr(line.find_first_not_of(" \t\f"));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

std::string without_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) {
    return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\n' || c == '\t' || c == '\f';
  });
  return out;
}

bool has_words(std::string_view text) { return text.find_first_not_of(" \t\n\f") != std::string_view::npos; }

// "[Page 2 of 9]" in the place of the form feeds between pages.
std::string with_page_lines(std::string_view text, std::string_view n_pages) {
  std::string out;
  int page = 1;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\f'), text.size());
    std::string_view part = text.substr(0, end);
    while (part.ends_with('\n')) part.remove_suffix(1);
    if (has_words(part)) {
      out += "[Page " + std::to_string(page) + (n_pages.empty() ? "" : " of " + std::string(n_pages)) + "]\n";
      (out += part) += "\n\n";
    }
    ++page;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (out.ends_with('\n')) out.pop_back();
  return out + '\n';
}

std::string digits_only(std::string_view text) {
  const bool sound = !text.empty() && text.size() < 8 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return sound ? std::string(text) : "";
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// Why there is no text.
Error failure(const Outcome& outcome, std::string_view errors, const std::string& n_pages, const PdfLimits& limits) {
  if (errors.find("Incorrect password") != std::string_view::npos) {
    return {ErrorCode::kPermissionDenied, "the PDF is encrypted and wants a password; look for another copy"};
  }
  if (outcome.status == Status::kTimeout) {
    return {ErrorCode::kTimeout, "the PDF gave no text within " + std::to_string(limits.time.count() / 1000) + " s; look for another copy"};
  }
  if (outcome.status == Status::kOk && !n_pages.empty()) {
    return {ErrorCode::kUnsupported, "the PDF has no text in it (pages: " + n_pages + "), it may be a scan; look for a copy with text"};
  }
  if (outcome.exit_code.value_or(255) > 128 || outcome.output.find("out of memory") != std::string::npos) {
    return {ErrorCode::kResourceExhausted, "pdftotext ended without text (" + outcome.output.substr(0, 200) + "): the PDF is damaged or larger than it looks"};
  }
  return {ErrorCode::kCorrupt, "the PDF is damaged: pdftotext cannot read it; look for another copy"};
}

}  // namespace

PdfReader::PdfReader(sandbox::Level weakest, PdfLimits limits, std::string program)
    : weakest_(weakest), limits_(limits), program_(std::move(program)) {}

Result<sandbox::Sandbox*> PdfReader::sandbox() {
  if (!sandbox_) {
    auto made = sandbox::Sandbox::create(policy_for(weakest_, limits_));
    if (!made) return Error{made.error().code, "PDF is read in the sandbox, which cannot be had: " + made.error().message};
    sandbox_.emplace(std::move(*made));
  }
  return &*sandbox_;
}

Result<std::string> PdfReader::text(std::string_view pdf, std::stop_token stop) {
  if (!looks_like_pdf(pdf)) return Error{ErrorCode::kCorrupt, "it is called a PDF but does not begin like one"};
  if (pdf.size() > limits_.pdf_bytes) {
    return Error{ErrorCode::kResourceExhausted, "the PDF has " + mebibytes(pdf.size()) + ", at most " + mebibytes(limits_.pdf_bytes) + " are read"};
  }
  if (!is_installed(program_)) {
    return Error{ErrorCode::kUnavailable, "reading PDF needs pdftotext, which is not installed: install poppler-utils (apt install poppler-utils)"};
  }
  const auto made = sandbox();
  if (!made) return made.error();
  auto session = (*made)->open();
  if (!session) return Error{session.error().code, "PDF is read in the sandbox, which cannot be had: " + session.error().message};
  return convert(**session, pdf, stop);
}

Result<std::string> PdfReader::convert(sandbox::Session& session, std::string_view pdf, std::stop_token stop) {
  if (const auto put = session.upload("document.pdf", pdf); !put) return put.error();
  const Outcome outcome = session.run_command({{"sh", "-c", script(program_, limits_)}}, limits_.time, stop);
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped while the PDF was read"};
  const auto read = [&](const char* name) { return session.download(name); };
  const auto info = read("info");
  const auto errors = read("errors");
  const auto text = read("text");
  const std::string n_pages = info ? digits_only(field(*info, "Pages")) : "";
  const std::string words = text ? mended_utf8(without_controls(*text)) : "";
  if (!has_words(words)) return failure(outcome, errors ? std::string_view(*errors) : "", n_pages, limits_);
  std::string title = info ? without_controls(mended_utf8(field(*info, "Title").substr(0, kTitleBytesMax))) : "";
  if (!is_telling(title)) title = mended_utf8(first_line(words).substr(0, kTitleBytesMax));
  std::string out = "# " + title + "\n\n" + with_page_lines(words, n_pages);
  int n = 0;
  std::from_chars(n_pages.data(), n_pages.data() + n_pages.size(), n);
  const bool cut = outcome.status != Status::kOk || n > limits_.pages;
  if (cut) out += "\n[The rest of the PDF is left out: it takes too long, is too large or is damaged]\n";
  return out;
}

}  // namespace toccata::tools
