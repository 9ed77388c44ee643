// Tools that a request asks the server to run: web_search, code_interpreter, mcp. How they are asked for, declared to the
// model, and opened for a response. Only for the .cpp files of this folder.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/loop/served_turn.h"
#include "agent/server/conversation.h"
#include "agent/server/generation.h"
#include "agent/server/json_fields.h"
#include "agent/server/services.h"
#include "agent/server/tool_desk.h"

namespace toccata::server {

struct BuiltInTools {
  std::set<std::string> offered = {};   // recipients of the host's catalog
  std::string container = {};           // id; empty: the conversation's
  std::map<std::string, std::string> labels = {};  // of MCP servers: namespace -> server_label
  std::map<std::string, std::string> names = {};   // recipient as the model is told it -> as it is; by declare()
  std::optional<int> calls_max = {};    // of one response
  std::string traceparent = {};         // as in StepOptions
  std::vector<std::string> off = {};    // types that were asked for and are not switched on
};

// {"type": "web_search", "web_search_preview", "browser_search" (and their dated names), "code_interpreter" or "mcp"}.
// False for any other type. ApiError for what cannot be honoured: a tool that is not switched on (a search is only noted
// in `off`: clients ask for it unasked), an MCP server that the operator has not configured, filters and credentials.
bool read_built_in(const Json& tool, const Services& services, BuiltInTools& tools);

// The namespace that tool_choice or allowed_tools means by {"type": ...}: "browser", "python", an MCP server's; nullopt
// for other types. ApiError when it is not among `tools`.
std::optional<std::string> chosen_built_in(const Json& choice, const BuiltInTools& tools);

// Leaves those of the given namespaces.
void keep_only(const std::set<std::string>& spaces, BuiltInTools& tools);

// Tells the model of them. A client's function named like one is the client's: the tool is not offered then. Last, when
// the request's functions are known.
void declare(BuiltInTools& tools, const Services& services, ChatRequest& request, StepOptions& step);

// The tools of one response: its container and the turn in which the calls stand.
class OpenTools {
 public:
  // `stored`: the turn is kept in the ledger, else it ends with the response. `sink` hears of each call, which `stop`
  // ends. Throws ApiError as ToolDesk::take().
  OpenTools(
      Services& services, const BuiltInTools& tools, const ChatRequest& request, const Prompt& prompt, const std::string& owner, bool stored,
      agent::EventSink sink, std::stop_token stop
  );
  // A new container in whose first response something was cut off is closed.
  ~OpenTools();
  OpenTools(const OpenTools&) = delete;
  OpenTools& operator=(const OpenTools&) = delete;

  agent::ServedTurn& turn() { return *turn_; }
  const std::string& container() const { return container_->id; }
  // What an answer may cite; lives as long as this.
  std::shared_ptr<const tools::CitablePages> pages() const;
  // A file that a call of this response has left; empty: none, or too large.
  std::string file(const std::string& path);
  // The response has ended; whoever goes on behind it finds the container.
  void done(std::string step_key);

 private:
  store::Ledger& ledger(const Services& services);
  // Where the turn stands: the run of the conversation, or another while somebody else writes that one.
  agent::ServedRun& run(Services& services);

  ToolDesk::Lease container_;
  const bool stored_;
  bool is_new_ = false, done_ = false;
  RunDesk* desk_ = nullptr;  // holds the conversation's run for us; null: it has none yet
  std::string held_;
  std::unique_ptr<store::Ledger> scratch_;
  agent::ServedRun scratch_run_;
  std::unique_ptr<agent::ServedTurn> turn_;
};

}  // namespace toccata::server
