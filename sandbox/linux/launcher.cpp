#include "sandbox/linux/launcher.h"

#include <pthread.h>
#include <signal.h>

namespace toccata::sandbox {

Launcher::Launcher() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { serve(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Launcher::~Launcher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Launcher::run(const std::function<void()>& job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return job_ == nullptr; });
  job_ = &job;
  changed_.notify_all();
  changed_.wait(lock, [&] { return job_ != &job; });
}

void Launcher::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return job_ != nullptr || closing_; });
    if (job_ == nullptr) return;
    (*job_)();
    job_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace toccata::sandbox
