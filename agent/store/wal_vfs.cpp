#include "agent/store/wal_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace toccata::store {
namespace {

constexpr int kFrameHeaderBytes = 24;  // page number, pages after a commit or 0, salts, checksums: sqlite.org/fileformat2.html
constexpr int kLogHeaderBytes = 32;
// With one page more (at most 64 KiB) still below 128 KiB: the default VFS takes no more in one write.
constexpr std::size_t kPendingBytesMax = 60 << 10;

struct WalFile {
  sqlite3_file base;  // first: SQLite sees this
  std::vector<std::byte> pending;
  sqlite3_int64 pending_at = 0;
  bool page_follows = false;  // the last write was a frame's header that is held back ...
  bool commits = false;       // ... of the last frame of a commit
  // Only a frame behind the last one is held back: SQLite also goes back to headers, without their pages, to mend
  // checksums after a transaction that was larger than its cache.
  sqlite3_int64 next_frame = -1;
  sqlite3_int64 header_end = -1;  // of the last header that was written at once

  sqlite3_file* real();
  int flush() {
    if (pending.empty()) return SQLITE_OK;
    const int code = real()->pMethods->xWrite(real(), pending.data(), static_cast<int>(pending.size()), pending_at);
    pending.clear();
    return code;
  }
};

// Behind it in the memory SQLite gives us: the file of the default VFS.
constexpr std::size_t kRealAt = (sizeof(WalFile) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);

sqlite3_file* WalFile::real() { return reinterpret_cast<sqlite3_file*>(reinterpret_cast<std::byte*>(this) + kRealAt); }

WalFile& wal(sqlite3_file* file) { return *reinterpret_cast<WalFile*>(file); }

// With everything written that was held back.
template <class Call>
int flushed(sqlite3_file* file, const Call& call) {
  if (const int code = wal(file).flush(); code != SQLITE_OK) return code;
  sqlite3_file* real = wal(file).real();
  return call(*real->pMethods, real);
}

int close(sqlite3_file* file) {
  WalFile& self = wal(file);
  const int flushed = self.flush();
  const int closed = self.real()->pMethods->xClose(self.real());
  self.~WalFile();
  return flushed != SQLITE_OK ? flushed : closed;
}

int write_at_once(WalFile& self, const void* data, int n, sqlite3_int64 at) {
  if (const int code = self.flush(); code != SQLITE_OK) return code;
  if (at == 0 && n == kLogHeaderBytes) self.next_frame = n;
  if (at == self.header_end) self.next_frame = at + n;
  self.header_end = n == kFrameHeaderBytes ? at + n : -1;
  return self.real()->pMethods->xWrite(self.real(), data, n, at);
}

int write(sqlite3_file* file, const void* data, int n, sqlite3_int64 at) {
  WalFile& self = wal(file);
  const auto* bytes = static_cast<const std::byte*>(data);
  const bool page = std::exchange(self.page_follows, false) && at == self.next_frame + kFrameHeaderBytes;
  const bool header = !page && n == kFrameHeaderBytes && at == self.next_frame;
  if (!page && !header) return write_at_once(self, data, n, at);
  if (self.pending.empty()) self.pending_at = at;
  self.pending.insert(self.pending.end(), bytes, bytes + n);
  if (header) {
    self.page_follows = true;
    self.commits = std::any_of(bytes + 4, bytes + 8, [](std::byte b) { return b != std::byte{0}; });
    return SQLITE_OK;
  }
  self.next_frame = at + n;
  return self.commits || self.pending.size() > kPendingBytesMax ? self.flush() : SQLITE_OK;
}

int read(sqlite3_file* file, void* to, int n, sqlite3_int64 at) {
  return flushed(file, [&](const sqlite3_io_methods& real, sqlite3_file* f) { return real.xRead(f, to, n, at); });
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return flushed(file, [&](const sqlite3_io_methods& real, sqlite3_file* f) { return real.xTruncate(f, size); });
}
int sync(sqlite3_file* file, int flags) {
  return flushed(file, [&](const sqlite3_io_methods& real, sqlite3_file* f) { return real.xSync(f, flags); });
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return flushed(file, [&](const sqlite3_io_methods& real, sqlite3_file* f) { return real.xFileSize(f, size); });
}
int file_control(sqlite3_file* file, int what, void* argument) {
  return flushed(file, [&](const sqlite3_io_methods& real, sqlite3_file* f) { return real.xFileControl(f, what, argument); });
}
int lock(sqlite3_file* file, int level) { return wal(file).real()->pMethods->xLock(wal(file).real(), level); }
int unlock(sqlite3_file* file, int level) { return wal(file).real()->pMethods->xUnlock(wal(file).real(), level); }
int check_lock(sqlite3_file* file, int* held) {
  return wal(file).real()->pMethods->xCheckReservedLock(wal(file).real(), held);
}
int sector_size(sqlite3_file* file) { return wal(file).real()->pMethods->xSectorSize(wal(file).real()); }
int traits(sqlite3_file* file) { return wal(file).real()->pMethods->xDeviceCharacteristics(wal(file).real()); }

const sqlite3_io_methods* methods() {
  static const sqlite3_io_methods kMethods = [] {
    sqlite3_io_methods m{};
    m.iVersion = 1;  // a log is neither mapped nor has it shared memory
    m.xClose = close;
    m.xRead = read;
    m.xWrite = write;
    m.xTruncate = truncate;
    m.xSync = sync;
    m.xFileSize = file_size;
    m.xLock = lock;
    m.xUnlock = unlock;
    m.xCheckReservedLock = check_lock;
    m.xFileControl = file_control;
    m.xSectorSize = sector_size;
    m.xDeviceCharacteristics = traits;
    return m;
  }();
  return &kMethods;
}

int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* flags_out) {
  auto* real = static_cast<sqlite3_vfs*>(vfs->pAppData);
  if ((flags & SQLITE_OPEN_WAL) == 0) return real->xOpen(real, name, file, flags, flags_out);
  auto* self = new (file) WalFile;
  self->real()->pMethods = nullptr;
  const int code = real->xOpen(real, name, self->real(), flags, flags_out);
  const bool opened = self->real()->pMethods != nullptr;  // also after an error SQLite closes what has methods
  if (!opened) self->~WalFile();
  file->pMethods = opened ? methods() : nullptr;
  return code;
}

// Ours over one VFS.
struct Layer {
  std::string name;
  sqlite3_vfs vfs;
};

}  // namespace

const char* wal_vfs() {
  // SQLite keeps a list of them for the process; more than one only where the default is changed meanwhile.
  static std::mutex mutex;
  static std::list<Layer> layers;
  const std::lock_guard lock(mutex);
  sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
  if (real == nullptr) return nullptr;
  for (const Layer& layer : layers) {
    if (layer.vfs.pAppData == real) return layer.name.c_str();
  }
  Layer& layer = layers.emplace_back(Layer{"toccata-wal-" + std::to_string(layers.size()), *real});
  layer.vfs.zName = layer.name.c_str();
  layer.vfs.pNext = nullptr;
  layer.vfs.pAppData = real;  // the other methods look at nothing but their arguments
  layer.vfs.xOpen = open;
  layer.vfs.szOsFile = static_cast<int>(kRealAt) + real->szOsFile;
  return sqlite3_vfs_register(&layer.vfs, /*makeDflt=*/0) == SQLITE_OK ? layer.name.c_str() : nullptr;
}

}  // namespace toccata::store
