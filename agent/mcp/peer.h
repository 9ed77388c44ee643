// One client: its requests that are under way, and what it has said of itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "agent/mcp/protocol.h"
#include "agent/mcp/service.h"
#include "agent/mcp/work_queue.h"

namespace toccata::mcp {

// The way back for one request. Any thread, one at a time: notify() any number of times, then answer() or drop() once.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // The call was accepted and takes long; notifications may follow.
  virtual void expect_long() {}
  virtual void notify(const std::string& message) = 0;
  // `status`: of the answer over HTTP, when nothing has been sent yet.
  virtual void answer(const std::string& message, int status) = 0;
  // The request was cancelled: no answer will come.
  virtual void drop() = 0;
};

// All of the protocol but reading and writing. Requests that need no tool are answered before request() returns, calls
// later by a thread of the queue. Any thread. Service, queue and identity must outlive it and what it has begun.
class Peer : public std::enable_shared_from_this<Peer> {
 public:
  // `client`: see Call.
  Peer(Service& service, WorkQueue& queue, const ServerIdentity& identity, std::string client)
      : service_(service), queue_(queue), identity_(identity), client_(std::move(client)) {}

  // The transport has seen which era it is, and checked its own headers. What is returned cancels this request and no later
  // one with the same id; it has no state when the request is answered.
  std::stop_source request(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet);
  void notification(const Message& notification);
  void cancel_all();
  // Until no request is under way. No new one may come meanwhile.
  void wait();
  bool idle() const;
  const std::string& client() const { return client_; }

 private:
  struct Job;
  // Unknown ids are nobody's.
  void cancel(const Json& id);
  void answer_legacy(const Message& request, Outlet& outlet);
  void answer_modern(const Message& request, Outlet& outlet);
  std::stop_source start(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet);
  Result<std::shared_ptr<Job>> make_job(const Message& request, Era era, const std::shared_ptr<Outlet>& outlet);
  void run(Job& job);
  void finish(const Job& job);
  // What changes when the resource does; 0 = there is none.
  std::size_t version_of(const std::string& uri);
  // Behind a call, in its lane: which of the watched resources that lie there it has changed.
  void tell_changes(const Job& job);

  Service& service_;
  WorkQueue& queue_;
  const ServerIdentity& identity_;
  const std::string client_;
  std::atomic<bool> initialized_ = false;
  std::atomic<int> log_level_ = 1;  // of the legacy era: info, until logging/setLevel

  mutable std::mutex mutex_;  // guards what follows; nothing is sent under it
  std::condition_variable changed_;
  std::map<std::string, std::stop_source> open_;  // by the id as JSON
  std::map<std::string, std::size_t> watched_;    // resources that the client subscribed to, with their versions; legacy only
};

}  // namespace toccata::mcp
