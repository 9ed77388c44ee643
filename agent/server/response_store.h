// Responses that clients may ask for again: by id, as `previous_response_id`, and as the rest of a stream.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/server/http_server.h"
#include "agent/store/response_archive.h"

namespace toccata::server {

using store::ItemText;
using store::NamedItem;

// One response from its creation on. Any thread.
class StoredResponse {
 public:
  StoredResponse(std::string its_id, std::vector<ItemText> its_input, bool in_background)
      : id(std::move(its_id)), input(std::move(its_input)), background(in_background) {}

  const std::string id;
  const std::vector<ItemText> input;  // all that the model was given, oldest first
  const bool background;              // goes on without its client, and its events are kept
  std::stop_source stop;              // requested by .../cancel and when the server ends

  // The response object as it stands.
  std::string json() const;
  void set_json(std::string json);
  bool is_finished() const;
  // Another process makes it: here it can be read and deleted, but neither followed nor cancelled.
  bool is_elsewhere() const { return elsewhere_; }
  // What the model wrote; empty until the end.
  std::vector<ItemText> output() const;

  // The next event, for everybody who follows. Kept when the response is a background one.
  void publish(std::string_view event);
  // Sends the kept events after number `after` (-1: all), then those to come. The exchange has begun its stream.
  void follow(const std::shared_ptr<Exchange>& client, std::int64_t after);

 private:
  friend class ResponseStore;
  void finish(std::string json, std::vector<ItemText> output, std::string last_event);
  std::vector<std::string> events() const;

  mutable std::mutex mutex_;
  std::string json_;
  std::vector<ItemText> output_;
  std::vector<std::string> events_;  // an event's index is its sequence_number
  std::vector<std::shared_ptr<Exchange>> followers_;
  bool finished_ = false;
  bool lost_ = false;       // its server died; the events are gone with it
  bool elsewhere_ = false;  // set before anybody else sees it
};

// How a response ended.
struct ResponseEnd {
  std::string last_event;        // as its followers were told
  std::optional<Error> failure;  // of the archive: the response has failed, whatever the model did
};

struct StoreLimits {
  std::size_t responses_max = 4096;
  // Of JSON and kept events in finished responses. Shared history counts for each response anew, so this is an upper
  // bound of what is held.
  std::size_t bytes_max = std::size_t{256} << 20;
};

// In memory, where the oldest finished responses go first; and in the archive, where there is one, which still has them
// then and after a restart. Any thread.
class ResponseStore {
 public:
  explicit ResponseStore(StoreLimits limits = {}, std::unique_ptr<store::ResponseArchive> archive = {})
      : limits_(limits), archive_(std::move(archive)) {}

  void add(const std::shared_ptr<StoredResponse>& response);
  // The end of a response; `last_event` goes to its followers when the response can be found finished. `steps`: what
  // was sampled for it. Also for a response that is not (or no longer) in the store, which the archive never hears of.
  // Where the archive cannot keep it, it ends all the same, as failed.
  ResponseEnd finish(
      StoredResponse& response,
      std::string json,
      std::vector<NamedItem> output,
      std::string last_event,
      const std::vector<store::SampledStep>& steps = {}
  );
  // nullptr when there is none.
  std::shared_ptr<StoredResponse> find(const std::string& id) const;
  ItemText find_item(const std::string& item_id) const;
  std::optional<Tokens> find_step(const std::string& key) const;
  // False when there is none. A response that still runs is cancelled.
  bool erase(const std::string& id);
  void cancel_all();

 private:
  struct Entry {
    std::shared_ptr<StoredResponse> response;
    std::list<std::string>::iterator age;
    std::size_t bytes = 0;  // 0 until it is finished
    std::vector<std::string> item_ids;
  };
  using Entries = std::map<std::string, Entry>;
  bool contains(const std::string& id) const;
  std::shared_ptr<StoredResponse> find_archived(const std::string& id) const;
  void erase(Entries::iterator entry);
  void evict();

  const StoreLimits limits_;
  const std::unique_ptr<store::ResponseArchive> archive_;  // null: a restart forgets
  mutable std::mutex mutex_;
  Entries entries_;
  std::map<std::string, ItemText> items_;
  std::list<std::string> ages_;  // oldest first
  std::size_t n_bytes_ = 0;
};

}  // namespace toccata::server
