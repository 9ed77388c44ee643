// What a run that another one makes has from it: where it begins, what it may spend, whose words it stands on.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/harmony/message.h"
#include "agent/loop/budget.h"
#include "agent/loop/trust.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"
#include "tools/registry.h"

namespace toccata::agent {

// The session's /mnt/data, where a tool has one; either may be null.
struct SessionFiles {
  // What changed since it was last asked: recorded with the call that has just run.
  std::function<std::vector<store::SessionFile>()> take;
  // What a run had when it was left, before it makes another call.
  std::function<void(std::vector<store::SessionFile>)> put_back;
};

// Tools of one run that another makes: as those of its maker, with a state of their own.
struct ChildTools {
  std::shared_ptr<void> owner = {};  // of what the tools borrow
  tools::Registry tools = {};
  SessionFiles files = {};
};

// Tokens that several runs begin with, and a session that has read them: each run takes a copy, so the model reads them
// once. Where the model has no copies, each run has a session of its own that reads them again.
class SharedPrefix {
 public:
  // `session` may be null. `messages`: the tokens as rows of the ledger; `opening`: those at their head as values.
  SharedPrefix(
      TokenModel& model,
      Tokens tokens,
      std::vector<store::MessageRow> messages,
      std::vector<harmony::Message> opening,
      std::unique_ptr<TokenSession> session
  )
      : model_(model),
        tokens_(std::move(tokens)),
        messages_(std::move(messages)),
        opening_(std::move(opening)),
        session_(std::move(session)) {}

  const Tokens& tokens() const { return tokens_; }
  const std::vector<store::MessageRow>& messages() const { return messages_; }
  const std::vector<harmony::Message>& opening() const { return opening_; }
  // A session that holds the tokens, and what its counters say of them. Any thread.
  struct Copy {
    std::unique_ptr<TokenSession> session;
    Usage counted;  // by others
  };
  Result<Copy> copy();

 private:
  TokenModel& model_;
  const Tokens tokens_;
  const std::vector<store::MessageRow> messages_;
  const std::vector<harmony::Message> opening_;
  std::mutex mutex_;
  const std::unique_ptr<TokenSession> session_;
};

// Whether `recipient` is among `tools`, names of namespaces and recipients; none: everything is.
bool is_allowed(const std::optional<std::set<std::string>>& tools, const std::string& recipient);

struct Lineage {
  store::Caller caller;
  int depth = 1;             // 1: made by a run that nobody made
  Budget* budget = nullptr;  // the caller's; must outlive the run
  std::shared_ptr<SharedPrefix> prefix;
  // The task stands in the prefix: its last `n_task` tokens. 0: it does not, and comes as a user's message.
  std::size_t n_task = 0;
  Trust trust;  // what the caller has read, and who told it what
  // Namespaces and recipients that may be called; none: all that are declared.
  std::optional<std::set<std::string>> tools;
};

}  // namespace toccata::agent
