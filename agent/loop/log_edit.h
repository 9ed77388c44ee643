// The token log read as messages, and the edits that make it shorter. Every edit keeps the bytes of what it keeps:
// messages are left out or their content is replaced, never rendered again.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/harmony/renderer.h"
#include "core/base/token.h"

namespace toccata::agent {

// One message of the log: [begin, end).
struct LogMessage {
  enum class Kind {
    kInstructions,  // system, developer
    kUser,
    kReasoning,  // analysis of the assistant, addressed to nobody
    kCall,
    kResult,  // of a tool
    kFinal,
    kOther,  // preambles and what is none of these
  } kind = Kind::kOther;
  std::int64_t begin = 0, end = 0;
  std::int64_t content = 0;  // first token behind `<|message|>`; `end` when there is none
};
std::vector<LogMessage> read_log(std::span<const Token> log, const harmony::Renderer& renderer);

// The log from `keep` on is to be replaced by `tail`.
struct LogEdit {
  std::int64_t keep = 0;
  Tokens tail;
  std::string what;  // one sentence for the ledger
};

// The harmony rule between turns: the reasoning before the last final answer goes. None when there is none of it.
std::optional<LogEdit> drop_finished_reasoning(
    std::span<const Token> log, const harmony::Renderer& renderer
);

// What compact() may do and how far.
struct Compaction {
  std::int64_t target = 0;     // tokens the log shall have at most
  int n_recent = 2;            // the newest results that stay as they are
  std::optional<std::string> recall = {};  // name of the tool that shows what was left out
  int n_calls = 0;             // made so far: the newest result in the log answers the last of them
};
// Shortens a log whose last message is complete, the oldest first: outputs of tools become one line, then reasoning
// goes, then whole calls with their results. Instructions, user messages, answers, the newest results and their calls
// stay, word for word; no call is left without its result. None when nothing can go. The result may still be longer
// than the target.
std::optional<LogEdit> compact(
    std::span<const Token> log, const harmony::Renderer& renderer, const Compaction& rule
);

}  // namespace toccata::agent
