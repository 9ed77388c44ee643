// Reads the ledger for the runs routes. Only for the .cpp files of this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/store/ledger.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::server {

// Every answer is the text of a JSON object. One thread at a time; the file is opened by the first call. Throws ApiError
// for what is asked wrongly; failures of the file are Exceptions.
class RunReader {
 public:
  RunReader(std::filesystem::path ledger, std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : path_(std::move(ledger)), tokenizer_(std::move(tokenizer)) {}

  // {object, data: [summary], has_more, last_id}.
  std::string list(int limit, const std::string& after);
  // Everything but the tokens; what an answer cites stands in its message's "annotations", as in the events. Long texts are cut and say so: "content_bytes" is their whole length.
  std::string run(const std::string& id);
  // Tokens [offset, offset + limit) of the segments, joined: {n_tokens, next, segments: [{segment, step, kind, tokens,
  // texts, special}]}; bytes that are no text are spelled <e2><80>.
  std::string tokens(const std::string& id, std::int64_t offset, std::int64_t limit);
  // Bytes of a file of the session's /mnt/data after call `call`; 0 = after the last.
  std::string file(const std::string& id, const std::string& path, int call);
  // Copies the run up to the end of step `step` to a new one: {id, forked_from: {run, step}}.
  std::string fork(const std::string& id, int step);

 private:
  store::Ledger& ledger();
  store::RunRecord load(const std::string& id);

  const std::filesystem::path path_;
  const std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::unique_ptr<store::Ledger> ledger_;
};

}  // namespace toccata::server
