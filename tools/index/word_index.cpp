#include "tools/index/word_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tools/index/words.h"

namespace toccata::tools {
namespace {

// BM25 with what most programs take for prose: how soon more of a word says no more, and how much a long document is held back.
constexpr double kSaturation = 1.2;
constexpr double kLengthShare = 0.75;
constexpr std::size_t kQueryWordsMax = 64;
constexpr std::size_t kSegmentsMax = 8;

constexpr const char* kTables = R"sql(
CREATE TABLE segments(key INTEGER PRIMARY KEY, ids BLOB NOT NULL, lengths BLOB NOT NULL);
CREATE TABLE postings(
  segment INTEGER NOT NULL, word BLOB NOT NULL, n INTEGER NOT NULL, list BLOB NOT NULL, PRIMARY KEY(segment, word)
) WITHOUT ROWID;
CREATE TABLE index_state(generation INTEGER NOT NULL);
INSERT INTO index_state VALUES(0);
)sql";

// Numbers as they lie in memory: the file is of this machine. A foreign byte order would show as ids that do not ascend.
template <class Number>
std::string_view bytes_of(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}
template <class Number>
std::vector<Number> numbers_of(std::string_view bytes) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(Number));
  return numbers;
}

std::vector<std::string> words_of(const std::string& query) {
  std::vector<std::string> words;
  for_each_word(query, WordUse::kQuery, [&](std::string_view word, std::size_t, std::size_t) {
    if (words.size() >= kQueryWordsMax) return;
    std::string stemmed = stem(word);
    if (std::find(words.begin(), words.end(), stemmed) == words.end()) words.push_back(std::move(stemmed));
  });
  return words;
}

// The n best of many.
class Best {
 public:
  explicit Best(std::size_t n) : n_(n) {}
  double worst() const { return heap_.size() < n_ ? 0 : heap_.front().score; }
  void offer(std::int64_t id, double score) {
    if (heap_.size() == n_) {
      std::pop_heap(heap_.begin(), heap_.end(), before);
      heap_.pop_back();
    }
    heap_.push_back({id, score});
    std::push_heap(heap_.begin(), heap_.end(), before);
  }
  std::vector<RankedDocument> sorted() && {
    std::sort(heap_.begin(), heap_.end(), before);
    return std::move(heap_);
  }

 private:
  static bool before(const RankedDocument& a, const RankedDocument& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; }
  std::size_t n_;
  std::vector<RankedDocument> heap_;  // the worst in front
};

}  // namespace

void WordIndex::create_tables(Database& db) { db.run(kTables); }

void WordIndex::fail_corrupt(const Database& db) {
  throw Exception(ErrorCode::kCorrupt, db.path() + ": the index is damaged; delete the file and make it anew with `toccata index add`");
}

WordIndex::Segment WordIndex::read_segment(std::int64_t key, std::string_view ids, std::string_view lengths) const {
  Segment segment{key, numbers_of<std::int64_t>(ids), numbers_of<std::uint32_t>(lengths)};
  const bool ascends = std::adjacent_find(segment.ids.begin(), segment.ids.end(), std::greater_equal<>()) == segment.ids.end();
  if (segment.ids.size() != segment.lengths.size() || ids.size() % sizeof(std::int64_t) != 0 || segment.ids.empty() || !ascends) fail_corrupt(db_);
  for (const std::uint32_t length : segment.lengths) segment.n_alive += length > 0;
  return segment;
}

void WordIndex::load() {
  const std::int64_t generation = db_.number("SELECT generation FROM index_state");
  if (generation < 0) fail_corrupt(db_);
  if (generation == generation_) return;
  segments_.clear();
  n_alive_ = 0;
  double words = 0;
  Statement query(db_, "SELECT key, ids, lengths FROM segments");
  while (query.step()) {
    segments_.push_back(read_segment(query.number(0), query.bytes(1), query.bytes(2)));
    n_alive_ += segments_.back().n_alive;
    for (const std::uint32_t length : segments_.back().lengths) words += length;
  }
  std::sort(segments_.begin(), segments_.end(), [](const Segment& a, const Segment& b) { return a.ids.front() < b.ids.front(); });
  const double mean = n_alive_ == 0 ? 1 : words / static_cast<double>(n_alive_);
  for (Segment& segment : segments_) {
    segment.norms.reserve(segment.lengths.size());
    for (const std::uint32_t length : segment.lengths) {
      segment.norms.push_back(static_cast<float>(kSaturation * (1 - kLengthShare + kLengthShare * length / mean)));
    }
  }
  generation_ = generation;
}

void WordIndex::reload() {
  generation_ = -1;  // what is in memory is not what was written, whatever the table says
  db_.run("UPDATE index_state SET generation = generation + 1 WHERE generation < 9223372036854775807");
  if (sqlite3_changes(db_.handle()) != 1) fail_corrupt(db_);
  load();
}

void WordIndex::write_segment(const Segment& segment) {
  Statement(db_, "INSERT OR REPLACE INTO segments(key, ids, lengths) VALUES(?1, ?2, ?3)")
      .bind(1, segment.key).bind_bytes(2, bytes_of(segment.ids)).bind_bytes(3, bytes_of(segment.lengths)).run();
}

void WordIndex::drop_segment(std::int64_t key) {
  Statement(db_, "DELETE FROM postings WHERE segment = ?1").bind(1, key).run();
  Statement(db_, "DELETE FROM segments WHERE key = ?1").bind(1, key).run();
}

void WordIndex::forget(std::int64_t id) {
  load();
  for (Segment& segment : segments_) {
    const auto found = std::lower_bound(segment.ids.begin(), segment.ids.end(), id);
    if (found == segment.ids.end() || *found != id) continue;
    std::uint32_t& length = segment.lengths[static_cast<std::size_t>(found - segment.ids.begin())];
    segment.n_alive -= length > 0;
    segment.changed = true;
    length = 0;
    return;
  }
}

void WordIndex::write_forgotten() {
  for (const Segment& segment : segments_) {
    if (!segment.changed) continue;
    if (segment.n_alive == 0) {
      drop_segment(segment.key);
    } else {
      write_segment(segment);
    }
  }
}

void WordIndex::write(SegmentBuilder& builder) {
  load();
  write_forgotten();
  if (!builder.empty()) {
    const std::int64_t key = next_key();
    write_segment({key, builder.ids(), builder.lengths()});
    Statement insert(db_, "INSERT INTO postings(segment, word, n, list) VALUES(?1, ?2, ?3, ?4)");
    builder.for_each_list([&](std::string_view word, std::uint32_t n, std::string_view list) {
      insert.bind(1, key).bind_bytes(2, word).bind(3, n).bind_bytes(4, list).run();
    });
    builder.clear();
  }
  reload();
  merge_some();
}

// Neighbours that are smallest together go first: what is large is seldom written again.
void WordIndex::merge_some() {
  while (segments_.size() > kSegmentsMax) {
    std::size_t at = 0;
    std::size_t least = SIZE_MAX;
    for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
      const std::size_t sum = segments_[i].ids.size() + segments_[i + 1].ids.size();
      if (sum < least) {
        at = i;
        least = sum;
      }
    }
    merge(segments_[at], segments_[at + 1]);
    reload();
  }
}

// Walks both segments word by word, in step.
void WordIndex::merge(const Segment& first, const Segment& second) {
  constexpr std::uint32_t kGone = UINT32_MAX;
  Segment merged{next_key(), {}, {}};
  std::vector<std::uint32_t> moved[2];
  for (const Segment* from : {&first, &second}) {
    auto& map = moved[from == &second];
    for (std::size_t i = 0; i < from->ids.size(); ++i) {
      map.push_back(from->lengths[i] == 0 ? kGone : static_cast<std::uint32_t>(merged.ids.size()));
      if (from->lengths[i] == 0) continue;
      merged.ids.push_back(from->ids[i]);
      merged.lengths.push_back(from->lengths[i]);
    }
  }
  constexpr const char* kLists = "SELECT word, list FROM postings WHERE segment = ?1 ORDER BY word";
  {
    Statement lists[2] = {{db_, kLists}, {db_, kLists}};
    lists[0].bind(1, first.key);
    lists[1].bind(1, second.key);
    bool more[2] = {lists[0].step(), lists[1].step()};
    Statement insert(db_, "INSERT INTO postings(segment, word, n, list) VALUES(?1, ?2, ?3, ?4)");
    while (more[0] || more[1]) {
      const int order = !more[0] ? 1 : !more[1] ? -1 : lists[0].bytes(0).compare(lists[1].bytes(0));
      const std::string word = lists[order <= 0 ? 0 : 1].text(0);
      PostingWriter out;
      for (const int which : {0, 1}) {
        if (which == 0 ? order > 0 : order < 0) continue;
        const auto& map = moved[which];
        const bool whole = for_each_posting(
            lists[which].bytes(1), static_cast<std::uint32_t>(map.size()),
            [&](std::uint32_t document, std::uint32_t count) { if (map[document] != kGone) out.add(map[document], count); });
        if (!whole) fail_corrupt(db_);
        more[which] = lists[which].step();
      }
      if (out.size() > 0) insert.bind(1, merged.key).bind_bytes(2, word).bind(3, out.size()).bind_bytes(4, out.bytes()).run();
    }
  }
  drop_segment(first.key);
  drop_segment(second.key);
  if (!merged.ids.empty()) write_segment(merged);
}

Ranking WordIndex::rank(const std::string& query, std::size_t n_max, const std::stop_token& stop) {
  load();
  Ranking ranking;
  std::vector<std::vector<List>> lists;
  Statement find(db_, "SELECT n, list FROM postings WHERE segment = ?1 AND word = ?2");
  for (const std::string& word : words_of(query)) {
    if (stop.stop_requested()) break;
    double n_with = 0;
    std::vector<List> of_word;
    for (std::size_t s = 0; s < segments_.size(); ++s) {
      find.bind(1, segments_[s].key).bind_bytes(2, word);
      if (find.step()) {
        n_with += static_cast<double>(find.number(0));
        of_word.push_back({s, find.text(1)});
      }
      find.reset();
    }
    if (of_word.empty()) continue;
    // Those that are gone are counted in both until a merge.
    const double n = std::max(static_cast<double>(n_alive_), n_with);
    ranking.words.push_back({word, std::log(1 + (n - n_with + 0.5) / (n_with + 0.5))});
    lists.push_back(std::move(of_word));
  }
  Best best(n_max);
  std::vector<float> scores;
  for (std::size_t s = 0; s < segments_.size() && n_max > 0; ++s) {
    const Segment& segment = segments_[s];
    const float* const norms = segment.norms.data();
    scores.assign(segment.ids.size(), 0);
    for (std::size_t w = 0; w < lists.size() && !stop.stop_requested(); ++w) {
      const auto weight = static_cast<float>(ranking.words[w].weight * (kSaturation + 1));
      for (const List& list : lists[w]) {
        if (list.segment != s) continue;
        const bool whole = for_each_posting(list.bytes, static_cast<std::uint32_t>(scores.size()), [&](std::uint32_t document, std::uint32_t count) {
          const auto n = static_cast<float>(count);
          scores[document] += weight * n / (n + norms[document]);
        });
        if (!whole) fail_corrupt(db_);
      }
    }
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] > static_cast<float>(best.worst()) && segment.lengths[i] > 0) best.offer(segment.ids[i], scores[i]);
    }
  }
  ranking.documents = std::move(best).sorted();
  return ranking;
}

}  // namespace toccata::tools
