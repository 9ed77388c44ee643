#include "agent/server/tool_desk.h"

#include <algorithm>

#include "agent/server/api_error.h"
#include "agent/server/services.h"
#include "agent/server/step_memory.h"

namespace toccata::server {

ToolDesk::ToolDesk(std::shared_ptr<ToolHost> host, ContainerLimits limits) : host_(std::move(host)), limits_(limits) {
  if (host_ != nullptr) closing_ = std::jthread([this](const std::stop_token& stop) { close_idle(stop); });
}

std::unique_ptr<Container> ToolDesk::find(
    const std::string& id, const std::vector<std::string>& steps, const std::string& owner
) {
  const auto take = [&](std::list<Idle>::iterator found) {
    std::unique_ptr<Container> container = std::move(found->container);
    idle_.erase(found);
    busy_.emplace_back(container->id, container->owner);
    return container;
  };
  const auto is = [&](const Idle& idle) { return idle.container->id == id && idle.container->owner == owner; };
  if (!id.empty()) {
    if (const auto found = std::find_if(idle_.begin(), idle_.end(), is); found != idle_.end()) return take(found);
    if (std::find(busy_.begin(), busy_.end(), std::pair(id, owner)) != busy_.end()) {
      throw ApiError(409, "another response is using the container '" + id + "'; ask again when it has ended", "container_busy", "tools");
    }
    throw ApiError(
        404, "there is no container '" + id + "' (they are closed after " + std::to_string(limits_.idle_max.count()) +
                 " idle seconds); use {\"type\": \"auto\"} to begin with a new one",
        "container_not_found", "tools"
    );
  }
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
      const std::vector<std::string>& taken = idle->container->steps;
      if (idle->container->owner == owner && std::find(taken.begin(), taken.end(), *step) != taken.end()) return take(idle);
    }
  }
  return nullptr;
}

ToolDesk::Lease ToolDesk::take(const std::string& id, const std::vector<std::string>& steps, const std::string& owner) {
  std::unique_ptr<Container> evicted;  // ends behind the lock: its interpreter takes a while
  auto made = std::make_unique<Container>();
  {
    const std::lock_guard lock(mutex_);
    if (auto found = find(id, steps, owner)) return {*this, std::move(found)};
    if (idle_.size() + busy_.size() >= limits_.containers_max) {
      if (idle_.empty()) {
        throw ApiError(
            429, "all " + std::to_string(limits_.containers_max) + " containers for tools are in use; try again later", "rate_limit_exceeded"
        );
      }
      evicted = std::move(idle_.back().container);
      idle_.pop_back();
    }
    made->id = make_id("cntr_");
    made->owner = owner;
    busy_.emplace_back(made->id, owner);
  }
  Lease lease(*this, std::move(made));
  try {
    lease->box = host_->open();
  } catch (...) {
    lease.close();
    throw;
  }
  return lease;
}

void ToolDesk::give_back(std::unique_ptr<Container> container) {
  const std::lock_guard lock(mutex_);
  std::erase(busy_, std::pair(container->id, container->owner));
  auto& steps = container->steps;
  constexpr std::size_t kStepsMax = 64;
  if (steps.size() > kStepsMax) steps.erase(steps.begin(), steps.end() - kStepsMax);
  idle_.push_front({std::move(container), std::chrono::steady_clock::now()});
  changed_.notify_one();
}

void ToolDesk::close(std::unique_ptr<Container> container) {
  const std::pair name(container->id, container->owner);
  container.reset();
  const std::lock_guard lock(mutex_);
  std::erase(busy_, name);
}

void ToolDesk::close_idle(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (idle_.empty()) {
      changed_.wait(lock, stop, [this] { return !idle_.empty(); });
      continue;
    }
    const auto due = idle_.back().since + limits_.idle_max;
    if (std::chrono::steady_clock::now() < due) {
      changed_.wait_until(lock, stop, due, [] { return false; });
      continue;
    }
    std::unique_ptr<Container> closed = std::move(idle_.back().container);
    idle_.pop_back();
    lock.unlock();
    closed.reset();  // takes a while
    lock.lock();
  }
}

std::size_t ToolDesk::n_containers() const {
  const std::lock_guard lock(mutex_);
  return idle_.size() + busy_.size();
}

std::string owner_of(const HttpRequest& request) {
  const std::string_view bearer = request.header("authorization"), key = request.header("x-api-key");
  if (bearer.empty() && key.empty()) return {};
  return text_hash(bearer.starts_with("Bearer ") ? bearer.substr(7) : key);
}

}  // namespace toccata::server
