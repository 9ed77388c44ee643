// What an MCP server offers. The program implements it; the protocol knows no tool by name.
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/message.h"

namespace toccata::mcp {

using tools::mcp::Json;

struct ToolInfo {
  std::string name;  // letters, digits, '_' and '-': other characters are refused by some clients' models
  std::string title;
  std::string description;
  std::string input_schema;        // JSON Schema text of an object, key order kept
  std::string output_schema = {};  // of CallResult::structured; empty = none is given
  // Hints for whoever is asked whether a call may be made.
  bool read_only = false;
  bool destructive = true;
  bool idempotent = false;
  bool open_world = false;
  bool takes_long = false;  // over HTTP its answer is a stream from the beginning, which is kept alive
};

// A text that a person picks in the client, as a command for instance; the client gives it to its model.
struct PromptInfo {
  struct Argument {
    std::string name;
    std::string description;
    bool required = false;
  };
  std::string name;
  std::string title;
  std::string description;
  std::vector<Argument> arguments = {};
};

struct ServerIdentity {
  std::string version;
  std::string instructions;  // for the client's model: what these tools are good for
};

struct Call {
  std::string tool;
  Json arguments = Json::object();
  // Whose state the call works on: one process, one HTTP session, or one credential.
  std::string client;
  std::stop_token stop = {};
  // What happens while it runs, one line each; on the thread of call(). Never null, often heard by nobody.
  std::function<void(const std::string&)> progress = {};
  // The same for people who read logs; `level` as in RFC 5424: "debug", "info", "notice", "warning", "error".
  std::function<void(const char* level, const std::string&)> log = {};
};

struct CallResult {
  Json content = Json::array();  // content blocks, see content.h
  bool is_error = false;         // told to the client's model, which may try again
  Json structured = nullptr;     // null = none
};

// What a person types into the client for an argument of a prompt, or for a variable of a resource template.
struct Completion {
  std::string prompt, uri_template;  // one of them; the other is empty
  std::string argument;
  std::string value;                                   // so far
  std::map<std::string, std::string> others = {};  // arguments that are there already
};

// Any thread, several at once.
class Service {
 public:
  virtual ~Service() = default;
  // Always the same list.
  virtual const std::vector<ToolInfo>& tools() const = 0;
  // Calls of the same lane take turns, in the order in which they came; "" = the call waits for nobody.
  virtual std::string lane(const Call& call) const = 0;
  // Of one of tools(). Returns soon after `call.stop` is requested. Anything thrown is told as a failure of the tool.
  virtual CallResult call(const Call& call) = 0;

  virtual bool has_resources() const = 0;
  virtual std::string resource_lane(const std::string& client, const std::string& uri) const = 0;
  // `resources` and `resourceTemplates` of the list results.
  virtual Json list_resources(const std::string& client) = 0;
  virtual Json resource_templates() const = 0;
  // One element of `contents`. kNotFound: there is no such resource.
  virtual Result<Json> read_resource(const std::string& client, const std::string& uri) = 0;

  // Values that begin as typed, the likeliest first; as many as there are.
  virtual std::vector<std::string> complete(const std::string& /*client*/, const Completion&) { return {}; }

  // Always the same list; empty: the server has none.
  virtual std::vector<PromptInfo> prompts() const { return {}; }
  // The `messages` of one of prompts(); every required argument is there, and no other than it names.
  virtual Result<Json> prompt(const std::string& name, const std::map<std::string, std::string>&) {
    return Error{ErrorCode::kNotFound, "there is no prompt " + name};
  }

  // The client is gone and has no call that runs: what was kept for it can go.
  virtual void forget(const std::string& client) = 0;
};

}  // namespace toccata::mcp
