// What sessions of one model have read first, kept for the next ones that begin alike: the same system message, the same tools, the
// same documents are read once; with a folder, once for all processes.
//
// A session's first read ends in a cache of keys and values; a copy of it (by reference: pages are shared) is kept with its tokens,
// on the device of the session. On a GPU kept pages that nobody needs for long move to host memory as any others do.
// Windowed layers hold only their last positions, so a kept cache serves prefixes that end at its end, or as little before it as its
// rings still hold. Where others have branched off earlier than that, the next session leaves a copy at the branch as it passes.
// Kept ones are few, so they stand in a list: comparing tokens takes microseconds where reading them takes seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/base/token.h"
#include "core/engine/kept_kv.h"

namespace toccata::engine {

// Any thread; any number of processes may share a folder.
class PrefixCache {
 public:
  struct Limits {
    std::size_t bytes = 0;  // in memory, pages that kept ones share counted once; the one of use longest ago goes first
    std::filesystem::path folder = {};                     // of files (kv_file.h); empty: none
    std::uint64_t folder_bytes = std::uint64_t{4} << 30;  // likewise, of all models together
  };
  // `load`: kv_loader() of the model; `model`: its fingerprint. Files that are damaged or of another model are passed over.
  PrefixCache(Limits limits, std::uint64_t model, KvLoader load);

  struct Start {
    std::shared_ptr<const KeptKv> kept;  // null: there is nothing to begin with
    std::int64_t n_tokens = 0;  // so many of its first ones are those asked for
    std::int64_t branch = 0;  // so many tokens were read before, but nothing was kept there: worth a keep(); 0: no such place
  };
  // For a session that is about to read `tokens`. The last one is left to it: the logits follow from reading it.
  Start begin(std::span<const Token> tokens);
  // What holds exactly these. `n_new`: how many of them had to be read; a file is written where that is worth it.
  void keep(std::span<const Token> tokens, std::shared_ptr<const KeptKv> kept, std::int64_t n_new);
  // For a device whose memory is full: lets go of the one in memory whose use is longest ago. False: there is none.
  bool forget_oldest();

  std::size_t bytes() const;
  std::size_t size() const;

 private:
  struct Kept {
    Tokens tokens;
    std::shared_ptr<const KeptKv> kv;  // null: on disk alone
    std::filesystem::path file;        // empty: in memory alone
    std::uint64_t used = 0;            // tick of the last use
  };
  void find_files();
  void bring(Kept& kept);
  void write(Kept& kept);
  std::size_t total_bytes() const;
  void make_room();
  bool drop_oldest();
  void make_room_on_disk() const;

  const Limits limits_;
  const std::uint64_t model_;
  const KvLoader load_;
  mutable std::mutex mutex_;
  std::vector<Kept> kept_;
  std::uint64_t tick_ = 0;
};

}  // namespace toccata::engine
