// A function that a file declares: what the model is told, and the HTTP request or the program behind it. Values; a reader
// makes them (agent/toolfile/parse.h), declared_tool.h runs them.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tools/declared/text_template.h"
#include "tools/tool.h"

namespace toccata::tools::declared {

// A request. Arguments are percent-encoded in the address and in forms and are JSON in JSON: what they say never makes another
// host, path segment, parameter or header.
struct HttpCall {
  std::string method = "GET";
  TextTemplate url;    // its origin is literal
  std::string origin;  // of it: "https://api.example.org"
  bool private_host = false;  // the host may be this machine or one of its networks
  std::vector<std::pair<std::string, TextTemplate>> query = {};  // a missing argument leaves its entry out, a list repeats it
  std::vector<std::pair<std::string, TextTemplate>> headers = {};
  enum class Body { kNone, kJson, kForm, kText } body = Body::kNone;
  std::shared_ptr<const nlohmann::ordered_json> json = {};  // texts in it are templates; one that is a lone argument keeps its type
  std::vector<std::pair<std::string, TextTemplate>> form = {};
  TextTemplate text = {};
  std::string content_type = {};
  std::string key_header = "Idempotency-Key";
  // JSON pointers to what the model is shown of a JSON answer; one without a name is all that is shown. None: everything.
  std::vector<std::pair<std::string, std::string>> show = {};
};

// A program. Arguments are whole words of its command line or parts of them, never a shell's text.
struct CommandCall {
  // One word, or several that are there or missing together.
  struct Words {
    std::vector<TextTemplate> words;
  };
  std::vector<Words> argv = {};
  std::string shell = {};     // a text for bash instead, as it is: arguments are in the variables ARG_name
  bool on_host = false;       // outside the sandbox, with the user's rights
  bool dashes = false;        // words that begin with an argument may begin with '-'
  enum class Input { kNone, kJson, kText } input = Input::kNone;  // stdin; kJson: the arguments as one object
  TextTemplate input_text = {};
  std::vector<std::pair<std::string, TextTemplate>> environment = {};
  std::filesystem::path folder = {};  // on the host: absolute; in the sandbox: of the workspace
};

struct Definition {
  std::string name_space = "functions";
  FunctionSpec function;
  Effect effect = Effect::kEffectful;
  std::chrono::milliseconds timeout{60'000};
  std::size_t output_bytes_max = std::size_t{64} << 10;
  bool needs_approval = true;
  bool concurrent = false;  // its calls may run beside others, and, of a pure one, be guessed; not of commands in the sandbox
  bool untrusted = false;  // its answers are words of strangers, and what it is asked may leave this machine
  std::variant<HttpCall, CommandCall> call;
  std::vector<std::string> secrets = {};  // that it names
  // What is wrong with these arguments by the schema; "" = nothing.
  std::function<std::string(const nlohmann::ordered_json&)> objection = {};

  const HttpCall* http() const { return std::get_if<HttpCall>(&call); }
  const CommandCall* command() const { return std::get_if<CommandCall>(&call); }
};

}  // namespace toccata::tools::declared
