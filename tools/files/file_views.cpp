#include "tools/files/file_views.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>

#include "sandbox/output.h"

namespace toccata::tools {
namespace {

using sandbox::to_utf8;
using sandbox::UniqueFd;
using Clock = std::chrono::steady_clock;
using Entry = WorkFolder::Entry;

constexpr std::size_t kTextMax = 60'000;      // bytes of one answer
constexpr std::size_t kLineMax = 2'000;       // shown of one line
constexpr std::size_t kFoundLineMax = 300;    // the same, of a line that grep found
constexpr std::size_t kNamesMax = 1'000;
constexpr std::size_t kFoundMax = 200;
constexpr std::size_t kLookedAtMax = 50'000;  // files and folders of a walk
constexpr int kDepthMax = 32;
constexpr std::uint64_t kSearchBytesMax = std::uint64_t{512} << 20;
constexpr std::chrono::seconds kSearchTime{20};
constexpr std::size_t kSniffed = 8'192;  // a NUL in so many first bytes means binary

// The lines of a file, one after the other, in bounded memory: of a longer line than `kept` bytes only so many are kept.
class LineReader {
 public:
  LineReader(UniqueFd fd, std::size_t kept) : fd_(std::move(fd)), kept_(kept) {}

  // False at the end.
  bool next() {
    line_.clear();
    size_ = 0;
    bool any = false;
    for (;;) {
      if (at_ == buffer_.size() && !fill()) return any;
      any = true;
      const std::size_t end = std::min(buffer_.find('\n', at_), buffer_.size());
      size_ += end - at_;
      if (line_.size() < kept_) line_.append(buffer_, at_, std::min(end - at_, kept_ - line_.size()));
      at_ = end;
      if (at_ == buffer_.size()) continue;
      ++at_;
      if (size_ > 0 && size_ <= kept_ && line_.back() == '\r') line_.pop_back();
      return true;
    }
  }
  bool looks_binary() {
    if (buffer_.empty()) fill();
    return buffer_.substr(0, kSniffed).find('\0') != std::string::npos;
  }
  const std::string& line() const { return line_; }
  std::uint64_t left_out() const { return size_ > kept_ ? size_ - kept_ : 0; }
  std::uint64_t bytes() const { return bytes_; }
  // There is more than anybody is going to look at; the lines end here.
  bool gave_up() const { return bytes_ > kSearchBytesMax; }

 private:
  bool fill() {
    if (gave_up()) return false;
    buffer_.resize(std::size_t{1} << 16);
    ssize_t n = 0;
    do {
      n = ::read(fd_.get(), buffer_.data(), buffer_.size());
    } while (n < 0 && errno == EINTR);
    buffer_.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    bytes_ += buffer_.size();
    at_ = 0;
    return n > 0;
  }

  UniqueFd fd_;
  std::size_t kept_;
  std::string buffer_, line_;
  std::size_t at_ = 0;
  std::uint64_t size_ = 0;  // of the line
  std::uint64_t bytes_ = 0;  // read so far
};

std::uint64_t size_of(const UniqueFd& fd) {
  struct stat info = {};
  return fstat(fd.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

std::string shown(const LineReader& reader) {
  std::string text = to_utf8(reader.line());
  if (reader.left_out() > 0) text += " [... " + std::to_string(reader.left_out()) + " bytes cut]";
  return text;
}

std::string joined(const std::string& folder, const std::string& name) {
  return folder == "." ? name : folder + "/" + name;
}

std::string plural(std::size_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

// Every file below a folder, in the order of the paths, until `visit` says false.
class Walk {
 public:
  Walk(const WorkFolder& folder, std::stop_token stop) : folder_(folder), stop_(std::move(stop)) {}

  Result<void> run(const std::string& from, const std::function<bool(const std::string&)>& visit) {
    const Result<std::vector<Entry>> first = folder_.list(from, kLookedAtMax);
    if (!first) return first.error();
    descend(from, *first, visit, 0);
    return {};
  }
  // Why not everything was looked at; empty when all was.
  const std::string& cut() const { return cut_; }

 private:
  bool descend(
      const std::string& at, const std::vector<Entry>& entries,
      const std::function<bool(const std::string&)>& visit, int depth
  ) {
    for (const Entry& entry : entries) {
      if (++n_looked_at_ > kLookedAtMax) return stopped("more than 50000 files");
      if (stop_.stop_requested() || Clock::now() > deadline_) return stopped("it took too long");
      const std::string path = joined(at, entry.name);
      if (entry.kind == Entry::Kind::kFile && !visit(path)) return false;
      if (entry.kind != Entry::Kind::kFolder || entry.name == ".git") continue;
      if (depth == kDepthMax) {
        stopped("folders deeper than 32");
        continue;
      }
      const Result<std::vector<Entry>> below = folder_.list(path, kLookedAtMax);
      if (below && !descend(path, *below, visit, depth + 1)) return false;
    }
    return true;
  }
  bool stopped(const char* why) {
    cut_ = why;
    return false;
  }

  const WorkFolder& folder_;
  std::stop_token stop_;
  Clock::time_point deadline_ = Clock::now() + kSearchTime;
  std::size_t n_looked_at_ = 0;
  std::string cut_;
};

std::string incomplete(const std::string& why) {
  return why.empty() ? "" : "[not everything was looked at: " + why + "; name a smaller folder]\n";
}

}  // namespace

Result<std::string> show_lines(
    const WorkFolder& folder, const std::string& path, std::int64_t first, std::int64_t n_lines
) {
  Result<UniqueFd> fd = folder.open_file(path);
  if (!fd) return fd.error();
  const std::uint64_t size = size_of(*fd);
  if (size == 0) return "[" + to_utf8(path) + " is empty]";
  LineReader reader(*std::move(fd), kLineMax);
  if (reader.looks_binary())
    return "[" + to_utf8(path) + " is a binary file of " + std::to_string(size) + " bytes]";
  std::string text;
  std::int64_t line = 0, shown_lines = 0;
  while (reader.next()) {
    if (++line < first) continue;
    if (shown_lines == n_lines || text.size() >= kTextMax) {
      return text + "[the file goes on; next line: " + std::to_string(line) + "; " + std::to_string(size) + " bytes in all]";
    }
    text += "L" + std::to_string(line) + ": " + shown(reader) + "\n";
    ++shown_lines;
  }
  if (reader.gave_up()) return text + "[only the first 512 MiB of the file can be read]";
  if (line < first) {
    return Error{
        ErrorCode::kInvalidArgument,
        path + ": has " + plural(static_cast<std::size_t>(line), "line") + "; line " + std::to_string(first) + " was asked for"};
  }
  return text + "[end of the file: " + plural(static_cast<std::size_t>(line), "line") + "]";
}

Result<std::string> show_folder(const WorkFolder& folder, const std::string& path) {
  const Result<std::vector<Entry>> entries = folder.list(path, kNamesMax + 1);
  if (!entries) return entries.error();
  std::string text;
  for (std::size_t i = 0; i < std::min(entries->size(), kNamesMax); ++i) {
    const Entry& entry = (*entries)[i];
    text += to_utf8(entry.name);
    switch (entry.kind) {
      case Entry::Kind::kFile: text += "  " + std::to_string(entry.size) + " bytes\n"; break;
      case Entry::Kind::kFolder: text += "/\n"; break;
      case Entry::Kind::kLink: text += "  (a link; not followed)\n"; break;
      case Entry::Kind::kOther: text += "  (not a file)\n"; break;
    }
  }
  if (entries->size() > kNamesMax) text += "[more than 1000 names; the rest is not shown]\n";
  return text.empty() ? "[the folder is empty]" : text;
}

Result<std::string> show_matching_paths(
    const WorkFolder& folder, const std::string& path, const Glob& glob, std::stop_token stop
) {
  std::string text;
  std::size_t n_found = 0;
  Walk walk(folder, std::move(stop));
  const std::size_t prefix = path == "." ? 0 : path.size() + 1;
  const Result<void> done = walk.run(path, [&](const std::string& file) {
    if (!glob.matches(std::string_view(file).substr(prefix))) return true;
    if (++n_found <= kNamesMax) text += to_utf8(file) + "\n";
    return n_found <= kNamesMax;
  });
  if (!done) return done.error();
  if (n_found > kNamesMax) text += "[more than 1000 files; the rest is not shown]\n";
  if (n_found == 0) text = "[no file matches]\n";
  return text + incomplete(walk.cut());
}

Result<std::string> show_found_lines(
    const WorkFolder& folder, const std::string& path, const LinePattern& pattern, const Glob* glob,
    std::stop_token stop
) {
  std::string text, cut, costly;
  std::size_t n_found = 0, n_files = 0;
  std::uint64_t n_bytes = 0;
  const Clock::time_point deadline = Clock::now() + kSearchTime;
  const auto search = [&](const std::string& file) {
    Result<UniqueFd> fd = folder.open_file(file);
    if (!fd) return true;
    LineReader reader(*std::move(fd), std::size_t{1} << 16);
    if (reader.looks_binary()) return true;
    const std::size_t before = n_found;
    for (std::size_t line = 1; n_found < kFoundMax && reader.next(); ++line) {
      const bool look = line % 256 == 0 || !costly.empty();
      if (look && (stop.stop_requested() || Clock::now() > deadline)) cut = "it took too long";
      if (n_bytes + reader.bytes() > kSearchBytesMax) cut = "more than 512 MiB";
      if (!cut.empty()) break;
      const LinePattern::Answer answer = pattern.find_in(reader.line());
      if (answer == LinePattern::Answer::kTooCostly && costly.empty())
        costly = to_utf8(file) + ":" + std::to_string(line);
      if (answer != LinePattern::Answer::kYes) continue;
      ++n_found;
      const std::string_view shown_part = std::string_view(reader.line()).substr(0, kFoundLineMax);
      const bool whole = shown_part.size() == reader.line().size();
      text += to_utf8(file) + ":" + std::to_string(line) + ": " + to_utf8(shown_part) + (whole ? "\n" : " [...]\n");
    }
    n_bytes += reader.bytes();
    if (n_found > before) ++n_files;
    return n_found < kFoundMax && cut.empty();
  };
  const std::size_t prefix = path == "." ? 0 : path.size() + 1;
  Walk walk(folder, stop);
  const Result<void> done = walk.run(path, [&](const std::string& file) {
    return glob != nullptr && !glob->matches(std::string_view(file).substr(prefix)) ? true : search(file);
  });
  // Perhaps it is the one file to look into.
  if (!done) {
    if (path == ".") return done.error();
    if (const Result<UniqueFd> file = folder.open_file(path); !file) return file.error();
    search(path);
  }
  if (n_found == kFoundMax) text += "[the first 200 lines found; there may be more]\n";
  if (n_found == 0) text = "[nothing found]\n";
  if (!costly.empty()) text += "[the pattern takes too long on some lines, which were passed over; the first is " + costly + "]\n";
  text += incomplete(cut.empty() ? walk.cut() : cut);
  if (n_found > 0 && n_found < kFoundMax) text += "[" + plural(n_found, "line") + " in " + plural(n_files, "file") + "]";
  return text;
}

}  // namespace toccata::tools
