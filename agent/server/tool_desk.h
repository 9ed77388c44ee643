// The tools that the server runs for requests: which there are, and the containers in which conversations keep them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/loop/served_turn.h"
#include "agent/server/http_server.h"
#include "agent/server/tool_host.h"

namespace toccata::server {

struct ContainerLimits {
  std::size_t containers_max = 16;       // those in use among them
  std::chrono::seconds idle_max{1200};  // then it is closed, with all its variables, files and pages
};

// What calls of one conversation share, and the run in which they stand. In use by one response at a time.
struct Container {
  std::string id;     // "cntr_..."
  std::string owner;  // whose key opened it
  std::unique_ptr<ToolBox> box;
  std::unique_ptr<store::Ledger> ledger;  // of stored responses; opened when it is needed
  agent::ServedRun run;                   // in that ledger
  std::vector<std::string> steps = {};    // keys of the steps that were taken with it (step_key()), the last 64
};

// Any thread.
class ToolDesk {
 public:
  // `host`: null where the server makes no calls.
  ToolDesk(std::shared_ptr<ToolHost> host, ContainerLimits limits);
  ToolDesk(const ToolDesk&) = delete;
  ToolDesk& operator=(const ToolDesk&) = delete;

  ToolHost* host() const { return host_.get(); }

  // A container in use; goes back when it is destroyed.
  class Lease {
   public:
    Lease(ToolDesk& desk, std::unique_ptr<Container> container) : desk_(&desk), container_(std::move(container)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (container_) desk_->give_back(std::move(container_));
    }
    Container& operator*() const { return *container_; }
    Container* operator->() const { return container_.get(); }
    // It is closed instead: what was cut off in the middle of a call is in no known state.
    void close() {
      if (container_) desk_->close(std::move(container_));
    }

   private:
    ToolDesk* desk_;
    std::unique_ptr<Container> container_;
  };

  // The container with `id`; without an id the one in which one of `steps` (the last that has one) was taken, else a new
  // one. ApiError for an id that is not there, or not the owner's ("container_not_found"), is in use ("container_busy"),
  // and where all are in use ("rate_limit_exceeded").
  Lease take(const std::string& id, const std::vector<std::string>& steps, const std::string& owner);

  std::size_t n_containers() const;

 private:
  struct Idle {
    std::unique_ptr<Container> container;
    std::chrono::steady_clock::time_point since;
  };
  std::unique_ptr<Container> find(const std::string& id, const std::vector<std::string>& steps, const std::string& owner);
  void give_back(std::unique_ptr<Container> container);
  void close(std::unique_ptr<Container> container);
  void close_idle(const std::stop_token& stop);

  const std::shared_ptr<ToolHost> host_;
  const ContainerLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Idle> idle_;  // latest first
  std::vector<std::pair<std::string, std::string>> busy_;  // id and owner
  std::jthread closing_;  // last: it ends before what it uses
};

// Who asks: containers are found by whoever has the same key. A digest of it; empty without keys.
std::string owner_of(const HttpRequest& request);

}  // namespace toccata::server
