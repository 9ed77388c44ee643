#include "tools/browser/document_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include "core/base/percent.h"
#include "tools/browser/page_text.h"
#include "tools/browser/text.h"
#include "tools/index/file_tree.h"
#include "tools/web/charset.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeadBytes = 8192;
constexpr std::size_t kPdfBytesMax = std::size_t{64} << 20;

template <std::size_t n>
bool has_ending(const fs::path& path, const std::array<std::string_view, n>& endings) {
  return std::find(endings.begin(), endings.end(), lower_ascii(path.extension().string())) != endings.end();
}

bool is_html(const fs::path& path) { return has_ending(path, std::array<std::string_view, 3>{".html", ".htm", ".xhtml"}); }

// Where the first line says what the text is about. Programs begin with a licence, tables with their columns.
bool has_heading(const fs::path& path) {
  return has_ending(path, std::array<std::string_view, 9>{"", ".md", ".markdown", ".txt", ".text", ".rst", ".adoc", ".org", ".tex"});
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 && !is_blank(c) && c != '\b' && c != 0x1B; }

// A NUL says so, unless the encoding has two bytes a letter; so do many control characters.
bool is_binary(std::string_view bytes, std::string_view encoding) {
  const std::string_view head = bytes.substr(0, kHeadBytes);
  if (encoding.starts_with("UTF-16")) return false;
  const auto n_control = static_cast<std::size_t>(std::count_if(head.begin(), head.end(), is_control));
  return head.find('\0') != std::string_view::npos || n_control * 20 > head.size();
}

}  // namespace

std::string file_url(const fs::path& path) { return "file://" + percent_encoded(path.string(), "/"); }

IndexedFile indexed_file(Document document, const std::string& name) {
  IndexedFile file{std::move(document), ""};
  if (file.document.kind == DocumentKind::kHtml) {
    PageText page = plain_page(file.document);
    file.text = std::move(page.text);
    file.document.title = std::move(page.title);
  } else if (file.document.title.empty()) {
    Document head{"", "", file.document.source.substr(0, kHeadBytes), DocumentKind::kText};
    file.document.title = page_text(head).title;
  }
  if (file.document.title.empty()) file.document.title = collapsed(neutral(valid_utf8(name)));
  return file;
}

Result<std::optional<IndexedFile>> read_document_file(const fs::path& path, std::size_t bytes_max, const PdfToText& pdf_to_text) {
  using Read = std::optional<IndexedFile>;
  const bool html = is_html(path);
  bool pdf = false;
  const auto wants = [&](std::string_view head) {
    pdf = pdf_to_text && looks_like_pdf(head);
    std::error_code gone;
    return pdf || (fs::file_size(path, gone) <= bytes_max && !is_binary(head, find_charset(head, "", html).encoding));
  };
  const auto bytes = read_regular_file(path, pdf_to_text ? std::max(bytes_max, kPdfBytesMax) : bytes_max, wants);
  if (!bytes) return Read();
  const std::string name = path.filename().string();
  if (pdf) {
    auto text = pdf_to_text(*bytes, {});
    if (!text) return text.error();
    return Read(indexed_file({file_url(path), "", std::move(*text), DocumentKind::kText}, name));
  }
  const std::string_view encoding = find_charset(*bytes, "", html).encoding;
  if (bytes->size() > bytes_max || is_binary(*bytes, encoding)) return Read();
  Document document{file_url(path), "", decode(*bytes, encoding), html ? DocumentKind::kHtml : DocumentKind::kText};
  if (!html && !has_heading(path)) document.title = collapsed(neutral(valid_utf8(name)));
  return Read(indexed_file(std::move(document), name));
}

}  // namespace toccata::tools
