// What a server asks of the user while it works on a request of ours (elicitation).
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "core/base/error.h"
#include "tools/mcp/message.h"

namespace toccata::tools::mcp {

struct Question {
  std::string server;   // its name in mcp.json
  std::string message;  // the server's words, bounded
  Json schema = nullptr;  // of the answer: an object whose properties are texts, numbers, booleans or choices
};

struct Reply {
  enum class Action { kAccept, kDecline, kCancel } action = Action::kDecline;
  Json content = Json::object();  // of kAccept
};

// On the thread of the call or another one, never two at once for a server. The server waits meanwhile, and the call's time
// goes on.
using Answerer = std::function<Reply(const Question&, std::stop_token)>;

// What we tell servers that we can be asked.
Json client_capabilities();

// The params of elicitation/create. kUnsupported for a question that is to be answered at an address; kInvalidArgument
// naming what is wrong with it.
Result<Question> read_question(const std::string& server, const Json& params);

// The result of elicitation/create. What an accepted answer leaves out gets the schema's default; one that then lacks a
// required field, or has a field of another type or none of its choices, is a decline.
Json elicit_result(const Question& question, const Reply& reply);

}  // namespace toccata::tools::mcp
