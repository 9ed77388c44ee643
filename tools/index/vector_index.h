// Vectors of the documents of an index: what they mean, as an embedding model sees it, for the order of what is found by meaning.
//
// Each part of a text has one, scaled to length 1 and rounded to 8 bits a number: a quarter of the bytes, and cosines that are off by
// about a thousandth. All are compared with a query; 100,000 of 1,024 numbers take some 10 ms once they are in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tools/index/database.h"

namespace toccata::tools {

// Of which model all vectors of an index are; those of two cannot be compared.
struct VectorSpace {
  std::string model;
  int dimensions = 0;
  friend bool operator==(const VectorSpace&, const VectorSpace&) = default;
};

// [begin, end) of a text.
struct TextPart {
  std::size_t begin = 0, end = 0;
};

// Parts of about 1,500 bytes that end where paragraphs, lines, sentences or words do and never inside a character; the first 64 of
// them. A text without words is one part.
std::vector<TextPart> embedded_parts(std::string_view text);

struct NearDocument {
  std::int64_t id = 0;
  float cosine = 0;
  TextPart part;  // the nearest of it
};

// Over the tables `vector_space`, `vectors` and `vector_state`. One thread at a time; calls are made inside a transaction of the
// caller. Throws Exception; kCorrupt for tables that are not what was written.
class VectorIndex {
 public:
  explicit VectorIndex(Database& db) : db_(db) {}
  static void create_tables(Database& db);

  // nullopt: there are no vectors.
  std::optional<VectorSpace> space();
  // Vectors of another space go.
  void set_space(const VectorSpace& space);
  void forget(std::int64_t id);
  // Of a document without vectors; one vector a part, each with the dimensions of the space. kInvalidArgument for a vector that is
  // all zeros or not finite.
  void put(std::int64_t id, std::span<const TextPart> parts, std::span<const std::vector<float>> vectors);

  // The nearest documents, best first. kInvalidArgument for a query of other dimensions.
  std::vector<NearDocument> nearest(std::span<const float> query, std::size_t n_max, const std::stop_token& stop);

 private:
  struct Entry {
    std::int64_t id;
    float scale;
    TextPart part;
  };
  void load(std::size_t dimensions);
  void count_change();

  Database& db_;
  std::int64_t generation_ = -1;  // of what is loaded
  std::vector<Entry> entries_;
  std::vector<std::int8_t> values_;  // of all entries, one after the other
};

}  // namespace toccata::tools
