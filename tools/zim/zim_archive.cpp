#include "tools/zim/zim_archive.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "tools/web/utf8.h"

extern "C" const unsigned char zim_reader_begin[], zim_reader_end[];

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using sandbox::Outcome;
using sandbox::Status;

constexpr std::size_t kNameBytesMax = 1000;
constexpr const char* kNameInside = "archive.zim";  // below /mnt

sandbox::Policy policy_for(const fs::path& file, sandbox::Level weakest, const ZimLimits& limits) {
  sandbox::Policy policy;
  policy.minimum = weakest;
  policy.warmth = sandbox::Warmth::none();
  policy.mounts = {{file, kNameInside}};
  policy.limits.memory_bytes = limits.memory_bytes;
  policy.limits.processes = 16;
  policy.limits.cpu_seconds = 24 * 3600;
  policy.limits.transfer_bytes = policy.limits.file_bytes = limits.batch_bytes + limits.page_bytes + (std::size_t{1} << 20);
  policy.limits.workspace_bytes = 2 * policy.limits.transfer_bytes;
  policy.limits.workspace_inodes = 64;
  policy.limits.tmp_bytes = policy.limits.shm_bytes = std::size_t{1} << 20;
  policy.limits.flood_bytes = std::uint64_t{1} << 20;
  return policy;
}

// A file that begins as the format demands, whatever follows. The error otherwise.
Result<void> check_head(const fs::path& file) {
  char head[4] = {};
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{ErrorCode::kPermissionDenied, "cannot be read"};
  in.read(head, sizeof head);
  if (in.gcount() != sizeof head || std::memcmp(head, "ZIM\x04", sizeof head) != 0) {
    return Error{ErrorCode::kCorrupt, "it is called a ZIM file but does not begin like one (ZIM followed by the byte 4)"};
  }
  return {};
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_name(std::string_view path) {
  return !path.empty() && path.size() <= kNameBytesMax && !has_control(path) && mended_utf8(path) == path;
}

// The bytes that are left of a message.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool at_end() const { return rest_.empty(); }
  bool failed() const { return failed_; }

  template <class Number>
  Number number() {
    Number value{};
    const std::string_view bytes = take(sizeof value);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view take(std::size_t n) {
    if (n > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

enum class Kind : std::uint8_t { kText, kHtml, kOtherName };

Error forged() { return {ErrorCode::kCorrupt, "the reader of ZIM files gave something else than pages: the file may have been made to break it"}; }

std::string python_string(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

Error not_opened(const std::string& trouble) {
  const std::size_t line = std::min(trouble.find('\n'), trouble.size());
  if (trouble.substr(0, line) == "missing") {
    return {ErrorCode::kUnavailable, "reading ZIM files needs libzim's Python bindings, which are not installed: apt install python3-libzim"};
  }
  return {ErrorCode::kCorrupt, "libzim cannot read it: " + mended_utf8(trouble.substr(std::min(line + 1, trouble.size()), 300))};
}

}  // namespace

Result<DocumentArchive::Batch> parse_batch(std::string_view bytes, std::uint64_t first, std::uint64_t n_entries) {
  Reader reader(bytes);
  DocumentArchive::Batch batch;
  batch.next = reader.number<std::uint64_t>();
  batch.left_out = reader.number<std::uint64_t>();
  if (reader.failed() || batch.next <= first || batch.next > n_entries || batch.left_out > batch.next - first) return forged();
  while (!reader.at_end()) {
    const auto kind = reader.number<std::uint8_t>();
    const auto path_size = reader.number<std::uint32_t>(), title_size = reader.number<std::uint32_t>(), size = reader.number<std::uint32_t>();
    ArchivedPage page;
    page.path = reader.take(path_size);
    page.title = mended_utf8(reader.take(title_size));
    page.source = reader.take(size);
    if (reader.failed() || kind > static_cast<std::uint8_t>(Kind::kOtherName)) return forged();
    std::erase_if(page.title, [](char c) { return has_control({&c, 1}); });
    page.html = kind == static_cast<std::uint8_t>(Kind::kHtml);
    if (kind == static_cast<std::uint8_t>(Kind::kOtherName)) page.stands_for = std::exchange(page.source, {});
    page.source = mended_utf8(page.source);
    if (!is_name(page.path) || (kind == static_cast<std::uint8_t>(Kind::kOtherName) && !is_name(page.stands_for))) {
      ++batch.left_out;
      continue;
    }
    batch.pages.push_back(std::move(page));
  }
  return batch;
}

Result<std::unique_ptr<ZimArchive>> ZimArchive::open(const fs::path& file, sandbox::Level weakest, ZimLimits limits, std::stop_token stop) {
  if (const auto head = check_head(file); !head) return head.error();
  auto sandbox = sandbox::Sandbox::create(policy_for(file, weakest, limits));
  if (!sandbox) return Error{sandbox.error().code, "ZIM files are read in the sandbox: " + sandbox.error().message};
  auto session = sandbox->open();
  if (!session) return Error{session.error().code, "ZIM files are read in the sandbox: " + session.error().message};
  const std::string inside = sandbox->folders().at(0).inside;
  std::unique_ptr<ZimArchive> archive(new ZimArchive(std::move(*sandbox), std::move(*session), limits));  // NOLINT: private constructor
  const auto opened = archive->run(std::string(zim_reader_begin, zim_reader_end) + "\nopen_archive(" + python_string(inside) + ")", "opened", stop);
  if (!opened) return opened.error();
  Reader reader(*opened);
  archive->n_entries_ = reader.number<std::uint64_t>();
  if (reader.failed() || !reader.at_end() || archive->n_entries_ > UINT32_MAX) return forged();
  return archive;
}

Result<DocumentArchive::Batch> ZimArchive::read(std::uint64_t first, std::stop_token stop) {
  if (first >= n_entries_) return Batch{{}, n_entries_, 0};
  const auto bytes = run(
      "read_batch(" + std::to_string(first) + ", " + std::to_string(n_entries_) + ", " + std::to_string(limits_.page_bytes) + ", " +
          std::to_string(limits_.batch_bytes) + ")",
      "batch", stop);
  if (!bytes) return bytes.error();
  return parse_batch(*bytes, first, n_entries_);
}

// The file that the code has written.
Result<std::string> ZimArchive::run(const std::string& code, const char* file, std::stop_token stop) {
  const Outcome outcome = session_->execute(code, limits_.time, stop);
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped while a ZIM file was read"};
  if (outcome.status == Status::kTimeout) {
    return Error{ErrorCode::kTimeout, "libzim did not answer within " + std::to_string(limits_.time.count() / 1000) + " s: the file is damaged or the disk very slow"};
  }
  if (outcome.status == Status::kOk) {
    if (auto trouble = session_->download("trouble")) return not_opened(*trouble);
    if (auto bytes = session_->download(file)) return bytes;
  }
  return Error{ErrorCode::kCorrupt, "libzim failed on it (" + outcome.output.substr(0, 300) + "): the file is damaged"};
}

}  // namespace toccata::tools
