// Files as documents of the index: text in any usual encoding, HTML, PDF by its text; what is none of these is left out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tools/browser/backend.h"
#include "tools/web/pdf_text.h"

namespace toccata::tools {

struct IndexedFile {
  Document document;  // its source in UTF-8; never without a title
  std::string text;   // what is searched; "" = the source
};

// Of a page that is to be searched. Its title is the document's own, or `name`.
IndexedFile indexed_file(Document document, const std::string& name);

// nullopt: binary, larger than `bytes_max` (of PDFs: than 64 MiB), no regular file (any more), not readable. An error: a PDF that
// could be read if something were otherwise, in the words of `pdf_to_text`. Without that, which may be null, a PDF is binary.
Result<std::optional<IndexedFile>> read_document_file(const std::filesystem::path& path, std::size_t bytes_max, const PdfToText& pdf_to_text = {});

// "file:///home/me/a%20b.txt"
std::string file_url(const std::filesystem::path& path);

}  // namespace toccata::tools
