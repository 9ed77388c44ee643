// Rows that a task is run over.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/task/params.h"
#include "agent/task/task.h"

namespace toccata::task {

struct Row {
  std::size_t number = 0;  // of the line it begins on, from 1
  Value value;             // an object
  // What was done and with what, whatever the order of rows: a hash of the task file, what was given on the command line
  // and the row; the second row with the same content ends in "#2". Set by name_rows().
  std::string key;
  std::int64_t seed_offset = 0;  // as of TaskInput
};

// .csv: the first line names the columns (RFC 4180: quotes, line ends within quotes), all values are texts.
// .jsonl, .ndjson, .json: one JSON object a line. kInvalidArgument beginning with "file:line: ".
Result<std::vector<Row>> read_rows(const std::filesystem::path& path);
Result<std::vector<Row>> rows_from_jsonl(std::string_view text, const std::string& file);
Result<std::vector<Row>> rows_from_csv(std::string_view text, const std::string& file);

// One of `count` parts of a dataset, for as many processes: row i of the file, from 0, is in part i mod count.
struct Shard {
  std::size_t index = 0, count = 1;
  friend bool operator==(const Shard&, const Shard&) = default;
};
// "2/8" is the third of eight. kInvalidArgument otherwise.
Result<Shard> parse_shard(std::string_view text);
// Leaves the rows of that part. Behind name_rows(): a row has the same key whatever the number of parts.
void keep_shard(const Shard& shard, std::vector<Row>& rows);

// `given`: parameters and settings of the command line that change what a row comes to.
void name_rows(const Task& task, const Value& given, std::vector<Row>& rows);

}  // namespace toccata::task
