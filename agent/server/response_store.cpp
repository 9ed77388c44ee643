#include "agent/server/response_store.h"

#include <algorithm>
#include <cstdio>

#include "agent/server/json_fields.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

std::string failed(const std::string& response, const std::string& message) {
  Json json = json_from_valid<Json>(response);
  json["status"] = "failed";
  json["error"] = {{"code", "server_error"}, {"message", message}};
  return dump(json);
}

std::string failed_event(const Json& sequence_number, const std::string& response) {
  const Json event = {{"type", "response.failed"}, {"sequence_number", sequence_number}, {"response", json_from_valid<Json>(response)}};
  return sse(event, "response.failed");
}

// The event that stands in the place of another.
std::string failed_instead(const std::string& event, const std::string& response) {
  if (event.empty()) return event;  // nobody streams
  const Json ended = json_from_valid<Json>(event.substr(event.find("data: ") + 6));
  return failed_event(ended["sequence_number"], response);
}

}  // namespace

std::string StoredResponse::json() const {
  const std::lock_guard lock(mutex_);
  return json_;
}

void StoredResponse::set_json(std::string json) {
  const std::lock_guard lock(mutex_);
  json_ = std::move(json);
}

bool StoredResponse::is_finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

std::vector<ItemText> StoredResponse::output() const {
  const std::lock_guard lock(mutex_);
  return output_;
}

void StoredResponse::publish(std::string_view event) {
  const std::lock_guard lock(mutex_);
  if (background) events_.emplace_back(event);
  for (const auto& client : followers_) client->send(event);
}

void StoredResponse::follow(const std::shared_ptr<Exchange>& client, std::int64_t after) {
  const std::lock_guard lock(mutex_);
  const auto first = static_cast<std::size_t>(std::max<std::int64_t>(after + 1, 0));
  for (std::size_t i = first; i < events_.size(); ++i) client->send(events_[i]);
  if (lost_) client->send(failed_event(after + 1, json_));
  if (finished_) {
    client->finish();
  } else {
    followers_.push_back(client);
  }
}

void StoredResponse::finish(std::string json, std::vector<ItemText> output, std::string last_event) {
  const std::lock_guard lock(mutex_);
  json_ = std::move(json);
  output_ = std::move(output);
  finished_ = true;
  for (const auto& client : followers_) {
    client->send(last_event);
    client->finish();
  }
  followers_.clear();
  if (background) events_.push_back(std::move(last_event));
}

std::vector<std::string> StoredResponse::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

void ResponseStore::add(const std::shared_ptr<StoredResponse>& response) {
  if (archive_ != nullptr) archive_->begin(response->id, response->background, response->json());
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = entries_.try_emplace(response->id);
  if (!is_new) return;
  it->second.response = response;
  it->second.age = ages_.insert(ages_.end(), response->id);
  evict();
}

ResponseEnd ResponseStore::finish(
    StoredResponse& response,
    std::string json,
    std::vector<NamedItem> output,
    std::string last_event,
    const std::vector<store::SampledStep>& steps
) {
  ResponseEnd end;
  // First, so that whoever hears of the end finds it even if the server dies at once.
  if (archive_ != nullptr && contains(response.id)) {
    try {
      std::vector<std::string> events = response.events();
      if (response.background) events.push_back(last_event);
      archive_->finish(response.id, json, response.input, output, events, steps);
    } catch (const Exception& failure) {
      end.failure = Error{failure.code(), std::string("the response could not be stored: ") + failure.what()};
      std::fprintf(stderr, "toccata: %s: %s\n", response.id.c_str(), end.failure->message.c_str());
      json = failed(json, end.failure->message);
      last_event = failed_instead(last_event, json);
    }
  }
  end.last_event = last_event;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(response.id);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    entry.bytes = json.size() + last_event.size() + 1;
    for (const ItemText& item : response.input) entry.bytes += item->size();
    for (const std::string& event : response.events_) entry.bytes += event.size();
    for (const auto& [id, item] : output) {
      entry.bytes += item->size();
      entry.item_ids.push_back(id);
      items_[id] = item;
    }
    n_bytes_ += entry.bytes;
  }
  std::vector<ItemText> texts;
  for (auto& [id, item] : output) texts.push_back(std::move(item));
  response.finish(std::move(json), std::move(texts), std::move(last_event));
  evict();
  return end;
}

bool ResponseStore::contains(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return entries_.contains(id);
}

std::shared_ptr<StoredResponse> ResponseStore::find(const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) return found->second.response;
  }
  return archive_ != nullptr ? find_archived(id) : nullptr;
}

// One whose server died in the middle of it has failed, and its stream goes on with that. So has one of this process:
// what still runs here is in memory.
std::shared_ptr<StoredResponse> ResponseStore::find_archived(const std::string& id) const {
  std::optional<store::ArchivedResponse> kept = archive_->find(id);
  if (!kept) return nullptr;
  auto response = std::make_shared<StoredResponse>(id, std::move(kept->input), kept->background);
  response->json_ = std::move(kept->json);
  response->output_ = std::move(kept->output);
  response->events_ = std::move(kept->events);
  response->finished_ = kept->finished;
  response->elsewhere_ = kept->is_elsewhere;
  if (kept->finished || kept->is_elsewhere) return response;
  response->json_ = failed(response->json_, "the server ended before the response did, or could not store its end");
  response->finished_ = true;
  response->lost_ = true;
  return response;
}

ItemText ResponseStore::find_item(const std::string& item_id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = items_.find(item_id); found != items_.end()) return found->second;
  }
  return archive_ != nullptr ? archive_->find_item(item_id) : nullptr;
}

std::optional<Tokens> ResponseStore::find_step(const std::string& key) const {
  return archive_ != nullptr ? archive_->find_step(key) : std::nullopt;
}

bool ResponseStore::erase(const std::string& id) {
  bool erased = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) {
      found->second.response->stop.request_stop();
      erase(found);
      erased = true;
    }
  }
  return (archive_ != nullptr && archive_->erase(id)) || erased;
}

void ResponseStore::erase(Entries::iterator entry) {
  n_bytes_ -= entry->second.bytes;
  ages_.erase(entry->second.age);
  for (const std::string& item : entry->second.item_ids) items_.erase(item);
  entries_.erase(entry);
}

void ResponseStore::evict() {
  auto age = ages_.begin();
  while (age != ages_.end() && (entries_.size() > limits_.responses_max || n_bytes_ > limits_.bytes_max)) {
    const auto entry = entries_.find(*age++);
    if (entry->second.bytes > 0) erase(entry);
  }
}

void ResponseStore::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, entry] : entries_) entry.response->stop.request_stop();
}

}  // namespace toccata::server
