#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace toccata::agent {

// Work on threads of its own, whose callbacks come on the thread that waits for it: events and questions of runs that go
// on side by side reach their listener one at a time.
//
//   Crew crew;
//   for (Order& order : orders) crew.start([&] { run(order, [&](Event e) { crew.post([&, e] { sink(e); }); }); });
//   crew.join();
class Crew {
 public:
  Crew() = default;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew();  // waits for the work, and runs what it posts

  // From the owner's thread.
  void start(std::function<void()> work);
  // From any thread: `callback` is run by join(), in the order of posting.
  void post(std::function<void()> callback);
  // The same, and waits until it has been run. From the work only.
  void ask(const std::function<void()>& callback);
  // Runs what is posted until all work is done. Then throws what the work threw, the first of it.
  void join();

 private:
  void run_posted();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> posted_;
  std::exception_ptr failure_;
  int n_working_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace toccata::agent
