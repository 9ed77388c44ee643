// What sessions of one model have read first, kept for the next ones that begin alike: the same system message, the same tools, the
// same documents are read once.
//
// A session's first read ends in a timeline; a copy of it (by reference: pages are shared) is kept with its tokens. Windowed layers
// hold only their last positions, so a kept timeline serves prefixes that end at its end, or as little before it as its rings still
// hold. Where others have branched off earlier than that, the next session leaves a copy at the branch as it passes.
// Kept ones are few, so they stand in a list: comparing tokens takes microseconds where reading them takes seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/base/token.h"
#include "core/engine/timeline.h"

namespace toccata::engine {

// Any thread.
class PrefixCache {
 public:
  // `bytes_max`: of keys and values, pages that kept timelines share counted once; the one that was of use longest ago goes first.
  explicit PrefixCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  struct Start {
    std::unique_ptr<Timeline> timeline;  // null: there is nothing to begin with
    std::int64_t n_tokens = 0;           // the first ones, which it holds
    std::int64_t branch = 0;  // so many tokens were read before, but nothing was kept there: worth a keep(); 0: no such place
  };
  // For a session that is about to read `tokens`. The last one is left to it: the logits follow from reading it.
  Start begin(std::span<const Token> tokens);
  // Of a timeline that holds exactly these.
  void keep(std::span<const Token> tokens, const Timeline& timeline);

  std::size_t bytes() const;
  std::size_t size() const;

 private:
  struct Kept {
    Tokens tokens;
    std::unique_ptr<Timeline> timeline;
    std::uint64_t used = 0;  // tick of the last use
  };
  std::size_t total_bytes() const;
  void make_room();

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::vector<Kept> kept_;
  std::uint64_t tick_ = 0;
};

}  // namespace toccata::engine
