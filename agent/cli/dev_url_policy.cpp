#include "agent/cli/dev_url_policy.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/json_lines.h"
#include "core/base/json.h"
#include "tools/web/address_policy.h"

namespace toccata::cli {

using nlohmann::ordered_json;

int dev_url_policy(const DevUrlPolicyOptions& options, std::istream& in, std::ostream& out) {
  const auto policy = tools::AddressPolicy::with_origins(options.allow_origins).value_or_throw();
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    std::optional<std::vector<std::string>> resolved;
    if (const auto given = request.find("resolved"); given != request.end() && !given->is_null()) {
      resolved.emplace();
      for (const ordered_json& address : *given) resolved->push_back(address.is_string() ? address.get<std::string>() : json_text(address));
    }
    const auto url = request.find("url");
    if (url == request.end() || !url->is_string()) return ordered_json{{"allow", false}, {"reason", "there is no url"}};
    const tools::Verdict verdict = tools::judge(policy, url->get<std::string>(), resolved);
    return ordered_json{{"allow", verdict.allow}, {"reason", verdict.reason}};
  });
}

}  // namespace toccata::cli
