// What a user decided beforehand about calls: by tool, and by what one of their arguments says.
//
//   functions.send_mail=ask                  a call of this tool, whatever --approve says
//   files.write:path=notes/*=allow           where the argument `path` begins with notes/
//   functions.shell:command~\brm\b=deny      where a regular expression (PCRE2) is found in it
//   python:code~import\s+socket=deny         `code` is the whole text for tools whose call is no JSON
//   mcp_*=deny                               every tool whose name begins so
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {
class LinePattern;
}

namespace toccata::agent {

class ApprovalRule {
 public:
  enum class Action { kAllow, kAsk, kDeny };

  // "TOOL=ACTION", "TOOL:ARGUMENT=GLOB=ACTION", "TOOL:ARGUMENT~REGEX=ACTION"; ACTION: allow, ask, deny. In globs '*' is any text
  // and '?' any character; they are of the whole name or value. TOOL is a recipient, or one without its "functions.", or the namespace
  // of many. kInvalidArgument: what was found, what was expected.
  static Result<ApprovalRule> parse(std::string_view text);

  enum class Fit { kNo, kYes, kUndecided };  // undecided: the regular expression gave up
  // `arguments` as the tool gets them. Of an argument counts a text as it is, a list of texts joined by blanks, and the JSON of
  // everything else; one that is missing fits nothing.
  Fit fits(std::string_view recipient, std::string_view arguments) const;

  Action action() const { return action_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_, tool_, argument_, glob_;
  std::shared_ptr<const tools::LinePattern> regex_;
  bool has_condition_ = false;
  Action action_ = Action::kAsk;
};

// The first rule that fits. Where one before it cannot be decided, a person has to: that one, with kAsk.
struct RuleVerdict {
  ApprovalRule::Action action = ApprovalRule::Action::kAsk;
  std::string rule;
};
std::optional<RuleVerdict> ruled(const std::vector<ApprovalRule>& rules, std::string_view recipient, std::string_view arguments);

// '*' any bytes, '?' one character of UTF-8; in time linear in both lengths' product.
bool glob_fits(std::string_view glob, std::string_view text);

}  // namespace toccata::agent
