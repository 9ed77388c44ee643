#include "tools/web/sitemap.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>

#include "tools/web/charset.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kUrlBytesMax = 2'048;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// What an address in XML may have escaped.
std::string unescaped(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 7> kEntities = {{
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#38;", '&'}, {"&#x26;", '&'}}};
  std::string out;
  while (!text.empty()) {
    const auto* entity = std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& e) { return text.starts_with(e.first); });
    out += entity == kEntities.end() ? text.front() : entity->second;
    text.remove_prefix(entity == kEntities.end() ? 1 : entity->first.size());
  }
  return out;
}

// "loc" of "<sm:loc>" and "</loc >"; the text is what stands between '<' and '>'.
std::string_view tag_name(std::string_view tag) {
  if (tag.starts_with('/')) tag.remove_prefix(1);
  tag = tag.substr(0, tag.find_first_of(" \t\r\n/"));
  const std::size_t colon = tag.find(':');
  return colon == std::string_view::npos ? tag : tag.substr(colon + 1);
}

// Elements in elements, as far as addresses need it: <url><loc>, <sitemap><loc>. Images and videos have a loc of their own prefix.
void read_xml(std::string_view text, std::size_t urls_max, Sitemap& out) {
  bool in_index = false;
  while (out.pages.size() + out.sitemaps.size() < urls_max) {
    const std::size_t open = text.find('<');
    if (open == std::string_view::npos) return;
    text.remove_prefix(open + 1);
    if (text.starts_with("!--")) {
      text.remove_prefix(std::min(text.find("-->"), text.size()));
      continue;
    }
    const std::size_t close = text.find('>');
    if (close == std::string_view::npos) return;
    const std::string_view tag = text.substr(0, close);
    text.remove_prefix(close + 1);
    const std::string_view name = tag_name(tag);
    if (name == "sitemap" || name == "url") in_index = name == "sitemap";
    const bool foreign = tag.starts_with("image:") || tag.starts_with("video:");
    if (name != "loc" || tag.starts_with('/') || foreign) continue;
    std::string_view value = trimmed(text.substr(0, 2 * kUrlBytesMax));
    if (value.starts_with("<![CDATA[")) {
      value = value.substr(9, value.find("]]>") - 9);
    } else {
      value = value.substr(0, value.find('<'));
    }
    const std::string url = unescaped(trimmed(value));
    if (url.empty() || url.size() > kUrlBytesMax) continue;
    (in_index ? out.sitemaps : out.pages).push_back(url);
  }
}

// One address a line.
void read_lines(std::string_view text, std::size_t urls_max, Sitemap& out) {
  while (!text.empty() && out.pages.size() < urls_max) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view url = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool absolute = url.starts_with("http://") || url.starts_with("https://");
    if (absolute && url.size() <= kUrlBytesMax) out.pages.emplace_back(url);
  }
}

}  // namespace

Result<std::string> gunzipped(std::string_view bytes, std::size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Error{ErrorCode::kResourceExhausted, "no memory to unpack gzip"};
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib's interface; it only reads
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::array<char, 65'536> buffer{};
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
    if (out.size() > bytes_max) return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(bytes_max >> 20) + " MiB when unpacked"};
  }
  if (out.empty() && state != Z_STREAM_END) return Error{ErrorCode::kCorrupt, "its gzip is damaged"};
  return out;
}

Result<Sitemap> read_sitemap(std::string_view bytes, std::size_t urls_max, std::size_t bytes_max) {
  std::string unpacked;
  if (bytes.starts_with("\x1f\x8b")) {
    auto out = gunzipped(bytes, bytes_max);
    if (!out) return out.error();
    unpacked = std::move(*out);
    bytes = unpacked;
  }
  const std::string text = to_utf8(bytes, "", /*markup=*/true);
  Sitemap sitemap;
  if (trimmed(std::string_view(text).substr(0, 4096)).starts_with('<')) {
    read_xml(text, urls_max, sitemap);
  } else {
    read_lines(text, urls_max, sitemap);
  }
  return sitemap;
}

}  // namespace toccata::tools
