// A file system below SQLite on which the n-th operation that changes a file goes wrong: the process is killed before,
// after or in the middle of it, or the disk is full or read-only from then on.
#pragma once

#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <new>

namespace toccata::testing {

enum class Fault { kNone, kKillBefore, kKillInTheMiddle, kKillAfter, kDiskFull, kReadOnly };

// One for the process, and the default of every connection opened after install(). Threads that write at the same time
// share the count: the fault then strikes at some operation of one of them.
class FaultyDisk {
 public:
  static void install() {
    if (vfs_.zName != nullptr) return;
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "faulty";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
  }
  // Counts anew; the fault happens at operation number `at` (1, 2, ...), kKillInTheMiddle of a write when so many eighths
  // of it are done.
  static void arm(Fault fault, long at, int eighths = 4) {
    fault_ = fault;
    at_ = at;
    eighths_ = eighths;
    n_ = 0;
  }
  static long n_operations() { return n_; }
  // A point of the program outside SQLite that counts as an operation: nothing to do half.
  static void point() { (void)leave(enter(nullptr, nullptr, 0, 0)); }

 private:
  struct File {
    sqlite3_file base;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static File* as_file(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static sqlite3_file* real(sqlite3_file* file) { return as_file(file)->real(); }

  [[noreturn]] static void die() {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }

  // SQLITE_OK: go on.
  static int enter(sqlite3_file* file, const void* bytes, int n_bytes, sqlite3_int64 offset) {
    const long n = ++n_;
    if (fault_ == Fault::kDiskFull && n >= at_) return SQLITE_FULL;
    if (fault_ == Fault::kReadOnly && n >= at_) return SQLITE_READONLY;
    if (n != at_) return SQLITE_OK;
    if (fault_ == Fault::kKillInTheMiddle) {
      if (bytes != nullptr) real(file)->pMethods->xWrite(real(file), bytes, static_cast<int>(std::int64_t{n_bytes} * eighths_ / 8), offset);
      die();
    }
    if (fault_ == Fault::kKillBefore) die();
    return SQLITE_OK;
  }
  static int leave(int code) {
    if (fault_ == Fault::kKillAfter && n_ == at_) die();
    return code;
  }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    File* mine = as_file(file);
    mine->base.pMethods = nullptr;
    const int code = real_->xOpen(real_, name, mine->real(), flags, out_flags);
    if (mine->real()->pMethods != nullptr) mine->base.pMethods = methods();
    return code;
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods table = {
        .iVersion = 2,
        .xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
        .xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at
                 ) { return real(f)->pMethods->xRead(real(f), to, n, at); },
        .xWrite =
            [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
              if (const int code = enter(f, from, n, at); code != SQLITE_OK) return code;
              return leave(real(f)->pMethods->xWrite(real(f), from, n, at));
            },
        .xTruncate =
            [](sqlite3_file* f, sqlite3_int64 size) {
              if (const int code = enter(f, nullptr, 0, 0); code != SQLITE_OK) return code;
              return leave(real(f)->pMethods->xTruncate(real(f), size));
            },
        .xSync =
            [](sqlite3_file* f, int flags) {
              if (const int code = enter(f, nullptr, 0, 0); code != SQLITE_OK) return code;
              return leave(real(f)->pMethods->xSync(real(f), flags));
            },
        .xFileSize = [](sqlite3_file* f, sqlite3_int64* size
                     ) { return real(f)->pMethods->xFileSize(real(f), size); },
        .xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
        .xUnlock = [](sqlite3_file* f, int level
                   ) { return real(f)->pMethods->xUnlock(real(f), level); },
        .xCheckReservedLock = [](sqlite3_file* f, int* out
                              ) { return real(f)->pMethods->xCheckReservedLock(real(f), out); },
        .xFileControl = [](sqlite3_file* f, int op, void* arg
                        ) { return real(f)->pMethods->xFileControl(real(f), op, arg); },
        .xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
        .xDeviceCharacteristics = [](sqlite3_file* f
                                  ) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
        .xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out
                   ) { return real(f)->pMethods->xShmMap(real(f), page, size, extend, out); },
        .xShmLock = [](sqlite3_file* f, int offset, int n, int flags
                    ) { return real(f)->pMethods->xShmLock(real(f), offset, n, flags); },
        .xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
        .xShmUnmap = [](sqlite3_file* f, int remove
                     ) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
        .xFetch = nullptr,
        .xUnfetch = nullptr,
    };
    return &table;
  }

  static inline sqlite3_vfs* real_ = nullptr;
  static inline sqlite3_vfs vfs_ = {};
  static inline Fault fault_ = Fault::kNone;
  static inline long at_ = 0;
  static inline int eighths_ = 4;
  static inline std::atomic<long> n_ = 0;
};

}  // namespace toccata::testing
