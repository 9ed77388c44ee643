// The tools and resources that the official conformance suite expects a server to have, behind the protocol of agent/mcp.
// scripts/mcp_conformance builds and runs it; the product does not have it.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "agent/mcp/http_endpoint.h"
#include "core/base/base64.h"
#include "core/base/json.h"
#include "tests/agent/mcp/fake_service.h"

namespace toccata {
namespace {

using mcp::Json;

const char* const kDot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const char* const kSilence = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQIAAACAgA==";

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

Json picture() { return Json{{"type", "image"}, {"data", kDot}, {"mimeType", "image/png"}}; }
Json embedded(const char* uri, const char* type, const char* text) {
  return Json{{"type", "resource"}, {"resource", {{"uri", uri}, {"mimeType", type}, {"text", text}}}};
}
mcp::CallResult of(Json block) { return {Json::array({std::move(block)})}; }

class Fixture final : public testing::FakeService {
 public:
  Fixture() {
    resources = {{"test://static-text", "This is the content of the static text resource."},
                 {"test://static-binary", from_base64(kDot).value()}};
    add("test_simple_text", "", [](const mcp::Call&) { return testing::saying("This is a simple text response for testing."); });
    add("test_image_content", "", [](const mcp::Call&) { return of(picture()); });
    add("test_audio_content", "", [](const mcp::Call&) { return of({{"type", "audio"}, {"data", kSilence}, {"mimeType", "audio/wav"}}); });
    add("test_embedded_resource", "", [](const mcp::Call&) {
      return of(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."));
    });
    add("test_multiple_content_types", "", [](const mcp::Call&) {
      return mcp::CallResult{Json::array(
          {mcp::text_block("Multiple content types test:"), picture(),
           embedded("test://mixed-content-resource", "application/json", R"({"test":"data","value":123})")}
      )};
    });
    add("test_error_handling", "", [](const mcp::Call&) -> mcp::CallResult {
      throw std::runtime_error("This tool intentionally returns an error for testing");
    });
    const auto speak = [](const mcp::Call& call) {
      for (const char* text : {"Tool execution started", "Tool processing data", "Tool execution completed"}) {
        call.log("info", text);
        call.progress(text);
        pause();
      }
      return testing::saying("done");
    };
    // The last two are how the suite looks at a stream: for requests of the server's own, and for logs nobody asked for.
    for (const char* name : {"test_tool_with_logging", "test_tool_with_progress", "test_logging_tool", "test_streaming_elicitation"}) add(name, "", speak);
  }
  std::vector<mcp::PromptInfo> prompts() const override {
    return {
        {"test_simple_prompt", "Simple", "Without arguments."},
        {"test_prompt_with_arguments", "Arguments", "With two.", {{"arg1", "the first", true}, {"arg2", "the second", true}}},
        {"test_prompt_with_embedded_resource", "Resource", "With a resource.", {{"resourceUri", "of the resource", true}}},
        {"test_prompt_with_image", "Picture", "With a picture."}};
  }
  Result<Json> prompt(const std::string& name, const std::map<std::string, std::string>& arguments) override {
    const auto user = [](Json block) { return Json{{"role", "user"}, {"content", std::move(block)}}; };
    const auto says = [&](const std::string& text) { return user(mcp::text_block(text)); };
    if (name == "test_simple_prompt") return Json::array({says("This is a simple prompt for testing.")});
    if (name == "test_prompt_with_image") return Json::array({user(picture()), says("Please analyze the image above.")});
    if (name == "test_prompt_with_embedded_resource") {
      const std::string uri = arguments.at("resourceUri");
      return Json::array({user(embedded(uri.c_str(), "text/plain", "Embedded resource content for testing.")),
                          says("Please process the embedded resource above.")});
    }
    return Json::array({says("Prompt with arguments: arg1='" + arguments.at("arg1") + "', arg2='" + arguments.at("arg2") + "'")});
  }
  Json resource_templates() const override {
    return Json::array({Json{{"uriTemplate", "test://template/{id}/data"}, {"name", "template"}, {"mimeType", "application/json"}}});
  }
  Result<Json> read_resource(const std::string& client, const std::string& uri) override {
    const std::string before = "test://template/", after = "/data";
    if (!uri.starts_with(before) || !uri.ends_with(after) || uri.size() <= before.size() + after.size()) return FakeService::read_resource(client, uri);
    const std::string id = uri.substr(before.size(), uri.size() - before.size() - after.size());
    const Json data{{"id", id}, {"templateTest", true}, {"data", "Data for ID: " + id}};
    return Json{{"uri", uri}, {"mimeType", "application/json"}, {"text", json_text(data)}};
  }
};

}  // namespace
}  // namespace toccata

int main() {
  toccata::testing::Gate never;
  toccata::Fixture fixture;
  const toccata::mcp::ServerIdentity identity{"1", "Fixture of the conformance suite."};
  toccata::mcp::EndpointOptions options;
  options.http.port = 0;
  std::unique_ptr<toccata::mcp::HttpEndpoint> endpoint;
  toccata::mcp::WorkQueue queue;
  endpoint = toccata::mcp::HttpEndpoint::start(fixture, queue, identity, options).value_or_throw();
  std::cout << "http://127.0.0.1:" << endpoint->port() << "/mcp" << std::endl;
  never.pass();  // whoever started it ends it
}
