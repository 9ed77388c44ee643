#include "agent/cli/dev_browser.h"

#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "agent/cli/token_prefix.h"
#include "tools/browser/browser_tool.h"

namespace toccata::cli {

using nlohmann::ordered_json;

int dev_browser(const DevBrowserOptions& options, std::istream& in, std::ostream& out) {
  const tools::PageScope scope = tools::page_scope(options.page_text).value_or_throw();
  std::map<std::string, std::unique_ptr<tools::Tool>> sessions;
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    const auto session = request.find("session");
    auto& tool = sessions[session == request.end() ? "" : session->dump()];
    if (tool == nullptr) tool = tools::open_local_browser(options.index, o200k_prefix(), scope).value_or_throw();
    const auto content = request.find("content");
    tools::ToolCall call;
    call.recipient = request.at("recipient").get<std::string>();
    if (content != request.end()) call.arguments = content->is_string() ? content->get<std::string>() : content->dump();
    const tools::ToolResult result = tool->call(call, {});
    return ordered_json{
        {"author", result.author}, {"channel", request.value("channel", "analysis")}, {"output", result.content}};
  });
}

}  // namespace toccata::cli
