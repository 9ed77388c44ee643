// The body of POST /v1/responses. Only for the .cpp files of this folder.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/server/built_in_tools.h"
#include "agent/server/conversation.h"
#include "agent/server/generation.h"
#include "agent/server/json_fields.h"
#include "agent/server/response_store.h"
#include "agent/server/response_writer.h"
#include "agent/server/services.h"

namespace toccata::server {

// Throws ApiError for metadata that is not at most 16 strings.
void check_metadata(const Json& body);

// An item as it is kept and listed: with an id, which says where it stood and what it is, so that a history that is
// sent again gives the same; and text as parts. `index`: its place in the whole history. Without one the id is a random
// one: the places of a conversation's items change when some are deleted.
store::NamedItem keepable_item(Json item, std::optional<std::size_t> index);

// Throws ApiError where a conversation of these items could not be read.
void check_readable(const std::vector<store::NamedItem>& items, const Services& services);

struct ResponsesCall {
  ChatRequest request;
  StepOptions step;
  WriterOptions writer;
  BuiltInTools tools;                  // that the server runs
  std::set<std::string> listed = {};   // MCP servers whose mcp_list_tools item stands in the history
  std::string owner = {};              // who asks
  Json response;                // the object of response.created, with a fresh id
  std::vector<ItemText> input;  // all that the model is given: the history of `previous_response_id`, then `input`
  std::size_t n_history = 0;    // how many of them came from a previous response or a conversation
  std::string conversation;     // id; empty: none
  bool stream = false, store = true, background = false, seals = false;
};

// A page of items: newest first, unless order=asc; `limit` of them behind the item `after`.
Json page_of(std::vector<ItemText> items, const HttpRequest& request);

// Throws ApiError: a field of a wrong type, an item without what it needs, an unknown previous response, and what this
// server cannot honour (strict JSON schemas, images, prompt templates, tools that are not switched on). Unknown fields
// and tools of types that run elsewhere are left out. `owner`: owner_of() the request.
ResponsesCall read_responses(const Json& body, const Services& services, std::string owner);

}  // namespace toccata::server
