#include "agent/server/run_reader.h"

#include <algorithm>

#include "agent/loop/citation_stream.h"
#include "agent/loop/events_json.h"
#include "agent/loop/shown_pages.h"
#include "agent/server/api_error.h"
#include "agent/server/json_fields.h"
#include "agent/store/run_json.h"

namespace toccata::server {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{128} << 10;  // of one text
constexpr std::size_t kRunBytesMax = std::size_t{16} << 20;    // of the texts of one answer

// Cuts texts to what an answer may hold.
class Budget {
 public:
  void cut(Json& object, const char* key) {
    auto& text = object[key].get_ref<std::string&>();
    const std::size_t kept = std::min({text.size(), kTextBytesMax, left_});
    left_ -= kept;
    if (kept == text.size()) return;
    const std::size_t whole = text.size();
    std::size_t end = kept;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // between characters
    text.resize(end);
    object[std::string(key) + "_bytes"] = whole;  // last: it moves the object's fields
  }

 private:
  std::size_t left_ = kRunBytesMax;
};

// An id, or an end of one, as the ledger makes them.
void check_id(const std::string& id) {
  const bool valid = !id.empty() && id.size() <= 32 &&
                     std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (!valid) throw ApiError(404, "no run has such an id; ids are lower-case letters and digits", "not_found");
}

bool is_text(std::string_view bytes) { return tokenizer::to_valid_utf8(bytes) == bytes; }

std::string spelled(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += '<';
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
    text += '>';
  }
  return text;
}

Json timed(const store::CallRow& call) {
  Json json = store::to_json(call);
  json["started_ms"] = call.started_ms;
  if (call.result) json["finished_ms"] = call.finished_ms;
  return json;
}

// What an answer cites of the pages that were shown before it.
std::vector<agent::Citation> citations_of(const std::string& answer, const agent::ShownPages& pages) {
  std::vector<agent::Citation> citations;
  agent::CitationStream stream(pages);
  for (auto pieces : {stream.push(answer), stream.finish()}) {
    for (agent::CitationStream::Piece& piece : pieces) {
      if (piece.citation) citations.push_back(std::move(*piece.citation));
    }
  }
  return citations;
}

bool is_answer(const store::MessageRow& message) {
  return message.role == "assistant" && message.recipient.empty() && message.channel != "analysis";
}

// Tokens [from, to) of a segment.
Json segment_json(const tokenizer::Tokenizer& tokenizer, const store::Segment& segment, std::size_t from, std::size_t to) {
  Json json = {{"step", segment.step}, {"kind", to_string(segment.kind)}, {"tokens", Json::array()}, {"texts", Json::array()}, {"special", Json::array()}};
  for (std::size_t i = from; i < to; ++i) {
    const Token token = segment.tokens[i];
    const auto bytes = tokenizer.token_bytes(token);
    if (tokenizer.is_special(token)) json["special"].push_back(i - from);
    json["tokens"].push_back(token);
    json["texts"].push_back(!bytes ? std::string() : is_text(*bytes) ? std::string(*bytes) : spelled(*bytes));
  }
  return json;
}

}  // namespace

store::Ledger& RunReader::ledger() {
  if (ledger_ == nullptr) ledger_ = store::Ledger::open(path_).value_or_throw();
  return *ledger_;
}

store::RunRecord RunReader::load(const std::string& id) {
  check_id(id);
  auto run = ledger().load_run(id);
  if (!run) throw api_error(run.error());
  return std::move(*run);
}

std::string RunReader::list(int limit, const std::string& after) {
  if (!after.empty()) check_id(after);
  auto found = ledger().list_runs(limit + 1, after);
  const bool has_more = found.size() > static_cast<std::size_t>(limit);
  if (has_more) found.pop_back();
  Json data = Json::array();
  for (store::RunSummary& run : found) {
    Json json = store::to_json(run);
    Budget().cut(json, "task");
    data.push_back(std::move(json));
  }
  const Json last = data.empty() ? Json(nullptr) : data.back()["id"];
  return dump({{"object", "list"}, {"data", std::move(data)}, {"has_more", has_more}, {"last_id", last}});
}

std::string RunReader::run(const std::string& id) {
  const store::RunRecord record = load(id);
  Budget budget;
  Json json = store::head_json(record);
  json["object"] = "toccata.run";
  for (const char* key : {"task", "final", "message"}) budget.cut(json, key);
  std::int64_t n_tokens = 0;
  for (const store::Segment& segment : record.segments) n_tokens += std::ssize(segment.tokens);
  json["n_tokens"] = n_tokens;
  // "steps" of the summary is their number.
  json["steps"] = Json::array();
  json["messages"] = Json::array();
  json["calls"] = Json::array();
  json["notes"] = Json::array();
  for (const store::StepRow& step : record.steps) json["steps"].push_back(store::to_json(step));
  agent::ShownPages pages;
  for (const store::MessageRow& message : record.messages) {
    json["messages"].push_back(store::to_json(message));
    Json& shown = json["messages"].back();
    if (message.role == "tool" && agent::shows_pages(message.name)) pages.show(message.content);
    if (is_answer(message) && !pages.empty()) {
      if (const auto cited = citations_of(message.content, pages); !cited.empty()) shown["annotations"] = agent::to_json(cited);
    }
    budget.cut(shown, "content");
  }
  for (const store::CallRow& call : record.calls) {
    json["calls"].push_back(timed(call));
    Json& last = json["calls"].back();
    budget.cut(last, "arguments");
    if (!last["result"].is_null()) budget.cut(last["result"], "content");
  }
  for (const store::NoteRow& note : record.notes) {
    json["notes"].push_back(store::to_json(note));
    json["notes"].back()["at_ms"] = note.at_ms;
    budget.cut(json["notes"].back(), "detail");
  }
  return dump(json);
}

std::string RunReader::file(const std::string& id, const std::string& path, int call) {
  check_id(id);
  auto found = ledger().session_file(id, path, call > 0 ? std::optional(call) : std::nullopt);
  if (!found) throw api_error(found.error());
  return std::move(found->bytes);
}

std::string RunReader::fork(const std::string& id, int step) {
  check_id(id);
  auto made = ledger().fork_run(id, step);
  if (!made) throw api_error(made.error());
  return dump({{"object", "toccata.fork"}, {"id", *made}, {"forked_from", {{"run", id}, {"step", step}}}});
}

std::string RunReader::tokens(const std::string& id, std::int64_t offset, std::int64_t limit) {
  const store::RunRecord record = load(id);
  const std::int64_t end = offset + limit;
  std::int64_t begin_of = 0;
  Json segments = Json::array();
  for (std::size_t n = 0; n < record.segments.size(); ++n) {
    const store::Segment& segment = record.segments[n];
    const std::int64_t size = std::ssize(segment.tokens);
    const std::int64_t from = std::clamp<std::int64_t>(offset - begin_of, 0, size);
    const std::int64_t to = std::clamp<std::int64_t>(end - begin_of, 0, size);
    if (from < to) {
      Json json = segment_json(*tokenizer_, segment, static_cast<std::size_t>(from), static_cast<std::size_t>(to));
      json["segment"] = n;
      segments.push_back(std::move(json));
    }
    begin_of += size;
  }
  return dump(
      {{"object", "toccata.tokens"},
       {"model", record.summary.model},
       {"n_tokens", begin_of},
       {"next", end < begin_of ? Json(end) : Json(nullptr)},
       {"segments", std::move(segments)}}
  );
}

}  // namespace toccata::server
