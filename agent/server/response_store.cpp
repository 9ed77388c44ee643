#include "agent/server/response_store.h"

#include <algorithm>

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

void ResponseStore::add(const std::shared_ptr<StoredResponse>& response) {
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
    std::vector<std::pair<std::string, ItemText>> output,
    std::string last_event
) {
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
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.response;
}

ItemText ResponseStore::find_item(const std::string& item_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(item_id);
  return found == items_.end() ? nullptr : found->second;
}

bool ResponseStore::erase(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
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
