// Where downloaded files lie.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/hub/hub.h"

namespace toccata::hub {

// The cache of huggingface_hub, or a plain folder.
//   cache    models--owner--name/blobs/<id>                    the bytes, once each
//            models--owner--name/snapshots/<commit>/<path>     links to them: ../../blobs/<id>
//            models--owner--name/refs/<revision>               the commit
//            .locks/models--owner--name/<id>.lock
//   folder   <path>; what is on its way in .toccata-pull/
// Source: huggingface_hub documentation, "Understand caching".
class Destination {
 public:
  static Destination cache(std::filesystem::path hub_cache, const std::string& repo, const std::string& commit);
  static Destination folder(std::filesystem::path folder);

  // Where the files can be opened under their names.
  const std::filesystem::path& root() const { return root_; }
  // Files with the same key are the same bytes in the same place, and downloaded once.
  std::string key(const HubFile& file) const { return is_cache_ ? file.id : file.path; }
  // The bytes, when all are there.
  std::filesystem::path content(const HubFile& file) const;
  // Whether the bytes of that size are there. In the cache a name vouches for what was checked when it was given.
  bool has(const HubFile& file) const;
  bool name_vouches_for_content() const { return is_cache_; }
  // Before the suffixes of PartialFile.
  std::filesystem::path stem(const HubFile& file) const;
  std::filesystem::path lock(const HubFile& file) const;

  // The folders that the paths above lie in.
  Result<void> make_folders(const HubFile& file) const;
  // All is there: makes the names. Replaces links of an earlier, other content.
  Result<void> publish(const std::vector<HubFile>& files, const std::string& revision) const;

 private:
  bool is_cache_ = false;
  std::filesystem::path root_, repository_, locks_;
  std::string commit_;
};

// The snapshot that a revision (a branch, a tag or a commit) has in the cache.
std::optional<std::filesystem::path> cached_snapshot(
    const std::filesystem::path& hub_cache, const std::string& repo, const std::string& revision
);

// Bytes that may still be written where `path` is or will be. kIo.
Result<std::uint64_t> free_bytes(const std::filesystem::path& path);

}  // namespace toccata::hub
