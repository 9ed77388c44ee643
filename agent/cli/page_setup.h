// What pages and indexes need of the options: readers of PDF and ZIM files, an embeddings service.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "tools/browser/document_archive.h"
#include "tools/browser/local_index.h"
#include "tools/web/embedder.h"
#include "tools/web/pdf_text.h"
#include "tools/web/proxy.h"

namespace toccata::cli {

// By pdftotext in a sandbox of at least this level ("full-nocg"). Nothing is started before the first PDF. Throws
// Exception(kInvalidArgument) for an unknown level.
tools::PdfToText pdf_to_text(const std::string& sandbox_level);

// By libzim in a sandbox of at least this level, likewise.
tools::OpenArchive open_archive(const std::string& sandbox_level);

// Null without an address. The key is that of the variable, else of the file, that the user names. Throws Exception: kInvalidArgument for
// an address, a model or a key that is none, what reading a key file gives.
std::shared_ptr<tools::Embedder> make_embedder(const EmbeddingsOptions& options, const tools::ProxyRules& proxy, const Environment& env);

// Searches by meaning too, where the index has vectors and there is a service; why it cannot is told on stderr.
void use_embeddings(tools::LocalIndex& index, const EmbeddingsOptions& options, const tools::ProxyRules& proxy, const Environment& env);

}  // namespace toccata::cli
