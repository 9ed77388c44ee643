// What one process has read, on disk, and what another makes of it when it is damaged.
#include "core/engine/kv_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "core/engine/prefix_cache.h"
#include "core/engine/session.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

namespace fs = std::filesystem;
using toccata::testing::TempFolder;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyShape;

// One body for every device; where there is none, a visible skip.
class KvFileTest : public ::testing::TestWithParam<ops::Device> {
 protected:
  void SetUp() override {
    try {
      load();
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kUnavailable) throw;
      GTEST_SKIP() << e.what();
    }
    fs::remove_all(folder_ / "kept");
  }
  static bool on_gpu() { return GetParam() == ops::Device::kCuda; }
  // A model as another process would load it: nothing is shared but the folder.
  std::shared_ptr<const Model> load(unsigned seed = 1, ops::KvType type = ops::KvType::kF32) {
    TinyShape shape;
    shape.head_dim = 32;
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>(shape, seed));
    // The exact mode of a GPU takes few tokens at a time.
    Options options{.device = GetParam(), .n_threads = 1, .chunk_tokens = on_gpu() ? 8 : 16, .n_sequences = 8};
    options.kv = type;
    options.prefix_bytes = std::size_t{64} << 20;
    options.prefix_folder = folder_ / "kept";
    return Model::load(checkpoints_.back()->files(), options);
  }
  static Tokens some_tokens(int n, unsigned seed = 3) {
    std::mt19937 random(seed);
    Tokens tokens;
    for (int i = 0; i < n; ++i) tokens.push_back(static_cast<Token>(random() % 50));
    return tokens;
  }
  struct Read {
    std::vector<float> logits;
    std::int64_t shared = 0;
  };
  static Read read(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
    Session session(model);
    session.append(tokens).value_or_throw();
    const auto view = session.logits().value_or_throw();
    return {{view.begin(), view.end()}, session.usage().shared};
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (!fs::exists(folder_ / "kept")) return found;
    for (const auto& entry : fs::directory_iterator(folder_ / "kept")) found.push_back(entry.path());
    return found;
  }

  TempFolder folder_;
  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;
};

std::string whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }

TEST_P(KvFileTest, TheNextProcessGoesOnFromIt) {
  const std::vector types = on_gpu() ? std::vector{ops::KvType::kF32} : std::vector{ops::KvType::kF32, ops::KvType::kF16, ops::KvType::kInt8};
  for (const ops::KvType type : types) {
    const Tokens system = some_tokens(300);
    Tokens longer = system;
    for (const Token token : some_tokens(20, 4)) longer.push_back(token);
    const Read first = read(load(1, type), longer);
    EXPECT_EQ(first.shared, 0);
    const Read again = read(load(1, type), longer);
    EXPECT_EQ(again.shared, 319);
    EXPECT_EQ(again.logits, first.logits);
    Tokens other = system;
    other.push_back(7);
    EXPECT_EQ(read(load(1, type), other).shared, 300);
  }
  ASSERT_EQ(files().size(), types.size()) << "one a way of keeping: what came later was hardly longer";
  struct stat info = {};
  ASSERT_EQ(stat(files()[0].c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_P(KvFileTest, OtherWeightsAreAnotherModel) {
  const Tokens tokens = some_tokens(300);
  read(load(1), tokens);
  EXPECT_EQ(read(load(2), tokens).shared, 0);
  EXPECT_EQ(files().size(), 2U);
  const auto model = load(1);
  const auto wrong = read_kv_file(files()[0], 12345, kv_loader(*model));
  EXPECT_EQ(wrong.error().code, ErrorCode::kUnsupported);
}

TEST_P(KvFileTest, DamageAnywhereIsSeenAndReadAnew) {
  const Tokens tokens = some_tokens(300);
  const std::vector<float> expected = read(load(), tokens).logits;
  ASSERT_EQ(files().size(), 1U);
  const fs::path file = files()[0];
  const std::string sound = whole(file);
  std::mt19937 random(9);
  std::vector<std::string> damaged = {"", sound.substr(0, 10), sound.substr(0, sound.size() - 1), sound + "x"};
  for (int i = 0; i < (on_gpu() ? 20 : 60); ++i) {
    std::string bytes = sound;
    const std::size_t at = i % 2 == 0 ? random() % 1600 : random() % bytes.size();  // heads and tokens, then anywhere
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    damaged.push_back(bytes);
    damaged.push_back(sound.substr(0, random() % sound.size()));
  }
  const std::uint64_t model = std::stoull(file.filename().string().substr(0, 16), nullptr, 16);
  for (const std::string& bytes : damaged) {
    write(file, bytes);
    const auto fresh = load();
    const auto kept = read_kv_file(file, model, kv_loader(*fresh));
    ASSERT_FALSE(kept) << bytes.size();
    if (on_gpu() && !bytes.empty()) continue;  // where reading takes long: once
    ASSERT_EQ(read(fresh, tokens).logits, expected);
  }
}

TEST_P(KvFileTest, AFolderThatCannotBeWrittenCostsNothing) {
  write(folder_ / "kept", "a file");
  const Tokens tokens = some_tokens(300);
  const auto model = load();
  const auto expected = read(model, tokens);
  EXPECT_EQ(read(model, tokens).logits, expected.logits);
  EXPECT_EQ(write_kv_file("/nonexistent/x.kv", 1, {}, *Session(model).keep()).error().code, ErrorCode::kIo);
}

TEST_P(KvFileTest, TheFolderStaysWithinItsBytes) {
  const auto model = load();
  PrefixCache::Limits limits{std::size_t{64} << 20, folder_ / "kept", 700'000};
  PrefixCache prefixes(limits, 1, kv_loader(*model));
  Session session(model);
  session.append(some_tokens(300)).value_or_throw();
  session.logits().value_or_throw();
  for (unsigned i = 0; i < 6; ++i) prefixes.keep(some_tokens(300, i), session.keep(), 300);
  std::uintmax_t total = 0;
  int n_own = 0;
  for (const fs::path& file : files()) {
    if (!file.filename().string().starts_with("0000000000000001")) continue;
    total += fs::file_size(file);
    ++n_own;
  }
  EXPECT_GE(n_own, 1);
  EXPECT_LE(total, 700'000U);
}

INSTANTIATE_TEST_SUITE_P(
    Devices, KvFileTest, ::testing::Values(ops::Device::kCpu, ops::Device::kCuda),
    [](const auto& test) { return test.param == ops::Device::kCpu ? "Cpu" : "Cuda"; }
);

TEST(Checksum, EveryByteCounts) {
  std::vector<std::byte> bytes(37);
  const std::uint64_t before = checksum(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte{1};
    EXPECT_NE(checksum(bytes), before) << i;
    bytes[i] = std::byte{0};
  }
  EXPECT_NE(checksum(std::span(bytes).first(36)), before);
}

}  // namespace
}  // namespace toccata::engine
