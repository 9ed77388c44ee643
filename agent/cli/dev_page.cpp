#include "agent/cli/dev_page.h"

#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "agent/cli/page_setup.h"
#include "core/base/mapped_file.h"
#include "core/base/percent.h"
#include "tools/browser/local_index.h"
#include "tools/browser/page_text.h"
#include "tools/web/fetcher.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;

tools::Document load(const std::string& url, tools::LocalIndex* index, tools::Fetcher& web, const tools::PdfToText& pdfs) {
  if (index != nullptr) {
    if (auto found = index->fetch(url)) return *found;
  }
  if (!url.starts_with("file://")) {
    tools::FetchedPage page = web.fetch(url).value_or_throw();
    return {page.url, "", std::move(page.body), page.html ? tools::DocumentKind::kHtml : tools::DocumentKind::kText};
  }
  const std::filesystem::path path = percent_decoded(url.substr(7));
  const std::string extension = path.extension().string();
  const bool html = extension == ".html" || extension == ".htm" || extension == ".xhtml";
  std::string bytes = read_text_file(path).value_or_throw();
  if (tools::looks_like_pdf(bytes)) return {url, "", pdfs(bytes, {}).value_or_throw(), tools::DocumentKind::kText};
  return {
      url, "", std::move(bytes),
      html ? tools::DocumentKind::kHtml : tools::DocumentKind::kText};
}

}  // namespace

int dev_page(const DevPageOptions& options, std::istream& in, std::ostream& out) {
  std::unique_ptr<tools::LocalIndex> index;
  if (!options.index.empty()) {
    index = tools::LocalIndex::open(options.index, tools::LocalIndex::Mode::kRead).value_or_throw();
  }
  tools::Fetcher web(tools::AddressPolicy::with_origins(options.allow_origins).value_or_throw());
  const tools::PdfToText pdfs = pdf_to_text("landlock");
  web.read_pdfs(pdfs);
  const bool main = tools::page_scope(options.page_text).value_or_throw() == tools::PageScope::kMain;
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    try {
      const auto scope = request.value("main", main) ? tools::PageScope::kMain : tools::PageScope::kWhole;
      const tools::PageText page = tools::page_text(load(request.at("url").get<std::string>(), index.get(), web, pdfs), scope);
      return ordered_json{{"title", page.title}, {"text", page.text}, {"links", page.links}, {"error", nullptr}};
    } catch (const Exception& e) {
      return ordered_json{{"title", ""}, {"text", ""}, {"links", ordered_json::array()}, {"error", e.what()}};
    }
  });
}

}  // namespace toccata::cli
