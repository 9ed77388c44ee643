#include "agent/loop/approval_rule.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "tools/files/line_pattern.h"

namespace toccata::agent {
namespace {

using Action = ApprovalRule::Action;

constexpr std::string_view kFunctions = "functions.";
constexpr const char* kForm = "expected TOOL=ACTION, TOOL:ARGUMENT=GLOB=ACTION or TOOL:ARGUMENT~REGEX=ACTION, where ACTION is allow, ask or deny";

Error wrong(std::string_view text, const std::string& what) {
  return {ErrorCode::kInvalidArgument, "the approval rule '" + std::string(text.substr(0, 200)) + "' " + what};
}

std::size_t character_end(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

// nullopt: there is no such argument.
std::optional<std::string> value_of(const std::string& argument, std::string_view arguments) {
  const auto json = json_from<nlohmann::json>(arguments);
  if (!json.is_object()) return argument == "code" ? std::optional(std::string(arguments)) : std::nullopt;
  const auto found = json.find(argument);
  if (found == json.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  const bool texts = found->is_array() && std::all_of(found->begin(), found->end(), [](const auto& item) { return item.is_string(); });
  if (!texts) return json_text(*found);
  std::string joined;
  for (const auto& item : *found) joined += (&item == &found->front() ? "" : " ") + item.template get<std::string>();
  return joined;
}

}  // namespace

bool glob_fits(std::string_view glob, std::string_view text) {
  std::size_t in_glob = 0, in_text = 0, star = std::string_view::npos, star_text = 0;
  while (in_text < text.size()) {
    if (in_glob < glob.size() && glob[in_glob] == '*') {
      star = in_glob++;
      star_text = in_text;
    } else if (in_glob < glob.size() && glob[in_glob] == '?') {
      ++in_glob;
      in_text = character_end(text, in_text);
    } else if (in_glob < glob.size() && glob[in_glob] == text[in_text]) {
      ++in_glob;
      ++in_text;
    } else if (star != std::string_view::npos) {  // the last star takes one more
      in_glob = star + 1;
      in_text = ++star_text;
    } else {
      return false;
    }
  }
  while (in_glob < glob.size() && glob[in_glob] == '*') ++in_glob;
  return in_glob == glob.size();
}

Result<ApprovalRule> ApprovalRule::parse(std::string_view text) {
  ApprovalRule rule;
  rule.text_ = std::string(text);
  const std::size_t last = text.rfind('=');
  if (last == std::string_view::npos) return wrong(text, std::string("has no '=': ") + kForm);
  const std::string_view action = text.substr(last + 1), head = text.substr(0, last);
  if (action != "allow" && action != "ask" && action != "deny") return wrong(text, "ends with '" + std::string(action) + "': " + kForm);
  rule.action_ = action == "allow" ? Action::kAllow : action == "ask" ? Action::kAsk : Action::kDeny;
  const std::size_t colon = head.find(':');
  rule.tool_ = std::string(head.substr(0, colon));
  if (rule.tool_.empty() || rule.tool_.find_first_of("= ~") != std::string::npos) return wrong(text, std::string("names no tool: ") + kForm);
  if (colon == std::string_view::npos) return rule;
  const std::string_view condition = head.substr(colon + 1);
  const std::size_t sign = condition.find_first_of("=~");
  if (sign == std::string_view::npos || sign == 0) return wrong(text, std::string("says of no argument what it is to be: ") + kForm);
  rule.has_condition_ = true;
  rule.argument_ = std::string(condition.substr(0, sign));
  const std::string_view pattern = condition.substr(sign + 1);
  if (condition[sign] == '=') {
    rule.glob_ = std::string(pattern);
    return rule;
  }
  Result<tools::LinePattern> regex = tools::LinePattern::parse(pattern, {});
  if (!regex) return wrong(text, "has a regular expression that cannot be used: " + regex.error().message);
  rule.regex_ = std::make_shared<const tools::LinePattern>(std::move(*regex));
  return rule;
}

ApprovalRule::Fit ApprovalRule::fits(std::string_view recipient, std::string_view arguments) const {
  const std::string_view bare = recipient.starts_with(kFunctions) ? recipient.substr(kFunctions.size()) : recipient;
  const std::string_view name_space = recipient.substr(0, recipient.find('.'));
  if (!glob_fits(tool_, recipient) && !glob_fits(tool_, bare) && !glob_fits(tool_, name_space)) return Fit::kNo;
  if (!has_condition_) return Fit::kYes;
  const auto value = value_of(argument_, arguments);
  if (!value) return Fit::kNo;
  if (!regex_) return glob_fits(glob_, *value) ? Fit::kYes : Fit::kNo;
  const auto answer = regex_->find_in(*value);
  using Answer = tools::LinePattern::Answer;
  return answer == Answer::kYes ? Fit::kYes : answer == Answer::kNo ? Fit::kNo : Fit::kUndecided;
}

std::optional<RuleVerdict> ruled(const std::vector<ApprovalRule>& rules, std::string_view recipient, std::string_view arguments) {
  for (const ApprovalRule& rule : rules) {
    const ApprovalRule::Fit fit = rule.fits(recipient, arguments);
    if (fit == ApprovalRule::Fit::kYes) return RuleVerdict{rule.action(), rule.text()};
    if (fit == ApprovalRule::Fit::kUndecided) return RuleVerdict{Action::kAsk, rule.text()};
  }
  return std::nullopt;
}

}  // namespace toccata::agent
