#include "tools/oauth/challenge.h"

#include <algorithm>

namespace toccata::tools::oauth {
namespace {

constexpr std::size_t kHeaderBytesMax = std::size_t{16} << 10;
constexpr std::size_t kChallengesMax = 16, kParametersMax = 32;
constexpr std::size_t kScopesMax = 64, kScopeBytesMax = 256;

bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token68_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("-._~+/").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text.substr(0, kHeaderBytesMax)) {}

  std::vector<Challenge> all() {
    std::vector<Challenge> found;
    for (;;) {
      skip_separators();
      const std::string_view name = token();
      if (name.empty()) return found;
      const std::size_t behind = at_;
      skip_blanks();
      if (!found.empty() && found.back().token68.empty() && peek() == '=') {
        ++at_;
        if (!read_value(lower(name), found.back())) return found;
        continue;
      }
      if (found.size() == kChallengesMax) return found;
      found.push_back({lower(name)});
      if (at_ > behind) read_token68(found.back());
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void skip_separators() {
    while (peek() == ' ' || peek() == '\t' || peek() == ',') ++at_;
  }
  std::string_view token() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_token_char(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  // Behind "name=": a token or a quoted text. False when it is neither.
  bool read_value(const std::string& name, Challenge& challenge) {
    skip_blanks();
    std::string value;
    if (peek() == '"') {
      ++at_;
      for (;; ++at_) {
        if (at_ >= text_.size()) return false;  // the quotation is not closed
        if (text_[at_] == '"') break;
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        value += text_[at_];
      }
      ++at_;
    } else {
      value = token();
      if (value.empty()) return false;
    }
    if (challenge.parameters.size() < kParametersMax) challenge.parameters.emplace(name, std::move(value));
    return true;
  }

  // Behind a scheme: a token68 if what follows is one up to a comma or the end, and no parameter.
  void read_token68(Challenge& challenge) {
    std::size_t end = at_;
    while (end < text_.size() && is_token68_char(text_[end])) ++end;
    if (end == at_) return;
    while (end < text_.size() && text_[end] == '=') ++end;
    std::size_t next = end;
    while (next < text_.size() && (text_[next] == ' ' || text_[next] == '\t')) ++next;
    if (next < text_.size() && text_[next] != ',') return;
    challenge.token68 = text_.substr(at_, end - at_);
    at_ = end;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string Challenge::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view header) { return Reader(header).all(); }

Challenge bearer_challenge(const std::vector<std::string>& headers) {
  for (const std::string& header : headers) {
    for (Challenge& challenge : parse_challenges(header)) {
      if (challenge.scheme == "bearer") return std::move(challenge);
    }
  }
  return {};
}

std::vector<std::string> parse_scopes(std::string_view text) {
  std::vector<std::string> scopes;
  while (!text.empty() && scopes.size() < kScopesMax) {
    const std::string_view one = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const bool fits = !one.empty() && one.size() <= kScopeBytesMax && std::all_of(one.begin(), one.end(), [](char c) {
      return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
    });
    if (fits && std::find(scopes.begin(), scopes.end(), one) == scopes.end()) scopes.emplace_back(one);
  }
  return scopes;
}

std::string join_scopes(const std::vector<std::string>& scopes) {
  std::string text;
  for (const std::string& scope : scopes) text += (text.empty() ? "" : " ") + scope;
  return text;
}

std::vector<std::string> with_scopes(std::vector<std::string> scopes, const std::vector<std::string>& more) {
  for (const std::string& scope : more) {
    if (std::find(scopes.begin(), scopes.end(), scope) == scopes.end()) scopes.push_back(scope);
  }
  return scopes;
}

bool has_scopes(const std::vector<std::string>& scopes, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& scope) {
    return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
  });
}

}  // namespace toccata::tools::oauth
