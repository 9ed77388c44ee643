#include "tools/browser/document_archive.h"

#include "core/base/percent.h"
#include "tools/browser/document_file.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"

namespace toccata::tools {
namespace {

constexpr std::string_view kScheme = "zim:";

// With the scheme of archives in the place of "file:".
std::string archive_url(const std::string& path) { return std::string(kScheme) + file_url(path).substr(std::string_view("file:").size()); }

}  // namespace

bool looks_like_archive(const std::filesystem::path& file) { return lower_ascii(file.extension().string()) == ".zim"; }

std::string archived_url(const std::filesystem::path& file, std::string_view page) { return archive_url(file.string() + '/' + std::string(page)); }

std::string archived_url_of_link(std::string_view url) {
  const std::string_view whole = without_fragment(url);
  const std::string_view path = whole.substr(0, whole.find('?'));
  if (!is_archived(path)) return "";
  return archive_url(percent_decoded(path.substr(kScheme.size() + 2)));
}

}  // namespace toccata::tools
