// How fast local documents are indexed and found: many synthetic files in four languages, one of them written without
// blanks, with Zipf vocabularies; then queries of 1 to 8 words, each asked once.
//
//   index_bench [DOCUMENTS=100000] [QUERIES=2000] [FOLDER]       FOLDER is made, used again when it is there, and kept
//
// Three kinds of query: `drawn` as words occur (so mostly common ones), `common` of the 100 commonest words of a language
// only, which is the worst there is for an index, and `rare`. Milliseconds are processor time unless it says wall. Prints
// figures; judges nothing.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tools/browser/local_index.h"

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kVocabulary = 60'000;
constexpr double kZipf = 1.05;

// Wall time, and the processor time of this process: on a busy machine they are far apart.
class Watch {
 public:
  double wall_ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - wall_).count(); }
  double cpu_ms() const { return 1000.0 * static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC; }

 private:
  Clock::time_point wall_ = Clock::now();
  std::clock_t cpu_ = std::clock();
};

// Words that look like none in particular: common ones are short, as in any language.
class Language {
 public:
  Language(unsigned seed, std::vector<std::string> syllables, std::string blank, int words_per_text)
      : blank_(std::move(blank)), words_per_text_(words_per_text) {
    std::mt19937 random(seed);
    double sum = 0;
    for (int rank = 0; rank < kVocabulary; ++rank) {
      const int n = blank_.empty() ? 1 + (rank > 200) + (rank > 30'000) : 1 + static_cast<int>(std::log2(rank + 2) / 4) + static_cast<int>(random() % 2);
      std::string word;
      for (int i = 0; i < n; ++i) word += syllables[random() % syllables.size()];
      words_.push_back(word);
      sums_.push_back(sum += 1 / std::pow(rank + 2.7, kZipf));
    }
  }
  const std::string& drawn(std::mt19937& random) const {
    const double at = std::uniform_real_distribution<>(0, sums_.back())(random);
    const auto found = std::lower_bound(sums_.begin(), sums_.end(), at);
    return words_[std::min<std::size_t>(static_cast<std::size_t>(found - sums_.begin()), words_.size() - 1)];
  }
  const std::string& among(std::mt19937& random, int first, int last) const {
    return words_[static_cast<std::size_t>(first) + random() % static_cast<unsigned>(last - first)];
  }
  const std::string& blank() const { return blank_; }
  int words_per_text() const { return words_per_text_; }

 private:
  std::vector<std::string> words_;
  std::vector<double> sums_;
  std::string blank_;
  int words_per_text_;
};

std::vector<std::string> syllables(const char* consonants, const std::vector<std::string>& vowels) {
  std::vector<std::string> out;
  for (const char* c = consonants; *c != '\0'; ++c) {
    for (const std::string& v : vowels) {
      out.push_back(std::string(1, *c) + v);
      if (out.size() % 3 == 0) out.back() += "n";
    }
  }
  return out;
}

std::vector<std::string> characters() {
  std::vector<std::string> out;
  for (int i = 0; i < 3000; ++i) {
    const int c = 0x4E00 + i * 6;
    out.push_back({static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))});
  }
  return out;
}

std::string text_of(const Language& language, std::mt19937& random) {
  const double length = std::lognormal_distribution<>(std::log(language.words_per_text()), 0.8)(random);
  const int n = std::clamp(static_cast<int>(length), 5, 8000);
  std::string text = "# ";
  for (int i = 0; i < 5; ++i) text += language.drawn(random) + language.blank();
  text += "\n\n";
  for (int i = 0; i < n; ++i) {
    text += language.drawn(random);
    text += i % 15 == 14 ? (language.blank().empty() ? "。\n" : ".\n") : language.blank();
  }
  return text;
}

void print_row(const std::string& name, std::vector<double> ms) {
  if (ms.empty()) return;
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double share) { return ms[std::min(ms.size() - 1, static_cast<std::size_t>(share * static_cast<double>(ms.size())))]; };
  std::printf("  %-16s %6zu   p50 %7.2f   p99 %7.2f   max %7.2f ms\n", name.c_str(), ms.size(), at(0.5), at(0.99), ms.back());
}

int bench(int n_documents, int n_queries, const fs::path& folder) {
  const std::vector<Language> languages = {
      {1, syllables("bcdfghlmnprst", {"a", "e", "i", "o", "u"}), " ", 260},
      {2, syllables("bdfgklmnprstvz", {"a", "e", "i", "o", "u", "ä", "ö", "ü", "au", "ei"}), " ", 220},
      {3, syllables("bdgklmnprstv", {"a", "e", "i", "o", "u", "é", "à"}), " ", 220},
      {4, characters(), "", 300}};
  std::mt19937 random(7);
  if (!fs::exists(folder / "documents")) {
    for (int i = 0; i < n_documents; ++i) {
      const fs::path below = folder / "documents" / std::to_string(i / 1000);
      fs::create_directories(below);
      std::ofstream(below / (std::to_string(i) + ".md")) << text_of(languages[static_cast<std::size_t>(i) % 4], random);
    }
  }
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder / "documents")) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  const fs::path file = folder / "index.db";
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(file.string() + end);
  Watch watch;
  {
    const auto index = toccata::tools::LocalIndex::open(file, toccata::tools::LocalIndex::Mode::kWrite).value_or_throw();
    const auto change = index->add(folder / "documents").value_or_throw();
    const double mb = static_cast<double>(bytes) / 1e6;
    const double cpu = watch.cpu_ms() / 1000;
    std::printf("%d documents, %.1f MB: %.1f s, of which %.1f s processor time, %.1f MB/s of it\n", change.added, mb, watch.wall_ms() / 1000, cpu, mb / cpu);
    watch = {};
    index->add(folder / "documents").value_or_throw();
    std::printf("again, nothing changed: %.2f s processor time\n", watch.cpu_ms() / 1000);
  }
  std::printf("index %.1f MB, %.2f of the text\n", static_cast<double>(fs::file_size(file)) / 1e6,
              static_cast<double>(fs::file_size(file)) / static_cast<double>(bytes));

  watch = {};
  const auto index = toccata::tools::LocalIndex::open(file, toccata::tools::LocalIndex::Mode::kRead).value_or_throw();
  index->search("warm", 10).value_or_throw();
  std::printf("opened and asked once: %.1f ms processor time\n", watch.cpu_ms());
  std::map<std::string, std::vector<double>> ms;
  random.seed(99);
  std::size_t n_hits = 0;
  for (int i = 0; i < n_queries; ++i) {
    const Language& language = languages[static_cast<std::size_t>(i) % 4];
    const char* const kind = i / 4 % 4 == 0 ? "rare" : i / 4 % 4 == 1 ? "common" : "drawn";
    const int n_words = 1 + static_cast<int>(random() % 8);
    std::string query;
    for (int w = 0; w < n_words; ++w) {
      query += (kind[0] == 'd'   ? language.drawn(random)
                : kind[0] == 'c' ? language.among(random, 0, 100)
                                 : language.among(random, 2000, kVocabulary)) + " ";
    }
    const Watch asked;
    n_hits += index->search(query, 10).value_or_throw().size();
    const double took = asked.cpu_ms();
    ms["all, wall time"].push_back(asked.wall_ms());
    ms[kind].push_back(took);
    ms["all"].push_back(took);
    ms[std::to_string(n_words) + (n_words == 1 ? " word" : " words")].push_back(took);
  }
  std::printf("%d queries, %zu hits\n", n_queries, n_hits);
  for (const auto& [name, of] : ms) print_row(name, of);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int n_documents = argc > 1 ? std::atoi(argv[1]) : 100'000;
  const int n_queries = argc > 2 ? std::atoi(argv[2]) : 2000;
  const bool keep = argc > 3;
  const fs::path folder = keep ? fs::path(argv[3]) : fs::temp_directory_path() / "toccata-index-bench";
  if (n_documents < 1 || n_queries < 1) {
    std::fprintf(stderr, "index_bench [DOCUMENTS] [QUERIES] [FOLDER]: expected numbers above 0\n");
    return 2;
  }
  try {
    const int code = bench(n_documents, n_queries, folder);
    if (!keep) fs::remove_all(folder);
    return code;
  } catch (const toccata::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
