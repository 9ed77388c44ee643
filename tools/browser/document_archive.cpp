#include "tools/browser/document_archive.h"

#include "tools/browser/document_file.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"

namespace toccata::tools {
namespace {

constexpr std::string_view kScheme = "zim:";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = static_cast<char>(c | 0x20);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

// With the scheme of archives in the place of "file:".
std::string archive_url(const std::string& path) { return std::string(kScheme) + file_url(path).substr(std::string_view("file:").size()); }

}  // namespace

bool looks_like_archive(const std::filesystem::path& file) { return lower_ascii(file.extension().string()) == ".zim"; }

std::string archived_url(const std::filesystem::path& file, std::string_view page) { return archive_url(file.string() + '/' + std::string(page)); }

std::string archived_url_of_link(std::string_view url) {
  const std::string_view whole = without_fragment(url);
  const std::string_view path = whole.substr(0, whole.find('?'));
  if (!is_archived(path)) return "";
  return archive_url(unescaped(path.substr(kScheme.size() + 2)));
}

}  // namespace toccata::tools
