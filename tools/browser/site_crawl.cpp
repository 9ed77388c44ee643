#include "tools/browser/site_crawl.h"

#include <algorithm>
#include <array>

#include "tools/browser/page_links.h"
#include "tools/browser/text.h"
#include "tools/browser/url.h"
#include "tools/web/sitemap.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;

constexpr const char* kAgent = "toccata";
constexpr std::size_t kSitemapFilesMax = 100;
constexpr std::size_t kUrlBytesMax = 1'000;
constexpr std::size_t kQueuedPerPage = 20;  // addresses kept of those that limits leave no room to ask for
constexpr std::size_t kPagesPerWrite = 25;
constexpr auto kWriteInterval = 10s;
constexpr int kFailuresMax = 5;  // in a row: then the site has other things to do

// Ends of addresses that lead to no text.
constexpr std::array<std::string_view, 40> kNoText = {
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico", ".bmp", ".tif", ".tiff", ".css", ".js", ".mjs", ".map",
    ".woff", ".woff2", ".ttf", ".eot", ".mp3", ".mp4", ".m4a", ".avi", ".mov", ".webm", ".ogg", ".wav", ".flac", ".zip",
    ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".exe", ".dmg", ".iso", ".deb", ".jar"};

std::string path_of(const WebUrl& url) { return url.target.substr(0, url.target.find('?')); }

bool leads_to_no_text(const WebUrl& url) {
  const std::string path = lower_ascii(path_of(url));
  return std::any_of(kNoText.begin(), kNoText.end(), [&](std::string_view ending) { return path.ends_with(ending); });
}

bool is_sitemap(const WebUrl& url) {
  const std::string path = lower_ascii(path_of(url));
  return path.ends_with(".xml") || path.ends_with(".xml.gz");
}

// What a crawl that begins there stays below, without a slash at its end: the folder, where the last part looks like a file.
std::string scope_of(const WebUrl& root) {
  std::string path = path_of(root);
  const std::size_t slash = path.rfind('/');
  if (path.find('.', slash) != std::string::npos) path = path.substr(0, slash);
  while (path.ends_with('/')) path.pop_back();
  return root.origin() + path;
}

// Rules for all crawlers; those behind a name ("googlebot: noindex") are for others.
bool forbids(const std::string& x_robots_tag, std::string_view what) {
  const std::size_t colon = x_robots_tag.find(':');
  if (colon != std::string::npos && x_robots_tag.find("unavailable_after") == std::string::npos) return false;
  return x_robots_tag.find(what) != std::string::npos || x_robots_tag.find("none") != std::string::npos;
}

// It may answer another time.
bool is_passing(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout || code == ErrorCode::kResourceExhausted || code == ErrorCode::kCorrupt;
}

}  // namespace

Result<CrawlReport> SiteCrawl::run(const std::string& url, std::stop_token stop) {
  const auto root = parse_web_url(std::string(without_fragment(url)));
  if (!root) return root.error();
  site_ = root->text();
  origin_ = root->origin();
  follows_links_ = !is_sitemap(*root);
  scope_ = follows_links_ ? scope_of(*root) : origin_;
  if (const auto allowed = fetcher_.judge(site_); !allowed) return allowed.error();
  if (const auto read = read_robots(*root, stop); !read) return read.error();
  if (!robots_.allows(root->target)) {
    return Error{ErrorCode::kPermissionDenied, origin_ + "/robots.txt does not allow crawlers to read " + root->target};
  }
  if (const auto planned = plan(*root, stop); !planned) return planned.error();
  written_ = std::chrono::steady_clock::now();
  if (const auto walked = walk(stop); !walked) return walked.error();
  if (const auto written = flush(/*now=*/true); !written) return written.error();
  report_.stopped = stop.stop_requested();
  const bool goes_on_later = report_.stopped || n_failed_in_row_ >= kFailuresMax;
  if (goes_on_later) return std::move(report_);
  const auto removed = index_.finish_crawl(site_, scope_, follows_links_ && report_.cut.empty());
  if (!removed) return removed.error();
  report_.change.removed += *removed;
  return std::move(report_);
}

// RFC 9309: without a file all is allowed; where it cannot be had because the server is in trouble, nothing is.
Result<void> SiteCrawl::read_robots(const WebUrl& root, std::stop_token stop) {
  const auto file = fetcher_.fetch_bytes(root.origin() + "/robots.txt", stop);
  if (!file) return Error{file.error().code, root.origin() + "/robots.txt cannot be read, so the site is left alone: " + file.error().message};
  if (file->status >= 500 || file->status == 429) {
    return Error{
        ErrorCode::kUnavailable,
        root.origin() + "/robots.txt: the server answered HTTP " + std::to_string(file->status) + ", so the site is left alone; try again later"};
  }
  robots_ = file->status / 100 == 2 ? RobotsRules::parse(file->body, kAgent) : RobotsRules::allow_all();
  if (const auto delay = robots_.delay()) fetcher_.slow_down(*delay);
  return {};
}

Result<void> SiteCrawl::plan(const WebUrl& root, std::stop_token stop) {
  auto known = index_.unfinished_crawl(site_);
  if (!known) return known.error();
  if (std::any_of(known->begin(), known->end(), [](const SiteVisit& visit) { return !visit.done; })) {
    visits_ = std::move(*known);
    for (const SiteVisit& visit : visits_) {
      seen_.insert(visit.url);
      n_asked_ += visit.done ? 1 : 0;
    }
    report_.resumed = true;
    return {};
  }
  if (!follows_links_) {
    read_sitemaps({site_}, stop);
    if (visits_.empty() && report_.change.troubles.empty()) report_.change.trouble(site_ + ": names no page of " + origin_);
    return {};
  }
  enqueue(site_, 0);
  std::vector<std::string> sitemaps = robots_.sitemaps();
  if (sitemaps.empty()) sitemaps.push_back(root.origin() + "/sitemap.xml");
  const std::size_t n_told = report_.change.troubles.size();
  read_sitemaps(std::move(sitemaps), stop);
  report_.change.troubles.resize(n_told);  // nobody asked for them
  return {};
}

void SiteCrawl::read_sitemaps(std::vector<std::string> todo, std::stop_token stop) {
  std::unordered_set<std::string> known;
  for (std::size_t i = 0; i < todo.size() && i < kSitemapFilesMax && !stop.stop_requested(); ++i) {
    const auto url = parse_web_url(todo[i]);
    if (!url || url->origin() != origin_ || !robots_.allows(url->target) || !known.insert(url->text()).second) continue;
    const auto file = fetcher_.fetch_bytes(url->text(), stop, {{}, [this](const WebUrl& next) { return refuse_redirect(next); }});
    if (!file || file->status != 200) {
      report_.change.trouble(url->text() + ": " + (file ? "the server answered HTTP " + std::to_string(file->status) : file.error().message));
      continue;
    }
    const auto sitemap = read_sitemap(file->body);
    if (!sitemap) {
      report_.change.trouble(url->text() + ": " + sitemap.error().message);
      continue;
    }
    for (const std::string& page : sitemap->pages) enqueue(page, 1);
    todo.insert(todo.end(), sitemap->sitemaps.begin(), sitemap->sitemaps.end());
  }
}

bool SiteCrawl::is_in_scope(const std::string& url) const {
  return url.starts_with(scope_) && (url.size() == scope_.size() || url[scope_.size()] == '/');
}

void SiteCrawl::enqueue(const std::string& text, int depth) {
  const auto url = parse_web_url(std::string(without_fragment(text)));
  if (!url || leads_to_no_text(*url)) return;
  std::string whole = url->text();
  if (whole.size() > kUrlBytesMax || !is_in_scope(whole) || !robots_.allows(url->target)) return;
  if (visits_.size() >= limits_.pages_max * kQueuedPerPage || !seen_.insert(whole).second) return;
  changed_.insert(visits_.size());
  visits_.push_back({std::move(whole), depth, false});
}

std::optional<std::string> SiteCrawl::refuse_redirect(const WebUrl& url) const {
  if (url.origin() != origin_) return "another site";
  if (!robots_.allows(url.target)) return "robots.txt does not allow that";
  return std::nullopt;
}

Result<void> SiteCrawl::walk(std::stop_token stop) {
  std::vector<std::size_t> again;
  const auto step = [&](std::size_t at, bool last_try) -> Result<bool> {
    if (visits_[at].done) return true;
    if (stop.stop_requested() || is_at_limit()) return false;
    const auto fate = visit(at, last_try, stop);
    if (!fate) return fate.error();
    if (*fate == Fate::kAgain) again.push_back(at);
    if (progress_) progress_(n_asked_, std::min(visits_.size(), limits_.pages_max));
    if (const auto written = flush(/*now=*/false); !written) return written.error();
    return true;
  };
  for (std::size_t at = 0; at < visits_.size(); ++at) {
    const auto goes_on = step(at, /*last_try=*/false);
    if (!goes_on) return goes_on.error();
    if (!*goes_on) return {};
  }
  for (const std::size_t at : std::vector(again)) {
    const auto goes_on = step(at, /*last_try=*/true);
    if (!goes_on) return goes_on.error();
    if (!*goes_on) return {};
  }
  return {};
}

bool SiteCrawl::is_at_limit() {
  if (n_failed_in_row_ >= kFailuresMax) {
    report_.cut = "the site did not answer " + std::to_string(kFailuresMax) + " times in a row; the next `toccata index add` goes on";
  } else if (n_asked_ >= limits_.pages_max) {
    report_.cut = "the limit of " + std::to_string(limits_.pages_max) + " pages is reached (--max-pages)";
  } else if (bytes_ >= limits_.bytes_max) {
    report_.cut = "the limit of " + std::to_string(limits_.bytes_max >> 20) + " MiB is reached (--max-mib)";
  }
  return !report_.cut.empty();
}

Result<SiteCrawl::Fate> SiteCrawl::visit(std::size_t at, bool last_try, std::stop_token stop) {
  const std::string url = visits_[at].url;
  const auto known = index_.known_page(url);
  if (!known) return known.error();
  const FetchRules rules{*known ? (*known)->validators : Validators{}, [this](const WebUrl& next) { return refuse_redirect(next); }};
  const auto page = fetcher_.fetch(url, stop, rules);
  if (!page) return failed(at, page.error(), last_try, known->has_value());
  n_failed_in_row_ = 0;
  ++n_asked_;
  visits_[at].done = true;
  changed_.insert(at);
  if (page->not_modified && *known) {
    ++report_.change.unchanged;
    texts_.insert(std::hash<std::string>{}((*known)->text));
    if ((*known)->document.kind == DocumentKind::kHtml) follow(links_of(url, (*known)->document.source), visits_[at].depth);
    return Fate::kDone;
  }
  if (const auto taken = take(at, *page, *known); !taken) return taken.error();
  return Fate::kDone;
}

SiteCrawl::Fate SiteCrawl::failed(std::size_t at, const Error& error, bool last_try, bool known) {
  if (error.code == ErrorCode::kCancelled) return Fate::kDone;  // not asked: it stays undone
  if (is_passing(error.code)) {
    ++n_failed_in_row_;
    if (!last_try) return Fate::kAgain;
  } else {
    n_failed_in_row_ = 0;
  }
  ++n_asked_;
  visits_[at].done = true;
  changed_.insert(at);
  // What cannot be read any more is forgotten; what may be readable another time stays.
  const bool gone = known && !is_passing(error.code);
  if (gone) unwritten_.push_back({visits_[at].url, std::nullopt, true});
  ++(gone ? report_.change.removed : report_.change.skipped);
  if (error.code != ErrorCode::kNotFound) report_.change.trouble(visits_[at].url + ": " + error.message);
  return Fate::kDone;
}

Result<void> SiteCrawl::take(std::size_t at, const FetchedPage& page, const std::optional<KnownPage>& known) {
  const std::string asked = visits_[at].url;
  const int depth = visits_[at].depth;
  bytes_ += page.body.size();
  if (page.url != asked) {  // a redirect: the page stands under its own address
    if (known) unwritten_.push_back({asked, std::nullopt, true});
    enqueue(page.url, depth);
    const auto queued = std::find_if(visits_.begin(), visits_.end(), [&](const SiteVisit& v) { return v.url == page.url; });
    if (queued == visits_.end() || queued->done) return {};  // outside, or read already
    queued->done = true;
    changed_.insert(static_cast<std::size_t>(queued - visits_.begin()));
    const auto known_there = index_.known_page(page.url);
    if (!known_there) return known_there.error();
    return take(static_cast<std::size_t>(queued - visits_.begin()), page, *known_there);
  }
  bool wanted = !forbids(page.robots, "noindex");
  if (page.html) {
    const PageLinks links = links_of(page.url, page.body);
    wanted = wanted && links.index;
    if (!forbids(page.robots, "nofollow")) follow(links, depth);
  } else {
    wanted = wanted && !page.body.starts_with("<?xml");  // feeds and sitemaps
  }
  IndexedFile file = indexed_file({page.url, "", page.body, page.html ? DocumentKind::kHtml : DocumentKind::kText}, page.url);
  const std::string& text = page.html ? file.text : file.document.source;
  if (!wanted || !texts_.insert(std::hash<std::string>{}(text)).second) {
    ++report_.change.skipped;
    if (known) unwritten_.push_back({page.url, std::nullopt, true});
    return {};
  }
  SitePage entry{page.url, std::nullopt, false, static_cast<std::int64_t>(page.body.size()), {page.etag, page.last_modified}};
  const bool same = known && known->text == text && known->document.title == file.document.title;
  ++(same ? report_.change.unchanged : known ? report_.change.updated : report_.change.added);
  if (!same) entry.file = std::move(file);
  unwritten_.push_back(std::move(entry));
  return {};
}

void SiteCrawl::follow(const PageLinks& links, int depth) {
  if (!follows_links_ || depth >= limits_.depth_max) return;
  for (const std::string& link : links.urls) enqueue(link, depth + 1);
}

Result<void> SiteCrawl::flush(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!now && unwritten_.size() < kPagesPerWrite && time - written_ < kWriteInterval) return {};
  written_ = time;
  std::vector<PlacedVisit> visits;
  for (const std::size_t at : std::exchange(changed_, {})) visits.push_back({at, visits_[at]});
  return index_.write_site(site_, std::exchange(unwritten_, {}), visits);
}

}  // namespace toccata::tools
