#include "tools/egress/egress_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <list>
#include <map>
#include <thread>
#include <vector>

#include "tools/egress/account.h"
#include "tools/egress/connection.h"

namespace toccata::tools {
namespace {

constexpr int kRestMs = 100;  // when there is no descriptor or thread for a connection

// What executions that overlap have in common.
struct Period {
  explicit Period(std::uint64_t bytes) : allowance(bytes) {}
  std::stop_source stop;
  Allowance allowance;
  std::uint64_t n_connections = 0;  // so far
  std::size_t n_live = 0;
};

class ProxyDoor final : public sandbox::Door {
 public:
  ProxyDoor(UniqueFd listener, std::shared_ptr<const EgressRules> rules, EgressLimits limits)
      : listener_(std::move(listener)), rules_(std::move(rules)), limits_(limits), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    // Handlers of the host run on threads of the host; those of the connections get this one's mask.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    acceptor_ = std::thread([this] { accept_all(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~ProxyDoor() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      if (period_) period_->stop.request_stop();
    }
    wake();
    acceptor_.join();
    std::unique_lock lock(mutex_);
    none_left_.wait(lock, [this] { return live_.empty(); });
    for (Live& ended : ended_) ended.thread.join();
  }

  int begin() override {
    const std::lock_guard lock(mutex_);
    // One that is being ended has its connections cut.
    if (!period_ || period_->stop.stop_requested()) period_ = std::make_shared<Period>(limits_.bytes);
    accounts_[++last_account_];
    wake();
    return last_account_;
  }

  std::vector<sandbox::HostUse> end(int account) override {
    std::unique_lock lock(mutex_);
    const auto found = accounts_.find(account);
    if (found == accounts_.end()) return {};
    if (accounts_.size() == 1) {
      const std::shared_ptr<Period> period = period_;
      period->stop.request_stop();
      none_left_.wait(lock, [&] { return period->n_live == 0; });
      if (period_ == period) period_ = nullptr;  // else another execution has begun meanwhile
    } else {
      for (const Live& live : live_) found->second.add(live.record->use());
    }
    std::vector<sandbox::HostUse> rows = found->second.rows();
    accounts_.erase(found);
    return rows;
  }

 private:
  struct Live {
    std::shared_ptr<ConnectionRecord> record;
    std::thread thread;
  };

  void wake() { (void)!eventfd_write(wake_.get(), 1); }

  bool may_accept() const {
    return period_ != nullptr && !period_->stop.stop_requested() && live_.size() < static_cast<std::size_t>(limits_.connections_at_once) &&
           period_->n_connections < limits_.connections;
  }

  void accept_all() {
    for (bool rest = false;;) {
      std::list<Live> ended;
      bool accepts = false;
      {
        const std::lock_guard lock(mutex_);
        if (closing_) return;
        ended.swap(ended_);
        accepts = may_accept();
      }
      for (Live& live : ended) live.thread.join();
      pollfd fds[] = {{accepts && !rest ? listener_.get() : -1, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      ::poll(fds, 2, rest ? kRestMs : -1);
      eventfd_t woken = 0;
      (void)!eventfd_read(wake_.get(), &woken);
      rest = fds[0].revents != 0 && !accept_one();
    }
  }

  // False: the machine has no room for it at the moment.
  bool accept_one() {
    const std::lock_guard lock(mutex_);
    if (!may_accept()) return true;  // the execution has ended: what came since waits for the next
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
    ++period_->n_connections;
    ++period_->n_live;
    const auto live = live_.insert(live_.end(), {std::make_shared<ConnectionRecord>(), {}});
    try {
      live->thread = std::thread([this, live, period = period_, fd = std::make_shared<UniqueFd>(std::move(client))] {
        serve_connection(std::move(*fd), *rules_, limits_, period->allowance, *live->record, period->stop.get_token());
        finish(live, *period);
      });
    } catch (const std::system_error&) {
      --period_->n_live;
      live_.erase(live);
      return false;
    }
    return true;
  }

  void finish(std::list<Live>::iterator live, Period& period) {
    const std::lock_guard lock(mutex_);
    for (auto& [number, account] : accounts_) account.add(live->record->use());
    ended_.splice(ended_.end(), live_, live);
    if (--period.n_live == 0) none_left_.notify_all();
    wake();
  }

  const UniqueFd listener_;
  const std::shared_ptr<const EgressRules> rules_;
  const EgressLimits limits_;
  const UniqueFd wake_;

  std::mutex mutex_;
  std::condition_variable none_left_;
  std::shared_ptr<Period> period_;  // while an execution runs
  std::map<int, Account> accounts_;
  int last_account_ = 0;
  std::list<Live> live_, ended_;
  bool closing_ = false;
  std::thread acceptor_;
};

}  // namespace

std::unique_ptr<sandbox::Door> EgressProxy::open(sandbox::UniqueFd listener) {
  return std::make_unique<ProxyDoor>(std::move(listener), rules_, limits_);
}

sandbox::MakeEgress serve_by_proxy(std::vector<std::string> origins, ProxyRules proxy, Resolve resolve, EgressLimits limits) {
  return [=](const std::vector<std::string>& network) -> Result<std::shared_ptr<sandbox::Egress>> {
    auto rules = EgressRules::make(network, origins, proxy, resolve);
    if (!rules) return rules.error();
    return std::shared_ptr<sandbox::Egress>(std::make_shared<EgressProxy>(std::move(*rules), limits));
  };
}

}  // namespace toccata::tools
