#include "core/hub/download.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "core/hub/digest.h"
#include "core/hub/file_lock.h"
#include "core/hub/partial_file.h"

namespace toccata::hub {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kChunkMin = std::uint64_t{1} << 20, kChunkMax = std::uint64_t{64} << 20;
constexpr std::uint64_t kSyncBytes = std::uint64_t{32} << 20;      // at most this much is lost with the power
constexpr std::uint64_t kProgressBytes = std::uint64_t{64} << 10;  // a connection that brought less made no progress
constexpr auto kLockPoll = 200ms, kProgressEvery = 100ms;

std::uint64_t chunk_bytes(std::uint64_t size, int jobs) {
  return std::clamp(size / (2 * static_cast<std::uint64_t>(jobs)), kChunkMin, kChunkMax);
}

// One file on its way. Everything but `partial`, which has its own lock, is guarded by Download::mutex_.
struct Transfer {
  enum class State { kNew, kOpening, kFetching, kChecking, kDone };

  HubFile file;
  State state = State::kNew;
  Clock::time_point not_before = {};  // kNew, and somebody else has the lock
  bool told_of_wait = false;
  std::optional<FileLock> lock = {};
  std::optional<PartialFile> partial = {};
  std::vector<bool> taken = {};  // chunks that a thread works on, or that are done
  int workers = 0;               // threads that fetch
  bool whole_only = false;       // the server knows no ranges
  bool came_wrong = false;       // once already
};

enum class Work { kNone, kOpen, kChunk, kWhole, kCheck };

struct Task {
  Work work = Work::kNone;
  Transfer* transfer = nullptr;
  std::size_t chunk = 0;
};

// "bytes 0-99/100" of an answer to the range from `begin`.
bool is_range_of(std::string_view content_range, std::uint64_t begin, std::uint64_t size) {
  return content_range.starts_with("bytes " + std::to_string(begin) + "-") &&
         content_range.ends_with("/" + std::to_string(size));
}

class Download {
 public:
  Download(
      const HubAccess& access, const std::string& repo, const std::string& commit, const std::vector<HubFile>& files,
      const Destination& destination, const DownloadOptions& options, const DownloadEvents& events
  )
      : access_(access), repo_(repo), commit_(commit), destination_(destination), options_(options), events_(events) {
    std::set<std::string> keys;
    for (const HubFile& file : files) {
      if (keys.insert(destination.key(file)).second) transfers_.emplace_back().file = file;
    }
  }

  Result<std::uint64_t> run(const std::stop_token& stop) {
    const std::stop_callback forward(stop, [this] { stop_.request_stop(); });
    std::vector<std::thread> threads;
    for (int i = 0; i < options_.jobs; ++i) threads.emplace_back([this] { work(); });
    watch();
    for (std::thread& thread : threads) thread.join();
    report();
    if (bug_) std::rethrow_exception(bug_);
    if (error_) return *error_;
    return fetched_.load();
  }

 private:
  // The caller's thread tells what the others did.
  void watch() {
    std::unique_lock lock(mutex_);
    while (finished_ < options_.jobs) {
      changed_for_watch_.wait_for(lock, kProgressEvery);
      lock.unlock();
      report();
      lock.lock();
    }
  }

  void report() {
    std::deque<std::function<void()>> reports;
    {
      const std::lock_guard lock(mutex_);
      reports.swap(reports_);
    }
    for (const auto& tell : reports) tell();
    if (events_.on_progress) events_.on_progress(done_, fetched_);
  }

  void note(std::string text) {
    if (!events_.on_note) return;
    const std::lock_guard lock(mutex_);
    reports_.push_back([this, text = std::move(text)] { events_.on_note(text); });
  }

  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    // What the others say once they are stopped is not the reason.
    if (!error_ || (error_->code == ErrorCode::kCancelled && error.code != ErrorCode::kCancelled)) error_ = error;
    stop_.request_stop();
    changed_.notify_all();
  }

  void work() {
    try {
      Hub hub(access_, [this](const Error& error, std::chrono::milliseconds pause) {
        const auto tenths = (pause.count() + 50) / 100;
        note(
            error.message + "; trying again in " + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s"
        );
      });
      for (Task task = next(); task.work != Work::kNone; task = next()) {
        if (Result<void> done = carry_out(task, hub); !done) fail(done.error());
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      bug_ = std::current_exception();
      stop_.request_stop();
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ++finished_;
    changed_for_watch_.notify_all();
  }

  // What to do next: earlier files first, so that files get complete one after the other. Waits while there is nothing.
  Task next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (stop_.stop_requested()) {
        if (!error_) error_ = Error{ErrorCode::kCancelled, "stopped; what came is kept, the same command goes on"};
        return {};
      }
      bool all_done = true;
      for (Transfer& transfer : transfers_) {
        all_done = all_done && transfer.state == Transfer::State::kDone;
        if (Task task = task_of(transfer); task.work != Work::kNone) return task;
      }
      if (all_done) return {};
      changed_.wait_for(lock, kLockPoll);
    }
  }

  Task task_of(Transfer& transfer) {
    if (transfer.state == Transfer::State::kNew && Clock::now() >= transfer.not_before) {
      transfer.state = Transfer::State::kOpening;
      return {Work::kOpen, &transfer};
    }
    if (transfer.state != Transfer::State::kFetching) return {};
    if (!transfer.whole_only) {
      const auto free = std::find(transfer.taken.begin(), transfer.taken.end(), false);
      if (free != transfer.taken.end()) {
        *free = true;
        ++transfer.workers;
        return {Work::kChunk, &transfer, static_cast<std::size_t>(free - transfer.taken.begin())};
      }
    }
    if (transfer.workers > 0) return {};
    if (transfer.partial->bytes_done() < transfer.file.size) {  // whole_only, and its one reader gave up its chunk
      ++transfer.workers;
      return {Work::kWhole, &transfer};
    }
    transfer.state = Transfer::State::kChecking;
    return {Work::kCheck, &transfer};
  }

  Result<void> carry_out(const Task& task, Hub& hub) {
    switch (task.work) {
      case Work::kOpen: return open(*task.transfer);
      case Work::kCheck: return check(*task.transfer);
      case Work::kChunk:
      case Work::kWhole: {
        const Result<void> fetched = fetch(task, hub);
        const std::lock_guard lock(mutex_);
        --task.transfer->workers;
        changed_.notify_all();
        return fetched;
      }
      case Work::kNone: break;
    }
    return {};
  }

  void finish(Transfer& transfer, bool fetched) {
    const std::lock_guard lock(mutex_);
    transfer.state = Transfer::State::kDone;
    transfer.partial.reset();
    transfer.lock.reset();
    if (events_.on_file) {
      reports_.push_back([this, file = transfer.file, fetched] { events_.on_file(file, fetched); });
    }
    changed_.notify_all();
  }

  // Whether the bytes are there and, where that is in doubt, right.
  Result<bool> is_present(const HubFile& file) {
    if (!destination_.has(file)) return false;
    if (destination_.name_vouches_for_content() && !options_.check_present) return true;
    auto id = content_id(destination_.content(file), file.id, stop_.get_token());
    if (!id) return id.error();
    if (*id != file.id) note(destination_.content(file).string() + " is not what the hub has: fetching it");
    return *id == file.id;
  }

  Result<void> open(Transfer& transfer) {
    const HubFile& file = transfer.file;
    auto present = is_present(file);
    if (!present) return present.error();
    if (!*present) {
      if (Result<void> made = destination_.make_folders(file); !made) return made.error();
      auto lock = FileLock::try_lock(destination_.lock(file));
      if (!lock) return lock.error();
      if (!*lock) {
        if (!transfer.told_of_wait) note(file.path + ": waiting for another download of it");
        const std::lock_guard guard(mutex_);
        transfer.told_of_wait = true;
        transfer.not_before = Clock::now() + kLockPoll;
        transfer.state = Transfer::State::kNew;
        return {};
      }
      transfer.lock = std::move(*lock);
      // Whoever had the lock may have finished it.
      if (transfer.told_of_wait) present = is_present(file);
      if (!present) return present.error();
    }
    if (*present) {
      done_ += file.size;
      finish(transfer, /*fetched=*/false);
      return {};
    }
    auto partial = PartialFile::open(destination_.stem(file), file.size, chunk_bytes(file.size, options_.jobs));
    if (!partial) return partial.error();
    done_ += partial->bytes_done();
    const std::lock_guard guard(mutex_);
    transfer.partial.emplace(std::move(*partial));
    release_chunks(transfer);
    transfer.state = Transfer::State::kFetching;
    changed_.notify_all();
    return {};
  }

  static void release_chunks(Transfer& transfer) {
    transfer.taken.clear();
    for (std::size_t i = 0; i < transfer.partial->chunk_count(); ++i) {
      transfer.taken.push_back(transfer.partial->chunk(i).done());
    }
  }

  // What one answer brought.
  struct Taken {
    std::uint64_t gained = 0;  // bytes that were not there before
    std::optional<Error> error = {};
    bool left_to_another = false;  // the file can only be read whole, and another thread does
  };

  // Until the chunk (or the file, where the server knows no ranges) is there.
  Result<void> fetch(const Task& task, Hub& hub) {
    const PartialFile& partial = *task.transfer->partial;
    bool whole = task.work == Work::kWhole;
    Patience patience(access_, hub.on_retry());
    for (;;) {
      Retry retry;
      const Taken taken = fetch_once(task, hub, whole, retry);
      if (taken.left_to_another) return {};
      if (whole ? partial.bytes_done() == task.transfer->file.size : partial.chunk(task.chunk).done()) return {};
      if (taken.gained >= kProgressBytes) patience.progressed();
      const Error error = taken.error.value_or(
          Error{ErrorCode::kCorrupt, task.transfer->file.path + ": the answer ended early"}
      );
      if (!taken.error) retry.worth_it = true;
      if (Result<void> paused = patience.pause(error, retry, stop_.get_token()); !paused) return paused;
    }
  }

  // One request. Sets `whole` when the answer is the whole file although a part was asked for.
  Taken fetch_once(const Task& task, Hub& hub, bool& whole, Retry& retry) {
    Transfer& transfer = *task.transfer;
    const std::uint64_t size = transfer.file.size;
    const PartialFile::Chunk chunk = whole ? PartialFile::Chunk{0, size, 0, 0} : transfer.partial->chunk(task.chunk);
    std::uint64_t begin = chunk.begin + chunk.written;
    std::uint64_t end = chunk.begin + chunk.size;
    if (begin == end) return {};
    auto exchange = hub.open_range(repo_, commit_, transfer.file, begin, end, retry, stop_.get_token());
    if (!exchange) return {.error = exchange.error()};
    const net::Response& response = exchange->response();
    if (response.status == 200) {
      if (!whole && !become_whole_reader(transfer)) return {.left_to_another = true};
      whole = true;
      begin = 0;
      end = size;
    } else if (const auto range = response.header("content-range").value_or(""); !is_range_of(range, begin, size)) {
      retry.worth_it = true;
      return {.error = Error{
                  ErrorCode::kCorrupt, transfer.file.path + ": asked for bytes from " + std::to_string(begin) + " of " +
                                           std::to_string(size) + ", got the range '" +
                                           std::string(range.substr(0, 100)) + "'"}};
    }
    return take(transfer, *exchange, begin, end, retry);
  }

  // The first thread that is told so reads the whole file; the others leave it.
  bool become_whole_reader(Transfer& transfer) {
    const std::lock_guard lock(mutex_);
    return !std::exchange(transfer.whole_only, true);
  }

  Taken take(Transfer& transfer, net::Exchange& exchange, std::uint64_t at, std::uint64_t end, Retry& retry) {
    Taken taken;
    std::uint64_t unsynced = 0;
    while (at < end) {
      auto bytes = exchange.read(stop_.get_token());
      if (!bytes) {
        retry.worth_it = bytes.error().code != ErrorCode::kCancelled;
        taken.error = bytes.error();
        break;
      }
      if (bytes->empty()) break;
      const std::string_view wanted = bytes->substr(0, end - at);
      auto gained = transfer.partial->write(at, wanted);
      if (!gained) {
        taken.error = gained.error();
        break;
      }
      fetched_ += wanted.size();
      done_ += *gained;
      taken.gained += *gained;
      at += wanted.size();
      unsynced += wanted.size();
      if (unsynced >= kSyncBytes || at == end) {
        unsynced = 0;
        if (Result<void> synced = transfer.partial->sync(); !synced) {
          taken.error = synced.error();
          break;
        }
      }
    }
    return taken;
  }

  Result<void> check(Transfer& transfer) {
    const HubFile& file = transfer.file;
    auto id = content_id(transfer.partial->path(), file.id, stop_.get_token());
    if (!id) return id.error();
    if (*id == file.id) {
      if (Result<void> named = transfer.partial->finish(destination_.content(file)); !named) return named;
      finish(transfer, /*fetched=*/true);
      return {};
    }
    const std::string what = file.path + ": expected " + file.id + ", what came hashes to " + *id;
    if (transfer.came_wrong) {
      transfer.partial->discard();
      return Error{
          ErrorCode::kCorrupt,
          what + ", twice. Nothing of it was kept: the hub, or something between it and here, changes the file. Try "
                 "another network, or another HF_ENDPOINT"};
    }
    note(what + ": fetching it again");
    if (Result<void> restarted = transfer.partial->restart(); !restarted) return restarted;
    done_ -= file.size;
    const std::lock_guard lock(mutex_);
    transfer.came_wrong = true;
    release_chunks(transfer);
    transfer.state = Transfer::State::kFetching;
    changed_.notify_all();
    return {};
  }

  const HubAccess& access_;
  const std::string& repo_;
  const std::string& commit_;
  const Destination& destination_;
  const DownloadOptions& options_;
  const DownloadEvents& events_;

  std::mutex mutex_;  // guards everything below that is not atomic
  std::condition_variable changed_, changed_for_watch_;
  std::deque<Transfer> transfers_;  // stays in place
  std::deque<std::function<void()>> reports_;
  std::optional<Error> error_;
  std::exception_ptr bug_;
  int finished_ = 0;  // threads
  std::stop_source stop_;
  std::atomic<std::uint64_t> done_ = 0, fetched_ = 0;
};

}  // namespace

Result<std::uint64_t> download(
    const HubAccess& access, const std::string& repo, const std::string& commit, const std::vector<HubFile>& files,
    const Destination& destination, const DownloadOptions& options, const DownloadEvents& events,
    const std::stop_token& stop
) {
  return Download(access, repo, commit, files, destination, options, events).run(stop);
}

}  // namespace toccata::hub
