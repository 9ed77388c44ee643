#include "agent/task/dataset.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "agent/task/sha256.h"
#include "core/base/mapped_file.h"

namespace toccata::task {
namespace {

constexpr std::size_t kFileMax = std::size_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error wrong(const std::string& file, std::size_t line, const std::string& what) {
  return Error{ErrorCode::kInvalidArgument, file + ":" + std::to_string(line) + ": " + what};
}

// One record of CSV from `at` on; `line` counts line ends. False with `error` set when a quote is not closed.
bool read_record(
    std::string_view text, std::size_t& at, std::size_t& line, std::vector<std::string>& cells, std::string& error
) {
  cells.assign(1, "");
  bool quoted = false;  // the cell began with a quote
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' && cells.back().empty() && !quoted) {
      quoted = true;
      for (++at;; ++at) {
        if (at >= text.size()) {
          error = "found a quote that is never closed, expected \"";
          return false;
        }
        if (text[at] == '\n') ++line;
        if (text[at] != '"') {
          cells.back() += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
          cells.back() += '"';
          ++at;
        } else {
          break;
        }
      }
      ++at;
      if (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') {
        error = "found '" + std::string(1, text[at]) + "' behind a closing quote, expected a comma or the end of the line";
        return false;
      }
      continue;
    }
    ++at;
    if (c == ',') {
      cells.emplace_back();
      quoted = false;
    } else if (c == '\n' || (c == '\r' && (at == text.size() || text[at] == '\n'))) {
      if (c == '\r' && at < text.size()) ++at;
      ++line;
      return true;
    } else {
      cells.back() += c;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<Row>> rows_from_jsonl(std::string_view text, const std::string& file) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<Row> rows;
  std::size_t line = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line;
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Value value;
    if (!parse_json(one, value)) return wrong(file, line, "found no JSON, expected one object a line");
    if (!value.is_object()) return wrong(file, line, std::string("found ") + kind_of(value) + ", expected a JSON object");
    rows.push_back({line, std::move(value), ""});
  }
  return rows;
}

Result<std::vector<Row>> rows_from_csv(std::string_view text, const std::string& file) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<Row> rows;
  std::vector<std::string> columns, cells;
  std::size_t at = 0, line = 1;
  while (at < text.size()) {
    const std::size_t begins = line;
    std::string error;
    if (!read_record(text, at, line, cells, error)) return wrong(file, begins, error);
    if (cells.size() == 1 && cells[0].empty()) continue;  // an empty line
    if (columns.empty()) {
      columns = cells;
      for (const std::string& name : columns) {
        if (name.empty() || std::count(columns.begin(), columns.end(), name) > 1) {
          return wrong(file, begins, "found the column '" + name + "', expected names that are there once");
        }
      }
      continue;
    }
    if (cells.size() != columns.size()) {
      return wrong(file, begins, "found " + std::to_string(cells.size()) + " cells, expected " + std::to_string(columns.size()));
    }
    Row row{begins, Value::object(), ""};
    for (std::size_t i = 0; i < cells.size(); ++i) row.value[columns[i]] = cells[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<Row>> read_rows(const std::filesystem::path& path) {
  Result<std::string> text = read_text_file(path, kFileMax);
  if (!text) return text.error();
  const std::string ending = path.extension().string();
  Result<std::vector<Row>> rows = Error{
      ErrorCode::kInvalidArgument, "found the dataset '" + path.string() + "', expected a name that ends in .jsonl or .csv"};
  if (ending == ".csv") rows = rows_from_csv(*text, path.string());
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json") rows = rows_from_jsonl(*text, path.string());
  if (rows && rows->empty()) return wrong(path.string(), 1, "found no rows, expected at least one");
  return rows;
}

Result<Shard> parse_shard(std::string_view text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, index_error] = std::from_chars(text.data(), end, shard.index);
  if (index_error == std::errc() && slash != end && *slash == '/') {
    const auto [rest, count_error] = std::from_chars(slash + 1, end, shard.count);
    if (count_error == std::errc() && rest == end && shard.index < shard.count) return shard;
  }
  return Error{
      ErrorCode::kInvalidArgument,
      "found the shard '" + std::string(text) + "', expected i/n with i from 0 to n - 1, such as 0/8 for the first of eight"};
}

void keep_shard(const Shard& shard, std::vector<Row>& rows) {
  std::size_t n = 0;
  for (std::size_t i = shard.index; i < rows.size(); i += shard.count) {
    if (n != i) rows[n] = std::move(rows[i]);
    ++n;
  }
  rows.resize(n);
}

void name_rows(const Task& task, const Value& given, std::vector<Row>& rows) {
  std::map<std::string, int> seen;
  for (Row& row : rows) {
    Sha256 hash;
    hash.add("toccata task row 1");
    hash.add(task.content_hash);
    hash.add(to_json_text(nlohmann::json(given)));  // sorted keys
    hash.add(to_json_text(nlohmann::json(row.value)));
    row.key = hash.hex();
    const int n = ++seen[row.key];
    if (n > 1) row.key += "#" + std::to_string(n);
  }
}

}  // namespace toccata::task
