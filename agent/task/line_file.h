// A file of JSON lines that only ever grows, written by one process at a time and good after any kill.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>

#include "agent/task/value.h"
#include "core/base/error.h"

namespace toccata::task {

class LineFile {
 public:
  // Locks the file and gives every line of it to `take`, which says whether it is one of its own; a line that was cut off by a
  // kill is removed. kUnavailable when another process has it; kCorrupt naming file and line when it is something else than
  // `what`, such as "result of a row".
  static Result<std::unique_ptr<LineFile>> open(
      const std::filesystem::path& path, const std::string& what, const std::function<bool(const Value&)>& take
  );
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // Written through to the disk. From any thread. Throws Exception(kIo).
  void append(const Value& line);
  // Takes the file away; nothing can be appended any more.
  void remove();

 private:
  LineFile() = default;
  std::filesystem::path path_;
  int file_ = -1;
  std::mutex mutex_;
};

}  // namespace toccata::task
