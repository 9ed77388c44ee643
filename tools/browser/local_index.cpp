#include "tools/browser/local_index.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <span>
#include <unordered_map>

#include "tools/browser/archive_add.h"
#include "tools/browser/archive_pages.h"
#include "tools/browser/document_table.h"
#include "tools/browser/text.h"
#include "tools/index/file_tree.h"
#include "tools/index/passage.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = std::size_t{8} << 20;
// Of how many documents the text is looked at, and how much of it, to order them by how close together the words stand.
constexpr std::size_t kRerankedDocuments = 50;
constexpr std::size_t kRerankedBytes = std::size_t{16} << 10;
constexpr std::size_t kSnippetBytes = std::size_t{512} << 10;
constexpr double kPassageShare = 1.5;  // nDCG@10 of scripts/bench_search.py: 0 .477, 0.5 .487, 1.5 .490
constexpr double kFusedFirst = 60;     // reciprocal rank fusion: Cormack, Clarke, Buettcher 2009
constexpr std::size_t kEmbeddedTexts = 32;              // of one request
constexpr std::size_t kEmbeddedBytes = std::size_t{1} << 20;  // of one document that are looked at
constexpr std::size_t kTitleBytes = 200;
constexpr int kNamesOfPageMax = 5;  // one name that stands for another, and so on

bool is_web(const std::string& place) { return place.starts_with("http://") || place.starts_with("https://"); }

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// "guide.html" of "https://example.org/a/guide.html?x"; the host where there is no path.
std::string name_of(const std::string& url) {
  std::string path = url.substr(0, url.find_first_of("?#"));
  while (path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

template <class Work>
auto guarded(Work work) -> Result<decltype(work())> {
  try {
    return work();
  } catch (const Exception& error) {
    return error.error();
  }
}

}  // namespace

class LocalIndex::Impl {
 public:
  Impl(const fs::path& path, Mode mode)
      : table_(path, mode == Mode::kWrite ? Database::Mode::kWrite : Database::Mode::kRead), sites_(table_.db()), archives_(table_.db()) {}

  void read_pdfs(PdfToText pdf_to_text) { pdf_to_text_ = std::move(pdf_to_text); }
  void read_archives(OpenArchive open_archive) { open_archive_ = std::move(open_archive); }

  // Commits whenever a batch is full: each state is whole, and an add that was cut short is gone on with by the next.
  IndexChange add(const fs::path& root, const IndexProgress& progress, const std::stop_token& stop) {
    const FileTree tree = files_below(root);
    IndexChange change;
    change.unreadable = static_cast<int>(tree.unreadable.size());
    for (const FoundFile& file : tree.files) {
      if (open_archive_ && looks_like_archive(file.path)) add_archive(table_, archives_, file, open_archive_, change, progress, stop);
    }
    for (std::size_t i = 0; i < tree.files.size() && !stop.stop_requested();) {
      table_.write([&] {
        for (; i < tree.files.size() && !table_.is_batch_full() && !stop.stop_requested(); ++i) {
          if (!open_archive_ || !looks_like_archive(tree.files[i].path)) add_file(tree.files[i], change);
          if (progress) progress(i + 1, tree.files.size(), tree.files[i].path.string());
        }
      });
    }
    if (stop.stop_requested()) throw Exception(ErrorCode::kCancelled, "stopped; what was read is in the index, and the next add goes on");
    table_.write([&] { forget_missing(root, tree, change); });
    return change;
  }

  int remove(const std::string& root) {
    int n = 0;
    table_.write([&] {
      for (const auto& [place, id] : table_.known_below(root)) {
        table_.forget(id);
        ++n;
      }
      if (is_web(root)) sites_.finish(root);
      archives_.forget_below(root);
    });
    return n;
  }

  std::vector<IndexedDocument> list() {
    std::vector<IndexedDocument> documents;
    Statement query(table_.db(), "SELECT id, url, title, bytes FROM documents ORDER BY url");
    while (query.step()) {
      documents.push_back({query.number(0), query.text(1), query.text(2), static_cast<std::uint64_t>(query.number(3))});
    }
    return documents;
  }

  std::vector<SearchHit> search(const std::string& query, std::size_t n_max, const std::stop_token& stop) {
    const std::vector<float> meaning = embedded(query, stop);
    const Transaction one_state(table_.db(), Database::Mode::kRead);
    const Ranking ranking = table_.words().rank(query, std::max(n_max, kRerankedDocuments), stop);
    PassageFinder finder(ranking.words);
    std::vector<Candidate> candidates = by_words(ranking, finder, stop);
    if (!meaning.empty()) candidates = fused(candidates, table_.vectors().nearest(meaning, std::max(n_max, kRerankedDocuments), stop));
    std::vector<SearchHit> hits;
    Statement document(table_.db(), "SELECT url, title FROM documents WHERE id = ?1");
    for (const Candidate& candidate : candidates) {
      if (hits.size() == n_max || stop.stop_requested()) break;
      document.bind(1, candidate.id);
      if (document.step()) hits.push_back({document.text(0), document.text(1), summary(candidate, finder)});
      document.reset();
    }
    return hits;
  }

  Result<Document> fetch(const std::string& url) {
    auto document = table_.fetch(url);
    if (!document && is_archived(url)) document = archived(url);
    if (!document) return Error{ErrorCode::kNotFound, "not in the index of local documents"};
    return std::move(*document);
  }

  std::optional<KnownPage> known_page(const std::string& url) {
    const auto known = table_.find(url);
    if (!known) return std::nullopt;
    auto document = table_.fetch(url);
    if (!document) return std::nullopt;
    return KnownPage{std::move(*document), table_.text_head(known->id, std::string::npos), sites_.validators(known->id)};
  }

  std::vector<SiteVisit> unfinished_crawl(const std::string& site) { return sites_.unfinished(site); }

  void write_site(const std::string& site, const std::vector<SitePage>& pages, const std::vector<PlacedVisit>& visits) {
    table_.write([&] {
      for (const SitePage& page : pages) write_page(page);
      for (const PlacedVisit& visit : visits) sites_.note(site, visit);
    });
  }

  int finish_crawl(const std::string& site, const std::string& scope, bool forget_unreached) {
    int n = 0;
    table_.write([&] {
      std::set<std::string> reached;
      for (SiteVisit& visit : sites_.unfinished(site)) {
        if (visit.done) reached.insert(std::move(visit.url));
      }
      for (const auto& [place, id] : table_.known_below(scope)) {
        if (!forget_unreached || reached.contains(place)) continue;
        table_.forget(id);
        ++n;
      }
      sites_.finish(site);
    });
    return n;
  }

  int embed(Embedder& embedder, const IndexProgress& progress, const std::stop_token& stop) {
    const std::vector<std::int64_t> missing = without_vectors(embedder);
    std::vector<Unembedded> batch;
    std::size_t n_texts = 0;
    bool is_first = true;
    for (std::size_t i = 0; i < missing.size(); ++i) {
      if (stop.stop_requested()) throw Exception(ErrorCode::kCancelled, "stopped; the vectors made so far are kept, and the next add goes on");
      batch.push_back(unembedded(missing[i]));
      n_texts += batch.back().texts.size();
      if (n_texts < kEmbeddedTexts && i + 1 < missing.size()) continue;
      embed_batch(embedder, batch, std::exchange(is_first, false), stop);
      batch.clear();
      n_texts = 0;
      if (progress) progress(i + 1, missing.size(), "");
    }
    return static_cast<int>(missing.size());
  }

  std::optional<VectorSpace> vector_space() { return table_.vectors().space(); }

  void use_embedder(std::shared_ptr<Embedder> embedder, IndexWarning warn) {
    embedder_ = std::move(embedder);
    warn_ = std::move(warn);
  }
  bool is_local() const { return embedder_ == nullptr || embedder_->is_local(); }

 private:
  struct Candidate {
    std::int64_t id = 0;
    double score = 0;
    std::optional<TextPart> near = std::nullopt;  // where it is closest to the meaning
  };

  struct Unembedded {
    std::int64_t id = 0;
    std::vector<TextPart> parts;
    std::vector<std::string> texts;  // one a part
  };

  // As links spell its address, under any of its names.
  std::optional<Document> archived(const std::string& link) {
    std::string url = archived_url_of_link(link);
    for (int n_names = 0; n_names < kNamesOfPageMax && !url.empty(); ++n_names) {
      if (auto document = table_.fetch(url)) return document;
      url = archives_.page_of(url);
    }
    return std::nullopt;
  }

  // What lies in a folder that cannot be read now is not gone, nor are the pages of an archive that is there.
  void forget_missing(const fs::path& root, const FileTree& tree, IndexChange& change) {
    std::set<std::string_view> seen;
    std::vector<std::string> archives;
    for (const FoundFile& file : tree.files) {
      seen.insert(file.path.native());
      if (looks_like_archive(file.path)) archives.push_back(file.path.string() + '/');
    }
    for (const std::string& archive : archives_.below(root.string())) {
      if (!seen.contains(archive)) archives_.forget_below(archive);
    }
    for (const auto& [place, id] : table_.known_below(root.string())) {
      const std::string& path = place;
      const bool unknown = std::any_of(tree.unreadable.begin(), tree.unreadable.end(), [&](const fs::path& folder) {
        return path == folder.native() || path.starts_with(folder.native() + '/');
      });
      const bool archived = std::any_of(archives.begin(), archives.end(), [&](const std::string& archive) { return path.starts_with(archive); });
      if (unknown || archived || seen.contains(place)) continue;
      table_.forget(id);
      ++change.removed;
    }
  }

  void add_file(const FoundFile& file, IndexChange& change) {
    const std::string place = file.path.string();
    const auto known = table_.find(place);
    if (known && known->modified == file.modified && known->bytes == file.bytes) {
      ++change.unchanged;
      return;
    }
    if (known) table_.forget(known->id);
    const auto document = read_document_file(file.path, kFileBytesMax, pdf_to_text_);
    if (!document || !*document) {
      ++change.skipped;
      if (!document) change.trouble(place + ": " + document.error().message);
      return;
    }
    table_.insert(place, valid_utf8(file.path.filename().string()), **document, file.modified, file.bytes);
    ++(known ? change.updated : change.added);
  }

  void write_page(const SitePage& page) {
    const auto known = table_.find(page.url);
    if (page.gone || page.file) {
      if (known) table_.forget(known->id);
      if (!page.file) return;
      const std::int64_t id = table_.insert(page.url, valid_utf8(name_of(page.url)), *page.file, now_ns(), page.bytes);
      sites_.set_validators(id, page.validators);
    } else if (known) {
      sites_.set_validators(known->id, page.validators);
    }
  }

  std::vector<Candidate> by_words(const Ranking& ranking, PassageFinder& finder, const std::stop_token& stop) {
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < ranking.documents.size() && !stop.stop_requested(); ++i) {
      const auto& [id, score] = ranking.documents[i];
      const double share = i < kRerankedDocuments && ranking.words.size() > 1 ? finder.find(table_.text_head(id, kRerankedBytes)).score : 0;
      candidates.push_back({id, score * (1 + kPassageShare * share)});
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    return candidates;
  }

  // Reciprocal rank fusion of both orders; of equals, the one that words found.
  static std::vector<Candidate> fused(const std::vector<Candidate>& words, const std::vector<NearDocument>& near) {
    std::vector<Candidate> all;
    std::unordered_map<std::int64_t, std::size_t> where;
    const auto offer = [&](std::int64_t id, std::size_t rank) -> Candidate& {
      const auto [found, is_new] = where.try_emplace(id, all.size());
      if (is_new) all.push_back({id});
      Candidate& candidate = all[found->second];
      candidate.score += 1 / (kFusedFirst + static_cast<double>(rank) + 1);
      return candidate;
    };
    for (std::size_t i = 0; i < words.size(); ++i) offer(words[i].id, i);
    for (std::size_t i = 0; i < near.size(); ++i) offer(near[i].id, i).near = near[i].part;
    std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    return all;
  }

  std::string summary(const Candidate& candidate, PassageFinder& finder) {
    std::string text = table_.text_head(candidate.id, kRerankedBytes);
    Passage passage = finder.find(text);
    if (passage.score == 0 && text.size() == kRerankedBytes) {
      text = table_.text_head(candidate.id, kSnippetBytes);
      passage = finder.find(text);
    }
    if (passage.score == 0 && candidate.near && candidate.near->end <= text.size()) {
      passage = {1, candidate.near->begin, candidate.near->begin};
    }
    return collapsed(neutral(valid_utf8(snippet(text, passage))));
  }

  // Empty: it is searched by words alone.
  std::vector<float> embedded(const std::string& query, const std::stop_token& stop) {
    if (embedder_ == nullptr || query.empty()) return {};
    const auto space = table_.vectors().space();
    if (!space) return {};
    if (space->model != embedder_->model()) {
      warn("the index has vectors of " + space->model + ", not of " + embedder_->model() + ": it is searched by words alone");
      return {};
    }
    auto vectors = embedder_->embed({query}, EmbeddingUse::kQuery, stop);
    if (!vectors) {
      if (!stop.stop_requested()) warn("the index is searched by words alone: " + vectors.error().message);
      return {};
    }
    if (vectors->front().size() != static_cast<std::size_t>(space->dimensions)) {
      warn("the index is searched by words alone: its vectors have " + std::to_string(space->dimensions) + " numbers, " + embedder_->model() +
           " now gives " + std::to_string(vectors->front().size()));
      return {};
    }
    return std::move(vectors->front());
  }

  void warn(const std::string& text) {
    if (warn_) std::exchange(warn_, {})(text);
  }

  // Vectors of another model are no use.
  std::vector<std::int64_t> without_vectors(Embedder& embedder) {
    const auto space = table_.vectors().space();
    const bool same = space && space->model == embedder.model();
    std::vector<std::int64_t> ids;
    Statement query(
        table_.db(), same ? "SELECT id FROM documents WHERE id NOT IN (SELECT id FROM vectors) ORDER BY id" : "SELECT id FROM documents ORDER BY id");
    while (query.step()) ids.push_back(query.number(0));
    return ids;
  }

  Unembedded unembedded(std::int64_t id) {
    const std::string text = valid_utf8(table_.text_head(id, kEmbeddedBytes));
    const std::string title = title_of(id);
    Unembedded document{id, embedded_parts(text), {}};
    for (const auto& [begin, end] : document.parts) document.texts.push_back(title + "\n" + text.substr(begin, end - begin));
    return document;
  }

  // `is_first`: what the service gives now decides which vectors the index holds.
  void embed_batch(Embedder& embedder, const std::vector<Unembedded>& batch, bool is_first, const std::stop_token& stop) {
    std::vector<std::string> texts;
    for (const Unembedded& document : batch) texts.insert(texts.end(), document.texts.begin(), document.texts.end());
    std::vector<std::vector<float>> vectors;
    for (std::size_t at = 0; at < texts.size(); at += kEmbeddedTexts) {
      const auto from = texts.begin() + static_cast<std::ptrdiff_t>(at);
      const auto to = texts.begin() + static_cast<std::ptrdiff_t>(std::min(at + kEmbeddedTexts, texts.size()));
      auto some = embedder.embed({from, to}, EmbeddingUse::kText, stop).value_or_throw();
      std::move(some.begin(), some.end(), std::back_inserter(vectors));
    }
    table_.write([&] {
      if (is_first) table_.vectors().set_space({embedder.model(), static_cast<int>(vectors.front().size())});
      std::span<const std::vector<float>> rest(vectors);
      for (const Unembedded& document : batch) {
        table_.vectors().put(document.id, document.parts, rest.first(document.parts.size()));
        rest = rest.subspan(document.parts.size());
      }
    });
  }

  std::string title_of(std::int64_t id) {
    Statement query(table_.db(), "SELECT title FROM documents WHERE id = ?1");
    query.bind(1, id);
    return query.step() ? shortened(valid_utf8(query.bytes(0)), kTitleBytes) : "";
  }

  DocumentTable table_;
  SitePages sites_;
  ArchivePages archives_;
  PdfToText pdf_to_text_;
  OpenArchive open_archive_;
  std::shared_ptr<Embedder> embedder_;
  IndexWarning warn_;
};

LocalIndex::LocalIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalIndex::~LocalIndex() = default;

Result<std::unique_ptr<LocalIndex>> LocalIndex::open(const fs::path& path, Mode mode) {
  std::error_code failure;
  if (mode == Mode::kRead && !fs::exists(path, failure)) {
    return Error{
        ErrorCode::kNotFound,
        path.string() + ": no index of local documents yet; make one with `toccata index add FOLDER`"};
  }
  if (mode == Mode::kWrite && path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
  return guarded([&] { return std::unique_ptr<LocalIndex>(new LocalIndex(std::make_unique<Impl>(path, mode))); });  // NOLINT: private constructor
}

Result<IndexChange> LocalIndex::add(const fs::path& root, const IndexProgress& progress, std::stop_token stop) {
  std::error_code failure;
  const fs::path whole = fs::canonical(root, failure);
  if (failure) return Error{ErrorCode::kNotFound, root.string() + ": " + failure.message()};
  return guarded([&] { return impl_->add(whole, progress, stop); });
}

void LocalIndex::read_pdfs(PdfToText pdf_to_text) { impl_->read_pdfs(std::move(pdf_to_text)); }

void LocalIndex::read_archives(OpenArchive open_archive) { impl_->read_archives(std::move(open_archive)); }

Result<int> LocalIndex::remove(const std::string& root) {
  std::error_code failure;
  const std::string whole = is_web(root) ? root : fs::weakly_canonical(root, failure).string();
  if (failure) return Error{ErrorCode::kIo, root + ": " + failure.message()};
  return guarded([&] { return impl_->remove(whole); });
}

std::vector<IndexedDocument> LocalIndex::list() const { return impl_->list(); }

Result<std::optional<KnownPage>> LocalIndex::known_page(const std::string& url) {
  return guarded([&] { return impl_->known_page(url); });
}

Result<std::vector<SiteVisit>> LocalIndex::unfinished_crawl(const std::string& site) {
  return guarded([&] { return impl_->unfinished_crawl(site); });
}

Result<void> LocalIndex::write_site(const std::string& site, const std::vector<SitePage>& pages, const std::vector<PlacedVisit>& visits) {
  const auto written = guarded([&] {
    impl_->write_site(site, pages, visits);
    return true;
  });
  return written ? Result<void>() : Result<void>(written.error());
}

Result<int> LocalIndex::finish_crawl(const std::string& site, const std::string& scope, bool forget_unreached) {
  return guarded([&] { return impl_->finish_crawl(site, scope, forget_unreached); });
}

Result<int> LocalIndex::embed(Embedder& embedder, const IndexProgress& progress, std::stop_token stop) {
  return guarded([&] { return impl_->embed(embedder, progress, stop); });
}

Result<std::optional<VectorSpace>> LocalIndex::vector_space() const {
  return guarded([&] { return impl_->vector_space(); });
}

void LocalIndex::use_embedder(std::shared_ptr<Embedder> embedder, IndexWarning warn) { impl_->use_embedder(std::move(embedder), std::move(warn)); }

bool LocalIndex::is_local() const { return impl_->is_local(); }

Result<std::vector<SearchHit>> LocalIndex::search(const std::string& query, int n_max, std::stop_token stop) {
  return guarded([&] { return impl_->search(query, static_cast<std::size_t>(std::max(n_max, 0)), stop); });
}

Result<Document> LocalIndex::fetch(const std::string& url, std::stop_token) {
  try {
    return impl_->fetch(url);
  } catch (const Exception& e) {
    return e.error();
  }
}

}  // namespace toccata::tools
