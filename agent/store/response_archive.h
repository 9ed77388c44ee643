// Responses that outlive the server that made them, and conversations: tables of the ledger's file (responses.sql).
// Failures of the file are LedgerErrors, as in ledger.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/store/ledger.h"
#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::store {

// JSON text, shared by all the histories it stands in.
using ItemText = std::shared_ptr<const std::string>;
struct NamedItem {
  std::string id;
  ItemText json;
};

struct ArchivedResponse {
  std::string id;
  std::string json;
  bool background = false;
  bool finished = false;
  bool is_elsewhere = false;  // unfinished, and another process that makes it still runs; set by find()
  std::vector<ItemText> input = {}, output = {};
  std::vector<std::string> events = {};  // each ends in an empty line
};

// Tokens of one model call. `key` (32 bytes) names what stood before it and what a client sees of it.
struct SampledStep {
  std::string key;
  Tokens tokens;
};

// Any thread.
class ResponseArchive {
 public:
  // Opens the ledger's file, creates what is missing, and forgets responses older than `days_kept`.
  static Result<std::unique_ptr<ResponseArchive>> open(const std::filesystem::path& path, int days_kept, WallClock clock = {});
  ~ResponseArchive();

  // A response that has begun, so that one whose server dies is known to have been cut off.
  void begin(const std::string& id, bool background, const std::string& json);
  // Its end. Does nothing when it was erased meanwhile.
  void finish(
      const std::string& id, const std::string& json, const std::vector<ItemText>& input,
      const std::vector<NamedItem>& output, const std::vector<std::string>& events, const std::vector<SampledStep>& steps
  );
  std::optional<ArchivedResponse> find(const std::string& id);
  // Of an item the model wrote; null when there is none.
  ItemText find_item(const std::string& item_id);
  std::optional<Tokens> find_step(const std::string& key);
  // With its items, where no other response uses them, and its tokens. False when there is none.
  bool erase(const std::string& id);

 private:
  struct Impl;
  explicit ResponseArchive(std::unique_ptr<Impl> impl);
  std::mutex mutex_;
  std::unique_ptr<Impl> impl_;
};

struct ConversationInfo {
  std::int64_t created_ms = 0;
  std::string metadata = "{}";
};

// Any thread. Functions that name a conversation answer false, or nothing, when there is none. Ids of a conversation's
// items are unique: create() and append() throw kInvalidArgument for one that is there, and add nothing.
class ConversationArchive {
 public:
  static Result<std::unique_ptr<ConversationArchive>> open(const std::filesystem::path& path, WallClock clock = {});
  ~ConversationArchive();

  ConversationInfo create(const std::string& id, const std::string& metadata, const std::vector<NamedItem>& items);
  std::optional<ConversationInfo> find(const std::string& id);
  bool set_metadata(const std::string& id, const std::string& metadata);
  bool erase(const std::string& id);
  // Oldest first.
  std::optional<std::vector<NamedItem>> items(const std::string& id);
  bool append(const std::string& id, const std::vector<NamedItem>& items);
  bool erase_item(const std::string& id, const std::string& item_id);

 private:
  struct Impl;
  explicit ConversationArchive(std::unique_ptr<Impl> impl);
  std::mutex mutex_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::store
