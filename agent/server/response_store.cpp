#include "agent/server/response_store.h"

#include <algorithm>
#include <cstdio>
#include <exception>

#include "agent/server/json_fields.h"
#include "core/base/json.h"

namespace toccata::server {

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

bool StoredResponse::is_elsewhere() const {
  const std::lock_guard lock(mutex_);
  return elsewhere_;
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
  if (lost_) {
    const Json failed = {{"type", "response.failed"}, {"sequence_number", after + 1}, {"response", json_from_valid<Json>(json_)}};
    client->send(sse(failed, "response.failed"));
  }
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

void ResponseStore::finish(
    StoredResponse& response,
    std::string json,
    std::vector<NamedItem> output,
    std::string last_event,
    const std::vector<store::SampledStep>& steps
) {
  // First, so that whoever hears of the end finds it even if the server dies at once.
  if (archive_ != nullptr && response.kept) {
    std::vector<std::string> events = response.events();
    if (response.background) events.push_back(last_event);
    try {
      archive_->finish(response.id, json, response.input, output, events, steps);
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "toccata: response %s is not kept: %s\n", response.id.c_str(), failure.what());
    }
  }
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
}

std::shared_ptr<StoredResponse> ResponseStore::find(const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) return found->second.response;
  }
  return archive_ != nullptr ? find_archived(id) : nullptr;
}

// One whose server died in the middle of it has failed, and its stream goes on with that.
std::shared_ptr<StoredResponse> ResponseStore::find_archived(const std::string& id) const {
  std::optional<store::ArchivedResponse> kept = archive_->find(id);
  if (!kept) return nullptr;
  auto response = std::make_shared<StoredResponse>(id, std::move(kept->input), kept->background);
  response->json_ = std::move(kept->json);
  response->output_ = std::move(kept->output);
  response->events_ = std::move(kept->events);
  response->finished_ = kept->finished;
  response->elsewhere_ = !kept->finished && kept->is_alive;
  if (kept->finished || kept->is_alive) return response;
  Json json = json_from_valid<Json>(response->json_);
  json["status"] = "failed";
  json["error"] = {{"code", "server_error"}, {"message", "the server ended before the response did"}};
  response->json_ = dump(json);
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
  const bool archived = archive_ != nullptr && archive_->erase(id);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return archived;
  found->second.response->stop.request_stop();
  erase(found);
  return true;
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
