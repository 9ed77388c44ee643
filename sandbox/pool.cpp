#include "sandbox/pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <utility>

namespace toccata::sandbox {

Pool::Pool(std::shared_ptr<Machinery> machinery, const Warmth& warmth)
    : machinery_(std::move(machinery)),
      zygote_(warmth.zygote),
      n_ready_(warmth.ready),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!zygote_ && n_ready_ == 0) return;
  // Handlers of the host run on threads of the host.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { keep_warm(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  (void)!eventfd_write(stop_.get(), 1);
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<Session> Pool::take() {
  for (;;) {
    std::unique_ptr<Session> session;
    {
      const std::lock_guard lock(mutex_);
      if (ready_.empty()) return nullptr;
      session = std::move(ready_.front());
      ready_.pop_front();
    }
    changed_.notify_all();
    if (is_alive(*session)) return session;  // it may have been killed while it waited
  }
}

Result<std::string> Pool::await() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return Error{ErrorCode::kUnavailable, "the policy asks for no zygote"};
  changed_.wait(lock, [this] { return begun_ && !wants_more(); });
  lock.unlock();
  return machinery_->warmed();
}

void Pool::keep_warm() {
  if (zygote_) machinery_->warm_up(stop_.get());
  std::unique_lock lock(mutex_);
  begun_ = true;
  while (!stopping_) {
    changed_.notify_all();
    changed_.wait(lock, [this] { return stopping_ || wants_more(); });
    if (stopping_) return;
    lock.unlock();
    Result<std::unique_ptr<Session>> session = open_session(machinery_);
    lock.lock();
    failures_ = session ? 0 : failures_ + 1;
    if (session) ready_.push_back(std::move(*session));
  }
}

}  // namespace toccata::sandbox
