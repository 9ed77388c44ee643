#include "core/tokenizer/byte_pair.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "core/tokenizer/backtracking.h"

namespace toccata::tokenizer {
namespace {

// A vocabulary of all bytes and of merges over the letters a to d, made at random.
struct RandomMerges {
  std::vector<std::string> tokens;  // by id
  std::vector<MergePair> merges;

  explicit RandomMerges(std::mt19937_64& random, std::size_t n_merges) {
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    std::set<std::string> known;
    std::vector<Token> usable = {'a', 'b', 'c', 'd'};
    while (merges.size() < n_merges) {
      const Token left = usable[random() % usable.size()];
      const Token right = usable[random() % usable.size()];
      if (!known.insert(tokens[left] + tokens[right]).second) continue;
      const auto merged = static_cast<Token>(tokens.size());
      tokens.push_back(tokens[left] + tokens[right]);
      usable.push_back(merged);
      merges.push_back({left, right, merged});
    }
  }

  // Leaves the vocabulary that training could have made.
  void keep_what_lower_ranks_make() {
    for (std::size_t before = 0; before != tokens.size();) {
      before = tokens.size();
      const BytePairEncoder encoder(indexed_vocabulary(before));
      Token id = 0;
      std::erase_if(tokens, [&](const std::string& bytes) {
        return encoder.parts_of(id++).size() != 2 && bytes.size() > 1;
      });
    }
    merges.clear();
  }

  Vocabulary vocabulary() const {
    std::string blob;
    std::vector<std::uint32_t> lengths;
    for (const std::string& token : tokens) {
      blob += token;
      lengths.push_back(static_cast<std::uint32_t>(token.size()));
    }
    return Vocabulary(blob, lengths);
  }
  Vocabulary indexed_vocabulary(std::size_t n) const {
    Vocabulary vocabulary = this->vocabulary();
    std::vector<Token> ids(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<Token>(i);
    vocabulary.index(ids);
    return vocabulary;
  }
};

// Merging as its definition says it: the best pair, leftmost first, until none is left.
template <class Rank>  // (left, right) -> Merge
Tokens reference(std::string_view piece, Rank rank) {
  Tokens parts;
  for (const char c : piece) parts.push_back(static_cast<std::uint8_t>(c));
  while (true) {
    Merge best;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const Merge merge = rank(parts[i], parts[i + 1]);
      if (merge.rank < best.rank) best = merge, at = i;
    }
    if (best.rank == Merge::kNever) return parts;
    parts[at] = best.merged;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

std::string random_piece(std::mt19937_64& random, std::size_t length) {
  std::string piece(length, ' ');
  for (char& c : piece) c = static_cast<char>('a' + random() % (random() % 8 == 0 ? 5 : 2));
  return piece;
}

// Lengths on both sides of where the method changes.
class BytePairTest : public testing::TestWithParam<std::size_t> {
 protected:
  std::mt19937_64 random_{GetParam()};
};

TEST_P(BytePairTest, MergesByRankAsTheDefinitionSays) {
  for (int round = 0; round < 40; ++round) {
    const RandomMerges merges(random_, 60);
    std::map<std::string, Token> ids;
    for (std::size_t id = 0; id < merges.tokens.size(); ++id) {
      ids[merges.tokens[id]] = static_cast<Token>(id);
    }
    const BytePairEncoder encoder(merges.indexed_vocabulary(merges.tokens.size()));
    const std::string piece = random_piece(random_, GetParam());
    Tokens found;
    encoder.merge(piece, found);
    EXPECT_EQ(found, reference(piece, [&](Token left, Token right) {
                const auto id = ids.find(merges.tokens[left] + merges.tokens[right]);
                if (id == ids.end()) return Merge{};
                return Merge{static_cast<std::uint32_t>(id->second), id->second};
              }));
  }
}

TEST_P(BytePairTest, MergesByPairAsTheDefinitionSays) {
  for (int round = 0; round < 40; ++round) {
    RandomMerges merges(random_, 60);
    std::shuffle(merges.merges.begin(), merges.merges.end(), random_);
    std::map<std::pair<Token, Token>, Merge> ranks;
    for (const MergePair& pair : merges.merges) {
      ranks[{pair.left, pair.right}] = {static_cast<std::uint32_t>(ranks.size()), pair.merged};
    }
    const BytePairEncoder encoder(merges.indexed_vocabulary(256), PairMerges(merges.merges));
    const std::string piece = random_piece(random_, GetParam());
    Tokens found;
    encoder.encode(piece, found);
    EXPECT_EQ(found, reference(piece, [&](Token left, Token right) {
                const auto merge = ranks.find({left, right});
                return merge == ranks.end() ? Merge{} : merge->second;
              }));
  }
}

TEST_P(BytePairTest, BacktrackingTakesTheTokensThatMergingLeaves) {
  BacktrackingEncoder::Memory memory;
  for (int round = 0; round < 6; ++round) {
    RandomMerges merges(random_, 120);
    merges.keep_what_lower_ranks_make();
    const BytePairEncoder encoder(merges.indexed_vocabulary(merges.tokens.size()));
    const BacktrackingEncoder backtracking(encoder.vocabulary());
    ASSERT_TRUE(backtracking.is_complete());
    memory = {};
    for (int piece_of_round = 0; piece_of_round < 20; ++piece_of_round) {
      const std::string piece = random_piece(random_, GetParam());
      Tokens merged = {7}, taken = {7};
      encoder.merge(piece, merged);
      backtracking.encode(piece, memory, taken);
      EXPECT_EQ(taken, merged) << piece;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, BytePairTest, testing::Values(1, 2, 3, 17, 47, 48, 49, 50, 300));

TEST(BytePairEncoderTest, TakesAKnownPieceWhole) {
  std::mt19937_64 random(1);
  RandomMerges merges(random, 1);
  merges.tokens.push_back("xyz");  // no merge gives it
  const BytePairEncoder encoder(merges.indexed_vocabulary(merges.tokens.size()));
  Tokens whole;
  encoder.encode("xyz", whole);
  EXPECT_EQ(whole, Tokens{257});
  Tokens merged;
  encoder.merge("xyz", merged);
  EXPECT_EQ(merged, (Tokens{'x', 'y', 'z'}));
}

TEST(BytePairEncoderTest, NamesTheTwoPartsOfAToken) {
  std::mt19937_64 random(2);
  RandomMerges merges(random, 0);
  merges.tokens.insert(merges.tokens.end(), {"bc", "ab", "abc", "xyz"});
  const BytePairEncoder encoder(merges.indexed_vocabulary(merges.tokens.size()));
  EXPECT_EQ(encoder.parts_of(258), (Tokens{'a', 256}));  // "bc" merges before "ab"
  EXPECT_EQ(encoder.parts_of(259).size(), 3U);
}

TEST(VocabularyTest, FindsTokensByTheirBytesOnlyWhenIndexed) {
  const std::string zeros(9, '\0');
  const std::string blob = "ab" + zeros + std::string(1, '\0') + "0123456789" + "0123456780";
  Vocabulary vocabulary(blob, {2, 0, 9, 1, 10, 10});
  EXPECT_EQ(vocabulary.size(), 6);
  EXPECT_EQ(vocabulary.find("ab"), kNoToken);
  vocabulary.index({0, 2, 3, 4});
  EXPECT_EQ(vocabulary.find("ab"), 0);
  EXPECT_EQ(vocabulary.find("abc"), kNoToken);
  EXPECT_EQ(vocabulary.find(std::string(1, '\0')), 3);
  EXPECT_EQ(vocabulary.find(std::string(2, '\0')), kNoToken);
  EXPECT_EQ(vocabulary.find(zeros), 2);
  EXPECT_EQ(vocabulary.find("0123456789"), 4);
  EXPECT_EQ(vocabulary.find("0123456780"), kNoToken);
  EXPECT_EQ(vocabulary.bytes(5), "0123456780");
  EXPECT_EQ(vocabulary.bytes(1), std::nullopt);
  EXPECT_EQ(vocabulary.bytes(6), std::nullopt);
  EXPECT_EQ(vocabulary.bytes(-1), std::nullopt);
}

TEST(BacktrackingEncoderTest, IsNotForATokenThatOnlyAHigherRankMakes) {
  std::mt19937_64 random(5);
  RandomMerges merges(random, 0);
  merges.tokens.insert(merges.tokens.end(), {"aa", "aaab", "aaa"});
  EXPECT_FALSE(BacktrackingEncoder(merges.indexed_vocabulary(merges.tokens.size())).is_complete());
  merges.tokens.pop_back();
  merges.tokens.insert(merges.tokens.end() - 1, "aaa");
  EXPECT_TRUE(BacktrackingEncoder(merges.indexed_vocabulary(merges.tokens.size())).is_complete());
}

TEST(TokenTreeTest, RefusesWhatItHasNoRoomFor) {
  TokenTree tree(0);
  std::mt19937_64 random(3);
  bool room = true;
  for (int i = 0; i < 1 << 16 && room; ++i) {
    std::string bytes(8, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    room = tree.add(bytes, i);
  }
  EXPECT_FALSE(room);
}

}  // namespace
}  // namespace toccata::tokenizer
