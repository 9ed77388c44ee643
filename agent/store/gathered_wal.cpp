#include "agent/store/gathered_wal.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

namespace toccata::store {
namespace {

constexpr int kFrameHeaderBytes = 24;
constexpr int kCapacity = 64 << 10;

// A log file; the system's file of it lies behind.
struct Log {
  sqlite3_file base;
  std::byte* waiting;   // kCapacity bytes; nullptr: nothing waits, every write goes through
  int n_waiting;        // bytes
  bool is_commit;       // the page that comes next is the last of a commit
  sqlite3_int64 begin;  // of what waits
  sqlite3_int64 end;    // of what was ever written here: below, frames are changed, not added

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& io() { return *real()->pMethods; }
};

static_assert(sizeof(Log) % 8 == 0 && alignof(Log) <= 8);  // SQLite aligns files to 8 bytes

Log& log(sqlite3_file* file) { return *reinterpret_cast<Log*>(file); }

int flush(Log& log) {
  if (log.n_waiting == 0) return SQLITE_OK;
  const int n = log.n_waiting;
  log.n_waiting = 0;
  log.is_commit = false;
  const int code = log.io().xWrite(log.real(), log.waiting, n, log.begin);
  if (code != SQLITE_OK) log.end = log.begin;  // SQLite adds them anew there
  return code;
}

bool ends_a_commit(const std::byte* frame_header) {
  static constexpr std::byte kNone[4] = {};
  return std::memcmp(frame_header + 4, kNone, 4) != 0;
}

int write(sqlite3_file* file, const void* bytes, int n, sqlite3_int64 at) {
  Log& to = log(file);
  const bool follows = at == to.begin + to.n_waiting;
  if (to.n_waiting > 0 && (!follows || to.n_waiting + n > kCapacity)) {
    if (const int code = flush(to); code != SQLITE_OK) return code;
  }
  const bool is_page = to.n_waiting > 0 && follows && n != kFrameHeaderBytes;
  const bool is_new_frame = n == kFrameHeaderBytes && at >= to.end;
  if (to.waiting == nullptr || (!is_page && !is_new_frame)) {
    const int code = to.io().xWrite(to.real(), bytes, n, at);
    if (code == SQLITE_OK) to.end = at == 0 ? n : std::max(to.end, at + n);  // at 0: the log begins anew
    return code;
  }
  if (to.n_waiting == 0) to.begin = at;
  std::memcpy(to.waiting + to.n_waiting, bytes, static_cast<std::size_t>(n));
  to.n_waiting += n;
  to.end = at + n;
  if (is_page) return to.is_commit ? flush(to) : SQLITE_OK;
  to.is_commit = ends_a_commit(to.waiting + to.n_waiting - n);
  return SQLITE_OK;
}

int close(sqlite3_file* file) {
  Log& of = log(file);
  delete[] of.waiting;
  return of.io().xClose(of.real());
}

int read(sqlite3_file* file, void* to, int n, sqlite3_int64 at) {
  Log& from = log(file);
  if (const int code = flush(from); code != SQLITE_OK) return code;
  return from.io().xRead(from.real(), to, n, at);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  Log& of = log(file);
  if (const int code = flush(of); code != SQLITE_OK) return code;
  of.end = std::min(of.end, size);
  return of.io().xTruncate(of.real(), size);
}

int sync(sqlite3_file* file, int flags) {
  Log& of = log(file);
  const int code = flush(of);
  return code != SQLITE_OK ? code : of.io().xSync(of.real(), flags);
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  Log& of = log(file);
  const int code = flush(of);
  return code != SQLITE_OK ? code : of.io().xFileSize(of.real(), size);
}

// Version 1: SQLite maps no log and keeps no shared memory with one.
const sqlite3_io_methods kLogMethods = [] {
  sqlite3_io_methods m = {};
  m.iVersion = 1;
  m.xClose = close;
  m.xRead = read;
  m.xWrite = write;
  m.xTruncate = truncate;
  m.xSync = sync;
  m.xFileSize = file_size;
  m.xLock = [](sqlite3_file* f, int level) { return log(f).io().xLock(log(f).real(), level); };
  m.xUnlock = [](sqlite3_file* f, int level) { return log(f).io().xUnlock(log(f).real(), level); };
  m.xCheckReservedLock = [](sqlite3_file* f, int* out) { return log(f).io().xCheckReservedLock(log(f).real(), out); };
  m.xFileControl = [](sqlite3_file* f, int op, void* to) { return log(f).io().xFileControl(log(f).real(), op, to); };
  m.xSectorSize = [](sqlite3_file* f) { return log(f).io().xSectorSize(log(f).real()); };
  m.xDeviceCharacteristics = [](sqlite3_file* f) { return log(f).io().xDeviceCharacteristics(log(f).real()); };
  return m;
}();

struct Vfs {
  sqlite3_vfs vfs;  // first: SQLite hands its address to open()
  sqlite3_vfs* real;
  std::string name;
};
static_assert(std::is_standard_layout_v<Vfs>);

int open(sqlite3_vfs* self, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* real = reinterpret_cast<Vfs*>(self)->real;
  if ((flags & SQLITE_OPEN_WAL) == 0) return real->xOpen(real, path, file, flags, out_flags);
  Log* made = new (file) Log{};
  const int code = real->xOpen(real, path, made->real(), flags, out_flags);
  if (made->real()->pMethods == nullptr) return code;  // nothing to close
  made->waiting = new (std::nothrow) std::byte[kCapacity];
  made->base.pMethods = &kLogMethods;
  return code;
}

}  // namespace

const char* gathering_vfs() {
  static std::mutex mutex;
  static auto* all = new std::vector<std::unique_ptr<Vfs>>;  // SQLite refers to them until the very end
  sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
  const std::lock_guard lock(mutex);
  for (const auto& one : *all) {
    if (one->real == real) return one->name.c_str();
  }
  all->push_back(std::make_unique<Vfs>(Vfs{*real, real, "gathered-wal over " + std::string(real->zName)}));
  Vfs& made = *all->back();
  made.vfs.zName = made.name.c_str();
  made.vfs.szOsFile = static_cast<int>(sizeof(Log)) + real->szOsFile;
  made.vfs.xOpen = open;
  sqlite3_vfs_register(&made.vfs, /*makeDflt=*/0);
  return made.vfs.zName;
}

}  // namespace toccata::store
