// Documents of this machine, and web sites and archives copied to it, in one SQLite file, found by their words: BM25, where words in the title and
// the file's name count more, and the best of them ordered anew by how close together the words stand. With vectors also by what
// they mean: both orders are fused by reciprocal rank.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tools/browser/backend.h"
#include "tools/browser/document_archive.h"
#include "tools/browser/document_file.h"
#include "tools/browser/index_change.h"
#include "tools/browser/site_pages.h"
#include "tools/index/vector_index.h"
#include "tools/web/embedder.h"
#include "tools/web/pdf_text.h"

namespace toccata::tools {

struct IndexedDocument {
  std::int64_t id = 0;
  std::string url;
  std::string title;
  std::uint64_t bytes = 0;
};

// A page of a site that was read, or asked for: see LocalIndex::write_site.
struct SitePage {
  std::string url;
  std::optional<IndexedFile> file;  // nullopt: it has not changed, or is no document
  bool gone = false;                // the index forgets it
  std::int64_t bytes = 0;
  Validators validators = {};
};

struct KnownPage {
  Document document;
  std::string text;  // what is searched
  Validators validators;
};

// What the user should know of a search.
using IndexWarning = std::function<void(const std::string&)>;

// One writer, any number of readers. One thread at a time per object.
class LocalIndex final : public BrowserBackend {
 public:
  enum class Mode { kRead, kWrite };
  // kWrite makes the file and its folder. kNotFound when there is none to read; kCorrupt, kUnsupported for a file that is
  // no index or of a newer version.
  static Result<std::unique_ptr<LocalIndex>> open(const std::filesystem::path& path, Mode mode);
  ~LocalIndex() override;

  // Adds the text files below a folder (or one file): new ones, changed ones again, and forgets those that are gone. Links
  // are not followed. A process that dies leaves a whole index, with what was committed by then: the next add goes on, as
  // it does after a stop (kCancelled).
  Result<IndexChange> add(const std::filesystem::path& root, const IndexProgress& progress = {}, std::stop_token stop = {});
  // From now on files of type PDF are documents too, by their text.
  void read_pdfs(PdfToText pdf_to_text);
  // And the pages of archives (ZIM), each a document of its own.
  void read_archives(OpenArchive open_archive);
  // Forgets every document at or below a path or URL. How many.
  Result<int> remove(const std::string& root);
  // By url.
  std::vector<IndexedDocument> list() const;

  // --- Sites, for whoever crawls them: `site` is the address where a crawl begins ---
  Result<std::optional<KnownPage>> known_page(const std::string& url);
  // The crawl that was cut short; empty: there is none.
  Result<std::vector<SiteVisit>> unfinished_crawl(const std::string& site);
  // Pages and how far the crawl has come, together or not at all.
  Result<void> write_site(const std::string& site, const std::vector<SitePage>& pages, const std::vector<PlacedVisit>& visits);
  // The crawl is over. Pages below `scope` that it did not reach are forgotten where `forget_unreached`. How many.
  Result<int> finish_crawl(const std::string& site, const std::string& scope, bool forget_unreached);

  // --- Vectors ---
  // Of each document that has none, from this service; those of another model go. How many documents.
  // Commits as it goes: what a process that dies has done is done.
  Result<int> embed(Embedder& embedder, const IndexProgress& progress = {}, std::stop_token stop = {});
  // Of which model the vectors are; nullopt: there are none.
  Result<std::optional<VectorSpace>> vector_space() const;
  // From now on search() looks by meaning too, where the index has vectors of this model. Where it cannot, it says why, once, and
  // goes by words alone.
  void use_embedder(std::shared_ptr<Embedder> embedder, IndexWarning warn);

  // Best first. Any text is a query: words are looked for, operators are not understood.
  Result<std::vector<SearchHit>> search(const std::string& query, int n_max, std::stop_token stop = {}) override;
  Result<Document> fetch(const std::string& url, std::stop_token stop = {}) override;
  // No longer once queries go to an embeddings service elsewhere.
  bool is_local() const override;

 private:
  class Impl;
  explicit LocalIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::tools
