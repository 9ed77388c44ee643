#include "agent/cli/dev_sandbox.h"

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/base64.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "sandbox/sandbox.h"
#include "tools/session_network.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;
using sandbox::Sandbox;
using sandbox::Session;

constexpr double kTimeoutMax = 86'400;

std::string text_field(const ordered_json& request, const char* name) {
  const auto field = request.find(name);
  if (field == request.end() || !field->is_string()) {
    throw Exception(ErrorCode::kInvalidArgument, std::string("expected a string \"") + name + "\"");
  }
  return field->get<std::string>();
}

ordered_json files_json(const std::vector<sandbox::WorkspaceFile>& files) {
  ordered_json list = ordered_json::array();
  for (const auto& file : files) list.push_back({{"name", file.path}, {"size", file.size}});
  return list;
}

class Service {
 public:
  explicit Service(const DevSandboxOptions& options) : options_(options) {}

  bool done() const { return done_; }

  ordered_json answer(const ordered_json& request) {
    const std::string op = text_field(request, "op");
    if (op == "open") return keep(sandbox().open().value_or_throw());
    if (op == "fork") return keep(session(request).fork().value_or_throw());
    if (op == "execute") return execute(request);
    if (op == "list" || op == "download" || op == "upload") return file_request(op, request);
    if (op == "close") {
      session(request).close();
      sessions_.erase(text_field(request, "session"));
      return ordered_json::object();
    }
    if (op == "quit") {
      done_ = true;
      return ordered_json::object();
    }
    throw Exception(
        ErrorCode::kInvalidArgument,
        "unknown op \"" + op + "\"; there are open, execute, fork, list, download, upload, close, quit"
    );
  }

 private:
  // Made at the first open, so that a level that cannot be reached is an answer, not the end of the program.
  Sandbox& sandbox() {
    if (!sandbox_) {
      const auto level = sandbox::parse_level(options_.level);
      if (!level)
        throw Exception(
            ErrorCode::kInvalidArgument, "unknown sandbox level \"" + options_.level + "\""
        );
      sandbox::Policy policy = options_.policy;
      policy.minimum = *level;
      sandbox_ = Sandbox::create(policy, options_.make_egress).value_or_throw();
    }
    return *sandbox_;
  }

  ordered_json keep(std::unique_ptr<Session> opened) {
    const std::string name = "s" + std::to_string(++opened_);
    const char* level = sandbox::to_string(opened->level());
    sessions_[name] = std::move(opened);
    return {{"session", name}, {"level", level}};
  }

  Session& session(const ordered_json& request) {
    const std::string name = text_field(request, "session");
    const auto found = sessions_.find(name);
    if (found == sessions_.end()) {
      throw Exception(ErrorCode::kNotFound, "there is no session \"" + name + "\"; open one first");
    }
    return *found->second;
  }

  ordered_json execute(const ordered_json& request) {
    Session& in_session = session(request);
    double seconds = 120;
    if (const auto given = request.find("timeout"); given != request.end() && !given->is_null()) {
      if (!given->is_number())
        throw Exception(ErrorCode::kInvalidArgument, "\"timeout\" is not a number of seconds");
      seconds = given->get<double>();
    }
    if (!(seconds > 0 && seconds <= kTimeoutMax)) {
      throw Exception(
          ErrorCode::kInvalidArgument, "\"timeout\" must be above 0 and at most 86400 seconds"
      );
    }
    const auto timeout =
        std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
    const sandbox::Outcome o = in_session.execute(text_field(request, "code"), timeout);
    ordered_json answer = {
        {"status", sandbox::to_string(o.status)},
        {"output", o.output},
        {"truncated", o.truncated},
        {"restarted", o.restarted},
        {"state_lost", o.state_lost},
        {"artifacts", files_json(o.artifacts)},
        {"duration_ms", o.duration.count()},
        {"cpu_us", o.cpu.count()},
        {"level", sandbox::to_string(o.level)},
    };
    tools::add_network(answer, o);
    return answer;
  }

  ordered_json file_request(const std::string& op, const ordered_json& request) {
    Session& in_session = session(request);
    try {
      if (op == "list")
        return {{"ok", true}, {"files", files_json(in_session.list_files().value_or_throw())}};
      const std::string path = text_field(request, "path");
      if (op == "download")
        return {{"ok", true}, {"b64", base64(in_session.download(path).value_or_throw())}};
      const auto bytes = from_base64(text_field(request, "b64"));
      if (!bytes) throw Exception(ErrorCode::kInvalidArgument, "\"b64\" is not base64");
      in_session.upload(path, *bytes).value_or_throw();
      return {{"ok", true}};
    } catch (const Exception& e) {
      return {{"ok", false}, {"error", e.what()}};
    }
  }

  DevSandboxOptions options_;
  std::optional<Sandbox> sandbox_;
  std::map<std::string, std::unique_ptr<Session>> sessions_;  // end before the sandbox
  int opened_ = 0;
  bool done_ = false;
};

ordered_json answer_line(Service& service, const std::string& line) {
  ordered_json id;
  bool has_id = false;
  ordered_json reply;
  try {
    const ordered_json request = json_from_valid<ordered_json>(line);
    if (!request.is_object()) throw std::invalid_argument("expected a JSON object on the line");
    has_id = request.contains("id");
    if (has_id) id = request["id"];
    reply = service.answer(request);
  } catch (const std::exception& e) {
    reply = {{"error", e.what()}};
  }
  if (!has_id) return reply;
  ordered_json with_id = {{"id", id}};
  with_id.update(reply);
  return with_id;
}

}  // namespace

int dev_sandbox(const DevSandboxOptions& options, std::istream& in, std::ostream& out) {
  Service service(options);
  std::string line;
  while (!service.done() && std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const ordered_json reply = answer_line(service, line);
    out << json_text(reply) << '\n' << std::flush;
  }
  return 0;
}

}  // namespace toccata::cli
