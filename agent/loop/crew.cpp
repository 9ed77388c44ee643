#include "agent/loop/crew.h"

#include <utility>

namespace toccata::agent {

Crew::~Crew() { run_posted(); }

void Crew::start(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    ++n_working_;
  }
  threads_.emplace_back([this, work = std::move(work)] {
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (failure && !failure_) failure_ = failure;
    --n_working_;
    changed_.notify_all();
  });
}

void Crew::post(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(callback));
  changed_.notify_all();
}

void Crew::ask(const std::function<void()>& callback) {
  bool done = false;
  std::unique_lock lock(mutex_);
  posted_.push_back([&] {
    callback();
    const std::lock_guard inner(mutex_);
    done = true;
    changed_.notify_all();
  });
  changed_.notify_all();
  changed_.wait(lock, [&] { return done; });
}

void Crew::run_posted() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !posted_.empty() || n_working_ == 0; });
    if (posted_.empty()) break;
    const std::function<void()> callback = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    callback();
    lock.lock();
  }
  lock.unlock();
  threads_.clear();
}

void Crew::join() {
  run_posted();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace toccata::agent
