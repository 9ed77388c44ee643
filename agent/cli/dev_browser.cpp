#include "agent/cli/dev_browser.h"

#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "agent/cli/page_setup.h"
#include "agent/cli/search_setup.h"
#include "agent/cli/token_prefix.h"
#include "core/base/json.h"
#include "tools/browser/browser_tool.h"
#include "tools/browser/live_pages.h"

namespace toccata::cli {

using nlohmann::ordered_json;

namespace {

std::unique_ptr<tools::Tool> open_browser(const DevBrowserOptions& options, const Environment& env) {
  const tools::PageScope scope = tools::page_scope(options.page_text).value_or_throw();
  if (options.allow_origins.empty() && options.search.empty()) return tools::open_local_browser(options.index, o200k_prefix(), scope).value_or_throw();
  std::unique_ptr<tools::LocalIndex> index;
  std::error_code missing;
  if (std::filesystem::exists(options.index, missing)) {
    index = tools::LocalIndex::open(options.index, tools::LocalIndex::Mode::kRead).value_or_throw();
  }
  tools::Fetcher fetcher(tools::AddressPolicy::with_origins(options.allow_origins).value_or_throw());
  fetcher.read_pdfs(pdf_to_text("landlock"));
  return std::make_unique<tools::BrowserTool>(
      std::make_unique<tools::LivePages>(std::move(index), std::move(fetcher), make_searches(options.search, {}, {}, env)), o200k_prefix(), scope);
}

}  // namespace

int dev_browser(const DevBrowserOptions& options, const Environment& env, std::istream& in, std::ostream& out) {
  std::map<std::string, std::unique_ptr<tools::Tool>> sessions;
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    const auto session = request.find("session");
    auto& tool = sessions[session == request.end() ? "" : json_text(*session)];
    if (tool == nullptr) tool = open_browser(options, env);
    const auto content = request.find("content");
    tools::ToolCall call;
    call.recipient = request.at("recipient").get<std::string>();
    if (content != request.end()) call.arguments = content->is_string() ? content->get<std::string>() : json_text(*content);
    const tools::ToolResult result = tool->call(call, {});
    return ordered_json{
        {"author", result.author}, {"channel", request.value("channel", "analysis")}, {"output", result.content}};
  });
}

}  // namespace toccata::cli
