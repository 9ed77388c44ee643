// The tool calls of a turn whose model calls somebody else makes: a server in the middle of a response, whose steps speak
// its client's protocol. The calls go through the loop's own dispatcher (approval, budget, trust, watchdog), and the turn
// stands in the ledger as a run, so that the page and `toccata runs` show it like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/harmony/renderer.h"
#include "agent/loop/agent.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/shown_pages.h"
#include "agent/loop/step.h"
#include "agent/store/ledger.h"
#include "tools/registry.h"

namespace toccata::agent {

// Where the turns of one conversation stand: a turn goes on in the run of the one before when its prompt does.
struct ServedRun {
  std::string id;        // in the ledger; empty: none yet
  Tokens timeline = {};  // of that run
  int n_steps = 0;
};

// One thread at a time. What it borrows must outlive it.
class ServedTurn {
 public:
  struct Options {
    std::set<std::string> offered;  // recipients of the registry that the model was told of
    store::RunInfo info;            // of a run that begins
    AgentConfig config;             // limits, approval, files
    EventSink sink;                 // hears of each call: begun, what it prints, ended
    std::stop_token stop;           // ends a call that runs
  };
  // `has_functions` as for Renderer::message().
  ServedTurn(
      const tools::Registry& tools, store::Ledger& ledger, ServedRun& run, const harmony::Renderer& renderer, bool has_functions, Options options
  );
  // A turn that was not finished is recorded as stopped.
  ~ServedTurn();
  ServedTurn(const ServedTurn&) = delete;
  ServedTurn& operator=(const ServedTurn&) = delete;

  // The conversation so far, without the opening of the model's message. What it shows of pages can be cited, and what
  // strangers wrote in it counts as read. Throws LedgerError, as all that follows.
  void begin(std::span<const Token> prompt);

  const tools::CitablePages& pages() const { return pages_; }
  const std::string& run_id() const;

  void begin_step();
  // `said`: the tokens behind `opening` (`<|start|>assistant`). `end` as in StepRow.
  void end_step(std::span<const Token> opening, std::span<const Token> said, std::int64_t prefilled, const char* end);
  // Makes the call and gives the tokens that the model reads next. Only with `ending` the turn cannot go on.
  struct Answer {
    Tokens tokens;
    std::optional<Ending> ending;
  };
  Answer answer(const MessageStream::Done& call);
  // The same for a call that is not made, because of `why`, a clause.
  Answer refuse(const MessageStream::Done& call, const std::string& why);
  // Tokens that close what the model left open, in place of the last one or behind it.
  void close(std::span<const Token> tokens, bool in_place);

  void finish(const Ending& ending, const std::string& final, const TokenUsage& usage);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  const tools::CitablePages& pages_;
};

}  // namespace toccata::agent
