// Tools made of lambdas, and a client that keeps what it is told.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/mcp/content.h"
#include "agent/mcp/peer.h"
#include "core/base/json.h"

namespace toccata::testing {

using mcp::Json;

class FakeService : public mcp::Service {
 public:
  using Action = std::function<mcp::CallResult(const mcp::Call&)>;

  void add(const std::string& name, const std::string& lane, Action action) {
    mcp::ToolInfo info;
    info.name = name;
    info.title = "The " + name;
    info.description = "Does " + name + ".";
    info.input_schema = R"({"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}})";
    info.read_only = lane.empty();
    infos_.push_back(info);
    lanes_[name] = lane;
    actions_[name] = std::move(action);
  }
  const std::vector<mcp::ToolInfo>& tools() const override { return infos_; }
  std::string lane(const mcp::Call& call) const override { return lanes_.at(call.tool); }
  mcp::CallResult call(const mcp::Call& call) override { return actions_.at(call.tool)(call); }
  bool has_resources() const override { return !resources.empty(); }
  std::string resource_lane(const std::string&, const std::string&) const override { return {}; }
  Json list_resources(const std::string&) override {
    Json list = Json::array();
    for (const auto& [uri, bytes] : resources) list.push_back({{"uri", uri}, {"name", uri}});
    return list;
  }
  Json resource_templates() const override { return Json::array(); }
  Result<Json> read_resource(const std::string&, const std::string& uri) override {
    const auto found = resources.find(uri);
    if (found == resources.end()) return Error{ErrorCode::kNotFound, "none"};
    return mcp::resource_contents(uri, found->second);
  }
  std::vector<std::string> complete(const std::string&, const mcp::Completion& what) override {
    std::vector<std::string> values;
    for (int i = 0; i < n_completions; ++i) values.push_back(what.prompt + what.uri_template + " " + what.argument + " " + what.value + std::to_string(i));
    return values;
  }
  std::vector<mcp::PromptInfo> prompts() const override { return offered_prompts; }
  Result<Json> prompt(const std::string& name, const std::map<std::string, std::string>& arguments) override {
    if (name == "broken") return Error{ErrorCode::kIo, "no disk"};
    std::string text = name;
    for (const auto& [key, value] : arguments) text += " " + key + "=" + value;
    return Json::array({Json{{"role", "user"}, {"content", mcp::text_block(text)}}});
  }
  void forget(const std::string& client) override {
    const std::lock_guard lock(mutex);
    forgotten.push_back(client);
  }

  std::map<std::string, std::string> resources;
  std::vector<mcp::PromptInfo> offered_prompts;
  int n_completions = 0;
  std::mutex mutex;
  std::vector<std::string> forgotten;

 private:
  std::vector<mcp::ToolInfo> infos_;
  std::map<std::string, std::string> lanes_;
  std::map<std::string, Action> actions_;
};

inline mcp::CallResult saying(const std::string& text) { return {Json::array({mcp::text_block(text)})}; }

// What was sent to the client, in order.
class Inbox {
 public:
  void put(const std::string& message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(json_from_valid<Json>(message));
    changed_.notify_all();
  }
  // The answer to `id`, once it is there. A test that waits for none is stopped by its time limit.
  Json answer(const Json& id) {
    std::unique_lock lock(mutex_);
    const Json* found = nullptr;
    changed_.wait(lock, [&] {
      for (const Json& message : messages_) {
        if (message.contains("id") && message["id"] == id) found = &message;
      }
      return found != nullptr;
    });
    return *found;
  }
  std::vector<Json> all() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Json> messages_;
};

// Opened once, by anyone.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

}  // namespace toccata::testing
