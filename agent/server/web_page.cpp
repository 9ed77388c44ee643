#include "agent/server/web_page.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

// One name per file of web/: agent/server/CMakeLists.txt embeds them as web_<name with dots as underscores>.
#define TOCCATA_WEB_FILES(file)                                      \
  file("/", index_html, "text/html; charset=utf-8")                  \
  file("/web/style.css", style_css, "text/css; charset=utf-8")       \
  file("/web/icon.svg", icon_svg, "image/svg+xml")                   \
  file("/web/app.js", app_js, "text/javascript; charset=utf-8")      \
  file("/web/api.js", api_js, "text/javascript; charset=utf-8")      \
  file("/web/chat.js", chat_js, "text/javascript; charset=utf-8")    \
  file("/web/citations.js", citations_js, "text/javascript; charset=utf-8") \
  file("/web/compare.js", compare_js, "text/javascript; charset=utf-8") \
  file("/web/dom.js", dom_js, "text/javascript; charset=utf-8")      \
  file("/web/files.js", files_js, "text/javascript; charset=utf-8")  \
  file("/web/engine.js", engine_js, "text/javascript; charset=utf-8") \
  file("/web/history.js", history_js, "text/javascript; charset=utf-8") \
  file("/web/markdown.js", markdown_js, "text/javascript; charset=utf-8") \
  file("/web/pages.js", pages_js, "text/javascript; charset=utf-8")  \
  file("/web/plot.js", plot_js, "text/javascript; charset=utf-8")    \
  file("/web/runs.js", runs_js, "text/javascript; charset=utf-8")    \
  file("/web/theme.js", theme_js, "text/javascript; charset=utf-8")  \
  file("/web/tokens.js", tokens_js, "text/javascript; charset=utf-8") \
  file("/web/turn.js", turn_js, "text/javascript; charset=utf-8")    \
  file("/web/waterfall.js", waterfall_js, "text/javascript; charset=utf-8")

#define TOCCATA_DECLARE(path, name, type) extern "C" const unsigned char web_##name##_begin[], web_##name##_end[];
TOCCATA_WEB_FILES(TOCCATA_DECLARE)
#undef TOCCATA_DECLARE

namespace toccata::server {
namespace {

// FNV-1a: tells one build's file from another's, no more.
std::string etag_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  char text[20];
  std::snprintf(text, sizeof text, "\"%016llx\"", static_cast<unsigned long long>(hash));
  return text;
}

WebAsset asset(const char* path, const char* type, const unsigned char* begin, const unsigned char* end) {
  const std::string_view bytes(reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin));
  return {path, type, bytes, etag_of(bytes)};
}

const auto& assets() {
#define TOCCATA_ASSET(path, name, type) asset(path, type, web_##name##_begin, web_##name##_end),
  static const auto all = std::to_array<WebAsset>({TOCCATA_WEB_FILES(TOCCATA_ASSET)});
#undef TOCCATA_ASSET
  return all;
}

constexpr const char* kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

}  // namespace

const WebAsset* find_web_asset(std::string_view path) {
  const auto& all = assets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const WebAsset& a) { return a.path == path; });
  return found == all.end() ? nullptr : &*found;
}

HttpReply web_reply(const WebAsset& asset, const HttpRequest& request) {
  HttpReply reply{
      .content_type = std::string(asset.content_type),
      .headers = {
          {"ETag", asset.etag},
          {"Cache-Control", "no-cache"},  // asked for again each time, sent again only when another build serves it
          {"Content-Security-Policy", kPolicy},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"}}};
  const std::string_view known = request.header("if-none-match");
  if (known == "*" || known.find(asset.etag) != std::string_view::npos) {
    reply.status = 304;
  } else {
    reply.body = asset.bytes;
  }
  return reply;
}

}  // namespace toccata::server
