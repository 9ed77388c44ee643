#include "sandbox/session_slot.h"

#include <algorithm>

namespace toccata::sandbox {

std::vector<KeptFile> SessionSlot::take_changes() {
  std::vector<KeptFile> files;
  if (!session_) return files;
  std::uint64_t left = kTotalKept;
  for (const FileChange& change : session_->take_changes()) {
    KeptFile file{change.path, std::nullopt};
    if (!change.removed && change.size <= std::min(kFileKept, left)) {
      // It may be gone meanwhile, or have grown: code can run on in the background.
      if (Result<std::string> bytes = session_->download(change.path); bytes && bytes->size() <= kFileKept) {
        left -= std::min<std::uint64_t>(left, bytes->size());
        file.bytes = std::move(*bytes);
      }
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace toccata::sandbox
