// Where the runs routes find the ledger and the agent. Part of Services.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "agent/server/job_queue.h"
#include "agent/server/run_host.h"
#include "agent/server/run_reader.h"

namespace toccata::server {

struct RunDesk {
  RunDesk(const std::filesystem::path& ledger, std::shared_ptr<RunHost> its_host, std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : reader(ledger.empty() ? nullptr : std::make_unique<RunReader>(ledger, std::move(tokenizer))), host(std::move(its_host)) {}

  std::unique_ptr<RunReader> reader;  // null: the ledger is not shown
  std::shared_ptr<RunHost> host;      // null: no agent runs here

  // A run has one writer. False when `id` has one already.
  bool take(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return writing_.insert(id).second;
  }
  void give_back(const std::string& id) {
    const std::lock_guard lock(mutex_);
    writing_.erase(id);
  }

  // The reader's thread: listing runs waits for no model. Last, as JobQueue says.
  JobQueue queue{1, 256};

 private:
  std::mutex mutex_;
  std::set<std::string> writing_;
};

}  // namespace toccata::server
