#include "tools/files/files_tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/base/json.h"
#include "prompts/prompts.h"
#include "sandbox/output.h"
#include "tools/files/file_views.h"
#include "tools/session_network.h"

namespace toccata::tools {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kLinesDefault = 400;

// The members of a call, as what they should be; throws Exception(kInvalidArgument) naming the one that is not.
class Arguments {
 public:
  explicit Arguments(const std::string& body)
      : json_(json_from<ordered_json>(body)) {
    if (!json_.is_object()) throw wrong("the arguments are not a JSON object");
  }

  std::string text(const char* name) const {
    const ordered_json* value = find(name);
    if (value == nullptr || !value->is_string()) throw wrong(std::string("expected a text \"") + name + "\"");
    return value->get<std::string>();
  }
  std::string text_or(const char* name, const char* otherwise) const {
    return find(name) == nullptr ? otherwise : text(name);
  }
  std::int64_t count_or(const char* name, std::int64_t otherwise) const {
    const ordered_json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_number_integer() || value->get<std::int64_t>() < 1)
      throw wrong(std::string("\"") + name + "\" is not a whole number above 0");
    return std::min(value->get<std::int64_t>(), std::int64_t{1} << 40);
  }
  bool flag(const char* name) const {
    const ordered_json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) throw wrong(std::string("\"") + name + "\" is neither true nor false");
    return value->get<bool>();
  }

 private:
  static Exception wrong(const std::string& what) { return Exception(ErrorCode::kInvalidArgument, what); }
  const ordered_json* find(const char* name) const {
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  ordered_json json_;
};

std::vector<std::size_t> places_of(const std::string& text, const std::string& part) {
  std::vector<std::size_t> places;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    places.push_back(at);
  return places;
}

std::string line_numbers(const std::string& text, const std::vector<std::size_t>& places) {
  constexpr std::size_t kNamed = 5;
  std::string list;
  for (std::size_t i = 0; i < std::min(places.size(), kNamed); ++i) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(places[i]);
    list += (i > 0 ? ", " : "") + std::to_string(1 + std::count(text.begin(), end, '\n'));
  }
  return list + (places.size() > kNamed ? ", ..." : "");
}

// Why `old` is not in the text, as far as that can be seen.
std::string hint(const std::string& text, const std::string& old) {
  if (text.find("\r\n") != std::string::npos && old.find('\n') != std::string::npos && old.find('\r') == std::string::npos)
    return "; the lines of this file end in \\r\\n";
  const std::size_t from = old.find_first_not_of(" \t\n");
  if (from == std::string::npos) return "";
  const std::string core = old.substr(from, old.find_last_not_of(" \t\n") - from + 1);
  return core != old && text.find(core) != std::string::npos ? "; without its blanks at the ends it is there" : "";
}

std::string edit(const WorkFolder& folder, const std::string& path, const Arguments& arguments) {
  const std::string old = arguments.text("old"), fresh = arguments.text("new");
  if (old.empty()) throw Exception(ErrorCode::kInvalidArgument, "\"old\" is empty; use files.write for a new file");
  if (old == fresh) throw Exception(ErrorCode::kInvalidArgument, "\"old\" and \"new\" are the same");
  std::string text = folder.read(path).value_or_throw();
  const std::vector<std::size_t> places = places_of(text, old);
  if (places.empty())
    throw Exception(ErrorCode::kNotFound, path + ": \"old\" is not in the file" + hint(text, old) + ". Nothing was changed");
  if (places.size() > 1 && !arguments.flag("all")) {
    throw Exception(
        ErrorCode::kInvalidArgument,
        path + ": \"old\" is there " + std::to_string(places.size()) + " times, in lines " + line_numbers(text, places) +
            "; give more of the text around it, or \"all\": true. Nothing was changed"
    );
  }
  const std::string lines = line_numbers(text, places);
  for (auto at = places.rbegin(); at != places.rend(); ++at) text.replace(*at, old.size(), fresh);
  folder.write(path, text).value_or_throw();
  return "Changed " + path + " in line" + (places.size() > 1 ? "s " : " ") + lines + ".";
}

std::string write(const WorkFolder& folder, const std::string& path, const Arguments& arguments) {
  const std::string text = arguments.text("content");
  if (text.size() > WorkFolder::kFileMax)
    throw Exception(ErrorCode::kResourceExhausted, path + ": more than 16 MiB cannot be written");
  const bool replaced = folder.exists(path).value_or_throw();
  folder.write(path, text).value_or_throw();
  return (replaced ? "Replaced " : "Made ") + path + ", " + std::to_string(text.size()) + " bytes.";
}

std::string grep(const WorkFolder& folder, const std::string& path, const Arguments& arguments, std::stop_token stop) {
  const LinePattern pattern =
      LinePattern::parse(arguments.text("pattern"), {arguments.flag("literal"), arguments.flag("ignore_case")})
          .value_or_throw();
  std::optional<Glob> glob;
  if (const std::string text = arguments.text_or("glob", ""); !text.empty()) glob = Glob::parse(text).value_or_throw();
  return show_found_lines(folder, path, pattern, glob ? &*glob : nullptr, std::move(stop)).value_or_throw();
}

std::string path_in(const std::string& function, const Arguments& arguments) {
  const bool of_folder = function == "list" || function == "glob" || function == "grep";
  return of_folder ? arguments.text_or("path", ".") : arguments.text("path");
}

std::string perform(const std::string& function, const FilePlaces::Spot& spot, const Arguments& arguments, std::stop_token stop) {
  const WorkFolder& folder = *spot.folder;
  if (function == "read") {
    const std::int64_t first = arguments.count_or("first_line", 1);
    return show_lines(folder, spot.path, first, arguments.count_or("lines", kLinesDefault)).value_or_throw();
  }
  if (function == "write") return write(folder, spot.path, arguments);
  if (function == "edit") return edit(folder, spot.path, arguments);
  if (function == "list") return show_folder(folder, spot.path).value_or_throw();
  if (function == "grep") return grep(folder, spot.path, arguments, std::move(stop));
  const Glob glob = Glob::parse(arguments.text("pattern")).value_or_throw();
  return show_matching_paths(folder, spot.path, glob, std::move(stop)).value_or_throw();
}

// Without blank parts: "./a//b/" -> "a/b"; "" -> ".". Leaves ".." for the folder to refuse.
std::string tidy(const std::string& path) {
  std::string result;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    if (!name.empty() && name != ".") result += (result.empty() ? "" : "/") + name;
    at = end + 1;
  }
  return result.empty() ? "." : result;
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

}  // namespace

Result<std::shared_ptr<FilePlaces>> FilePlaces::open(
    const std::filesystem::path& work_folder, std::shared_ptr<sandbox::SessionSlot> slot
) {
  Result<WorkFolder> work = WorkFolder::open(work_folder);
  if (!work) return work.error();
  std::error_code unknown;
  const std::string path = std::filesystem::canonical(work_folder, unknown).string();
  return std::shared_ptr<FilePlaces>(new FilePlaces(*std::move(work), path, std::move(slot)));
}

Result<FilePlaces::Spot> FilePlaces::find(const std::string& path) {
  const std::string session = sandbox::kWorkspacePath;
  if (path.find('\0') != std::string::npos)
    return Error{ErrorCode::kInvalidArgument, "the path has a NUL character"};
  if (slot_ && is_below(path, session)) {
    const Result<sandbox::Session*> opened = slot_->open();
    if (!opened) return opened.error();
    Result<sandbox::Session::Folder> folder = (*opened)->workspace_folder();
    if (!folder) return folder.error();
    session_folder_ = std::make_unique<WorkFolder>(WorkFolder::of(std::move(folder->fd), folder->owner));
    return Spot{session_folder_.get(), tidy(path.substr(session.size())), provenance_of(**opened)};
  }
  if (!work_path_.empty() && work_path_ != "/" && is_below(path, work_path_))
    return Spot{&work_, tidy(path.substr(work_path_.size())), {}};
  if (path.starts_with('/')) {
    return Error{
        ErrorCode::kInvalidArgument,
        "\"" + sandbox::to_utf8(path) + "\" is not a path inside the workspace; expected a relative one" +
            (slot_ ? " or one below /mnt/data" : "")};
  }
  return Spot{&work_, tidy(path), {}};
}

FilesTool::FilesTool(Half half, std::shared_ptr<FilePlaces> places) : places_(std::move(places)) {
  const auto json = json_from_valid<ordered_json>(prompts::files_tool());
  const bool writing = half == Half::kWriting;
  spec_.name_space = json["name"];
  spec_.description = json["description"];
  for (const auto& tool : json["tools"]) {
    if (tool.value("writes", false) == writing)
      spec_.functions.push_back({tool["name"], tool["description"], json_text(tool["parameters"])});
  }
  spec_.effect = writing ? Effect::kEffectful : Effect::kPure;
  spec_.needs_approval = writing;
}

ToolResult FilesTool::call(const ToolCall& call, std::stop_token stop) {
  const std::string function = call.recipient.substr(call.recipient.find('.') + 1);
  try {
    const Arguments arguments(call.arguments);
    const FilePlaces::Spot spot = places_->find(path_in(function, arguments)).value_or_throw();
    return {ToolStatus::kOk, call.recipient, perform(function, spot, arguments, std::move(stop)), "{}", spot.provenance};
  } catch (const Exception& error) {
    return {ToolStatus::kFailed, call.recipient, std::string("Error: ") + sandbox::to_utf8(error.what())};
  }
}

}  // namespace toccata::tools
