// Archives become documents of an index: each page one of its own, at FILE/PATH, with the address of archived_url().
#pragma once

#include <stop_token>

#include "tools/browser/archive_pages.h"
#include "tools/browser/document_archive.h"
#include "tools/browser/document_table.h"
#include "tools/browser/index_change.h"
#include "tools/index/file_tree.h"

namespace toccata::tools {

// Reads `file` unless the index has it as it is; one that was read in part is gone on with, one that has changed is read anew. An
// archive that cannot be read is a trouble of `change`, not an error, and what is known of it stays. Commits as it goes.
void add_archive(
    DocumentTable& table, ArchivePages& archives, const FoundFile& file, const OpenArchive& open, IndexChange& change,
    const IndexProgress& progress, const std::stop_token& stop
);

}  // namespace toccata::tools
