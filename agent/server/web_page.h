// The built-in page: the files of web/, part of the program.
#pragma once

#include <string>
#include <string_view>

#include "agent/server/http_server.h"

namespace toccata::server {

struct WebAsset {
  std::string_view path;  // "/web/chat.js"; the page itself is "/"
  std::string_view content_type;
  std::string_view bytes;
  std::string etag;  // of the bytes, in quotes
};

// nullptr: no file of the page.
const WebAsset* find_web_asset(std::string_view path);

// The file, or 304 when the client has it. Every answer forbids what the page does not do: scripts and styles of its
// own files only, no strings made into markup, no connection elsewhere, no frame around it.
HttpReply web_reply(const WebAsset& asset, const HttpRequest& request);

}  // namespace toccata::server
