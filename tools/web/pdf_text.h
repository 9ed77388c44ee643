// How pages and files of type PDF become text: a function that whoever may start programs provides (tools/pdf/pdf_reader.h).
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools {

// The text of a PDF in UTF-8; errors are told to the model and the user in their own words.
using PdfToText = std::function<Result<std::string>(std::string_view pdf, std::stop_token stop)>;

// The header of a PDF, which may stand behind up to a KiB of something else.
inline bool looks_like_pdf(std::string_view head) { return head.substr(0, 1024).find("%PDF-") != std::string_view::npos; }

}  // namespace toccata::tools
