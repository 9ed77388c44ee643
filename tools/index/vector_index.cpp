#include "tools/index/vector_index.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "tools/index/word_index.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kPartBytes = 1500;
constexpr std::size_t kPartsMax = 64;
constexpr std::size_t kStopEvery = 4096;  // vectors between two looks at the stop token

constexpr const char* kTables = R"sql(
CREATE TABLE vector_space(model TEXT NOT NULL, dimensions INTEGER NOT NULL);
CREATE TABLE vectors(
  key INTEGER PRIMARY KEY, id INTEGER NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL, scale REAL NOT NULL, value BLOB NOT NULL);
CREATE INDEX vectors_id ON vectors(id);
CREATE TABLE vector_state(generation INTEGER NOT NULL);
INSERT INTO vector_state VALUES(0);
)sql";

struct Quantised {
  float scale = 0;
  std::vector<std::int8_t> values;
};

Quantised quantised(std::span<const float> vector) {
  double squares = 0;
  float largest = 0;
  for (const float x : vector) {
    squares += static_cast<double>(x) * x;
    largest = std::max(largest, std::abs(x));
  }
  if (!std::isfinite(squares) || squares <= 0) {
    throw Exception(ErrorCode::kInvalidArgument, "an embedding is all zeros or holds what is no number: the embedding service is at fault");
  }
  Quantised out{static_cast<float>(largest / 127 / std::sqrt(squares)), {}};
  out.values.reserve(vector.size());
  for (const float x : vector) out.values.push_back(static_cast<std::int8_t>(std::lround(x / largest * 127)));
  return out;
}

std::int32_t dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::int32_t{a[i]} * b[i];
  return sum;
}

bool is_blank_byte(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Where a part that begins at `begin` ends best: behind the last paragraph, line, sentence or word of its second half.
std::size_t part_end(std::string_view text, std::size_t begin) {
  if (text.size() - begin <= kPartBytes) return text.size();
  const std::string_view second_half = text.substr(begin + kPartBytes / 2, kPartBytes - kPartBytes / 2);
  for (const std::string_view boundary : {"\n\n", "\n", ". ", "。", " "}) {
    const std::size_t at = second_half.rfind(boundary);
    if (at != std::string_view::npos) return begin + kPartBytes / 2 + at + boundary.size();
  }
  std::size_t end = begin + kPartBytes;
  while (end > begin + kPartBytes / 2 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

}  // namespace

std::vector<TextPart> embedded_parts(std::string_view text) {
  std::vector<TextPart> parts;
  for (std::size_t begin = 0; begin < text.size() && parts.size() < kPartsMax;) {
    while (begin < text.size() && is_blank_byte(text[begin])) ++begin;
    if (begin == text.size()) break;
    const std::size_t end = part_end(text, begin);
    parts.push_back({begin, end});
    begin = end;
  }
  if (parts.empty()) parts.push_back({0, text.size()});
  return parts;
}

void VectorIndex::create_tables(Database& db) { db.run(kTables); }

std::optional<VectorSpace> VectorIndex::space() {
  if (db_.number("SELECT count(*) FROM sqlite_master WHERE name = 'vector_space'") == 0) return std::nullopt;  // an older file
  Statement query(db_, "SELECT model, dimensions FROM vector_space");
  if (!query.step()) return std::nullopt;
  return VectorSpace{query.text(0), static_cast<int>(query.number(1))};
}

void VectorIndex::set_space(const VectorSpace& wanted) {
  if (space() == wanted) return;
  db_.run("DELETE FROM vectors");
  db_.run("DELETE FROM vector_space");
  Statement(db_, "INSERT INTO vector_space VALUES(?1, ?2)").bind(1, wanted.model).bind(2, std::int64_t{wanted.dimensions}).run();
  count_change();
}

void VectorIndex::count_change() { db_.run("UPDATE vector_state SET generation = generation + 1"); }

void VectorIndex::forget(std::int64_t id) {
  Statement(db_, "DELETE FROM vectors WHERE id = ?1").bind(1, id).run();
  if (sqlite3_changes(db_.handle()) > 0) count_change();
}

void VectorIndex::put(std::int64_t id, std::span<const TextPart> parts, std::span<const std::vector<float>> vectors) {
  TOCCATA_CHECK(parts.size() == vectors.size());
  const auto known = space();
  Statement insert(db_, "INSERT INTO vectors(id, begins, ends, scale, value) VALUES(?1, ?2, ?3, ?4, ?5)");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!known || vectors[i].size() != static_cast<std::size_t>(known->dimensions)) {
      throw Exception(
          ErrorCode::kInvalidArgument, "an embedding has " + std::to_string(vectors[i].size()) + " numbers, expected " +
                                           std::to_string(known ? known->dimensions : 0) + ": the embedding service is at fault");
    }
    const Quantised quantum = quantised(vectors[i]);
    insert.bind(1, id).bind(2, static_cast<std::int64_t>(parts[i].begin)).bind(3, static_cast<std::int64_t>(parts[i].end));
    insert.bind_real(4, quantum.scale).bind_bytes(5, {reinterpret_cast<const char*>(quantum.values.data()), quantum.values.size()}).run();
  }
  count_change();
}

void VectorIndex::load(std::size_t dimensions) {
  const std::int64_t generation = db_.number("SELECT generation FROM vector_state");
  if (generation == generation_) return;
  entries_.clear();
  values_.clear();
  generation_ = -1;
  Statement query(db_, "SELECT id, begins, ends, scale, value FROM vectors ORDER BY key");
  while (query.step()) {
    const std::string_view value = query.bytes(4);
    if (value.size() != dimensions) WordIndex::fail_corrupt(db_);
    entries_.push_back({query.number(0), static_cast<float>(query.real(3)),
                        {static_cast<std::size_t>(query.number(1)), static_cast<std::size_t>(query.number(2))}});
    const auto* numbers = reinterpret_cast<const std::int8_t*>(value.data());
    values_.insert(values_.end(), numbers, numbers + value.size());
  }
  generation_ = generation;
}

std::vector<NearDocument> VectorIndex::nearest(std::span<const float> query, std::size_t n_max, const std::stop_token& stop) {
  const auto known = space();
  if (!known || query.size() != static_cast<std::size_t>(known->dimensions)) {
    throw Exception(
        ErrorCode::kInvalidArgument, "the embedding of the query has " + std::to_string(query.size()) + " numbers, those of the index have " +
                                         std::to_string(known ? known->dimensions : 0) + ": another model");
  }
  load(query.size());
  const Quantised asked = quantised(query);
  std::unordered_map<std::int64_t, NearDocument> best;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (i % kStopEvery == 0 && stop.stop_requested()) break;
    const Entry& entry = entries_[i];
    const auto cosine = static_cast<float>(dot(asked.values.data(), values_.data() + i * query.size(), query.size())) * asked.scale * entry.scale;
    NearDocument& document = best.try_emplace(entry.id, NearDocument{entry.id, -2, {}}).first->second;
    if (cosine > document.cosine) document = {entry.id, cosine, entry.part};
  }
  std::vector<NearDocument> documents;
  documents.reserve(best.size());
  for (const auto& [id, document] : best) documents.push_back(document);
  const std::size_t n = std::min(n_max, documents.size());
  std::partial_sort(documents.begin(), documents.begin() + static_cast<std::ptrdiff_t>(n), documents.end(), [](const NearDocument& a, const NearDocument& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.id < b.id;
  });
  documents.resize(n);
  return documents;
}

}  // namespace toccata::tools
