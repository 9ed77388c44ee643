#include "tools/patch/patch.h"

#include <algorithm>
#include <optional>
#include <set>

namespace toccata::tools {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kBegin = "*** Begin Patch", kEnd = "*** End Patch",
                           kAdd = "*** Add File: ", kDelete = "*** Delete File: ",
                           kUpdate = "*** Update File: ", kMove = "*** Move to: ",
                           kEndOfFile = "*** End of File", kBlanks = " \t\r";

Lines split(std::string_view text) {
  Lines lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string_view right_trimmed(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}
std::string_view trimmed(std::string_view text) {
  text = right_trimmed(text);
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

Error bad(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

class Parser {
 public:
  explicit Parser(std::string_view text) : lines_(split(text)) {
    while (!lines_.empty() && trimmed(lines_.back()).empty()) lines_.pop_back();
    while (at_ < lines_.size() && trimmed(lines_[at_]).empty()) ++at_;
  }

  Result<std::vector<FileChange>> parse() {
    if (at_ >= lines_.size() || right_trimmed(lines_[at_]) != kBegin)
      return bad("the patch must begin with the line \"*** Begin Patch\"");
    if (right_trimmed(lines_.back()) != kEnd)
      return bad("the patch must end with the line \"*** End Patch\"");
    lines_.pop_back();
    ++at_;
    std::vector<FileChange> changes;
    std::set<std::string> seen;
    while (at_ < lines_.size()) {
      Result<FileChange> change = file();
      if (!change) return change.error();
      if (!seen.insert(change->path).second) return bad("Duplicate file: " + change->path);
      if (!change->move_to.empty() && !seen.insert(change->move_to).second)
        return bad("Duplicate file: " + change->move_to);
      changes.push_back(std::move(*change));
    }
    if (changes.empty()) return bad("the patch changes no file");
    return changes;
  }

 private:
  std::optional<std::string> take(std::string_view prefix) {
    if (at_ >= lines_.size() || !lines_[at_].starts_with(prefix)) return std::nullopt;
    return std::string(trimmed(std::string_view(lines_[at_++]).substr(prefix.size())));
  }
  // The beginning of the next file's part, or the end.
  bool at_file() const {
    if (at_ >= lines_.size()) return true;
    return std::ranges::any_of(std::initializer_list{kAdd, kDelete, kUpdate}, [&](auto prefix) {
      return lines_[at_].starts_with(prefix);
    });
  }
  Error unknown() const { return bad("Unknown line " + std::to_string(at_) + ": " + lines_[at_]); }

  Result<FileChange> file() {
    FileChange change;
    if (const auto added = take(kAdd)) {
      change.kind = FileChange::Kind::kAdd;
      change.path = *added;
      for (; !at_file(); ++at_) {
        if (!lines_[at_].starts_with('+')) return unknown();
        change.text += lines_[at_].substr(1) + "\n";
      }
    } else if (const auto deleted = take(kDelete)) {
      change.kind = FileChange::Kind::kDelete;
      change.path = *deleted;
      if (!at_file()) return unknown();
    } else if (const auto updated = take(kUpdate)) {
      change.path = *updated;
      if (const auto target = take(kMove)) change.move_to = *target;
      while (!at_file()) {
        Result<Hunk> next = hunk(change.hunks.empty());
        if (!next) return next.error();
        change.hunks.push_back(std::move(*next));
      }
      if (change.hunks.empty() && change.move_to.empty())
        return bad("Update File: " + change.path + " has no hunk");
    } else {
      return unknown();
    }
    if (change.path.empty()) return bad("a file of the patch has no name");
    return change;
  }

  Result<Hunk> hunk(bool first) {
    Hunk hunk;
    const std::string& line = lines_[at_];
    if (line.starts_with("@@ ")) {
      hunk.header = line.substr(3);
      ++at_;
    } else if (right_trimmed(line) == "@@") {
      ++at_;
    } else if (!first) {
      return unknown();
    }
    for (; !at_file() && !lines_[at_].starts_with("@@"); ++at_) {
      if (right_trimmed(lines_[at_]) == kEndOfFile) {
        hunk.at_end = true;
        ++at_;
        break;
      }
      const std::string text = lines_[at_].empty() ? " " : lines_[at_];
      if (text[0] != ' ' && text[0] != '-' && text[0] != '+') return unknown();
      hunk.lines.push_back(text);
    }
    if (hunk.lines.empty()) return bad("a hunk has no lines (line " + std::to_string(at_) + ")");
    return hunk;
  }

  Lines lines_;
  std::size_t at_ = 0;
};

using Same = bool (*)(std::string_view, std::string_view);
constexpr Same kSame[] = {
    [](std::string_view a, std::string_view b) { return a == b; },
    [](std::string_view a, std::string_view b) { return right_trimmed(a) == right_trimmed(b); },
    [](std::string_view a, std::string_view b) { return trimmed(a) == trimmed(b); },
};

// Where `wanted` stands at or after `from`; with `at_end`, at the end if it is there.
std::optional<std::size_t> find(
    const Lines& lines, const Lines& wanted, std::size_t from, bool at_end
) {
  if (wanted.size() > lines.size()) return std::nullopt;
  const std::size_t last = lines.size() - wanted.size();
  for (const Same same : kSame) {
    const auto here = [&](std::size_t at) {
      return std::equal(wanted.begin(), wanted.end(), lines.begin() + static_cast<long>(at), same);
    };
    if (at_end && last >= from && here(last)) return last;
  }
  for (const Same same : kSame) {
    for (std::size_t at = from; at <= last; ++at) {
      if (std::equal(wanted.begin(), wanted.end(), lines.begin() + static_cast<long>(at), same))
        return at;
    }
  }
  return std::nullopt;
}

// The line after the header, or nothing.
std::optional<std::size_t> after_header(const Lines& lines, const Hunk& hunk, std::size_t from) {
  if (trimmed(hunk.header).empty()) return from;
  for (const Same same : {kSame[0], kSame[2]}) {
    for (std::size_t at = from; at < lines.size(); ++at) {
      if (same(lines[at], hunk.header)) return at + 1;
    }
  }
  return std::nullopt;
}

Error invalid_context(std::size_t at, const Lines& context) {
  std::string text;
  for (const std::string& line : context) text += "\n" + line;
  return bad("Invalid context at " + std::to_string(at) + ":" + text);
}

}  // namespace

Result<std::vector<FileChange>> parse_patch(std::string_view text) { return Parser(text).parse(); }

Result<std::string> apply_hunks(std::string_view text, const std::vector<Hunk>& hunks) {
  const Lines lines = split(text);
  std::string result;
  std::size_t done = 0;
  const auto keep = [&](std::size_t until) {
    for (; done < until; ++done) result += lines[done] + "\n";
  };
  for (const Hunk& hunk : hunks) {
    const auto from = after_header(lines, hunk, done);
    if (!from) return invalid_context(done, {hunk.header});
    Lines old;
    for (const std::string& line : hunk.lines) {
      if (line[0] != '+') old.push_back(line.substr(1));
    }
    const bool to_end = old.empty() && (hunk.at_end || trimmed(hunk.header).empty());
    const auto at = to_end        ? std::optional(lines.size())
                    : old.empty() ? from
                                  : find(lines, old, *from, hunk.at_end);
    if (!at) return invalid_context(*from, old);
    keep(*at);
    for (const std::string& line : hunk.lines) {
      if (line[0] == '+') result += line.substr(1) + "\n";
      if (line[0] == ' ') keep(done + 1);
      if (line[0] == '-') ++done;
    }
  }
  const bool had_end = text.empty() || text.ends_with('\n');
  const bool tail_kept = done < lines.size();
  keep(lines.size());
  // A last line without its newline stays so when the patch did not touch it.
  if (!had_end && tail_kept) result.pop_back();
  return result;
}

}  // namespace toccata::tools
