#include "agent/server/conversations_api.h"

#include <algorithm>

#include "agent/server/responses_request.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

constexpr std::size_t kNewItemsMax = 20;  // of one request, as OpenAI has it

ApiError no_such(const std::string& what, const std::string& id) {
  return ApiError(404, "there is no " + what + " '" + id + "'", "not_found");
}

Json object_of(const std::string& id, const store::ConversationInfo& info) {
  return {
      {"id", id}, {"object", "conversation"}, {"created_at", info.created_ms / 1000}, {"metadata", json_from_valid<Json>(info.metadata)}};
}

std::string read_metadata(const Json& body) {
  check_metadata(body);
  const Json* metadata = object_field(body, "metadata");
  return metadata != nullptr ? dump(*metadata) : "{}";
}

// `there`: the items that these are added to.
std::vector<NamedItem> read_items(const Json& body, std::vector<NamedItem> there, const Services& services) {
  std::vector<NamedItem> items;
  const Json* given = array_field(body, "items");
  if (given == nullptr) return items;
  if (given->size() > kNewItemsMax) throw ApiError::bad("items", "more than " + std::to_string(kNewItemsMax) + " items in one request");
  for (const Json& item : *given) {
    if (!item.is_object()) throw ApiError::bad("items", "an item must be an object");
    items.push_back(keepable_item(item, std::nullopt));
  }
  there.insert(there.end(), items.begin(), items.end());
  try {
    check_readable(there, services);
  } catch (const ApiError& error) {
    throw ApiError(error.status, error.what(), error.code, "items");
  }
  return items;
}

std::vector<NamedItem> items_of(store::ConversationArchive& archive, const std::string& id) {
  auto items = archive.items(id);
  if (!items) throw no_such("conversation", id);
  return std::move(*items);
}

std::vector<ItemText> texts(const std::vector<NamedItem>& items) {
  std::vector<ItemText> result;
  for (const NamedItem& item : items) result.push_back(item.json);
  return result;
}

HttpReply answer_items(Services& services, const std::string& id, const HttpRequest& request) {
  store::ConversationArchive& archive = *services.conversations;
  std::vector<NamedItem> there = items_of(archive, id);
  if (request.method == "GET") return {.body = dump(page_of(texts(there), request))};
  const std::vector<NamedItem> added = read_items(parse_object(request.body), std::move(there), services);
  if (added.empty()) throw ApiError::bad("items", "'items' is missing: expected an array of items");
  if (!archive.append(id, added)) throw no_such("conversation", id);
  HttpRequest all = request;
  all.query = {{"order", "asc"}, {"limit", "100"}};
  return {.body = dump(page_of(texts(added), all))};
}

HttpReply answer_item(store::ConversationArchive& archive, const std::string& id, const std::string& item_id, const std::string& method) {
  if (method == "GET") {
    for (const NamedItem& item : items_of(archive, id)) {
      if (item.id == item_id) return {.body = *item.json};
    }
    throw no_such("item", item_id);
  }
  if (!archive.erase_item(id, item_id)) throw no_such("item", item_id);
  return {.body = dump(object_of(id, archive.find(id).value_or(store::ConversationInfo{})))};
}

HttpReply answer_one(store::ConversationArchive& archive, const std::string& id, const HttpRequest& request) {
  if (request.method == "DELETE") {
    if (!archive.erase(id)) throw no_such("conversation", id);
    return {.body = dump({{"id", id}, {"object", "conversation.deleted"}, {"deleted", true}})};
  }
  if (request.method == "POST" && !archive.set_metadata(id, read_metadata(parse_object(request.body)))) {
    throw no_such("conversation", id);
  }
  const auto info = archive.find(id);
  if (!info) throw no_such("conversation", id);
  return {.body = dump(object_of(id, *info))};
}

}  // namespace

HttpReply conversations(Services& services, const HttpRequest& request) {
  if (services.conversations == nullptr) {
    throw ApiError(404, "this server keeps no conversations: it was started with --forget-responses", "not_found");
  }
  store::ConversationArchive& archive = *services.conversations;
  const std::string& method = request.method;
  std::vector<std::string> parts;  // of the path behind the base
  for (std::size_t at = kConversationsPath.size(); at < request.path.size();) {
    const auto end = std::min(request.path.find('/', at + 1), request.path.size());
    parts.push_back(request.path.substr(at + 1, end - at - 1));
    at = end;
  }
  const bool get = method == "GET", post = method == "POST", remove = method == "DELETE";
  const bool below_items = parts.size() >= 2 && parts[1] == "items";
  if (parts.empty() && post) {
    const Json body = request.body.empty() ? Json::object() : parse_object(request.body);
    const std::string id = make_id("conv_");
    return {.body = dump(object_of(id, archive.create(id, read_metadata(body), read_items(body, {}, services))))};
  }
  if (parts.size() == 1 && (get || post || remove)) return answer_one(archive, parts[0], request);
  if (below_items && parts.size() == 2 && (get || post)) return answer_items(services, parts[0], request);
  if (below_items && parts.size() == 3 && (get || remove)) return answer_item(archive, parts[0], parts[2], method);
  const bool path_known = parts.size() < 2 || (below_items && parts.size() <= 3);
  if (path_known) throw ApiError(405, method + " is not allowed for " + request.path, "method_not_allowed");
  throw ApiError(404, "there is no " + method + " " + request.path, "not_found");
}

}  // namespace toccata::server
