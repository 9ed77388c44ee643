#include "tools/browser/content_hints.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "tools/browser/html_node.h"
#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kNameBytesMax = 600;  // of a class attribute; more are style, not sense
constexpr std::size_t kHeadingCharsMax = 80;

using Words = std::unordered_map<std::string_view, std::uint32_t>;

const Words& words() {
  static const Words kWords = [] {
    const std::pair<std::uint32_t, std::string_view> lists[] = {
        {kHintNavigation,
         "nav navbar navigation navigations menu menus menubar submenu megamenu subnav topnav sidenav sitenav navlinks navmenu "
         "navigator flyout hamburger offcanvas drawer dropdown pagination pager paginate pagenav prevnext skip skiplink skiplinks "
         "sitemap quicklinks breadcrumb breadcrumbs breadcrumblist sitenavigationelement"},
        {kHintHeader, "header masthead topbar wpheader"},
        {kHintFooter, "footer subfooter colophon copyright legal disclaimer imprint wpfooter contentinfo"},
        {kHintSide, "sidebar aside complementary rightrail leftrail sidecolumn wpsidebar"},
        {kHintComments, "comments comment commentlist commentform usercomments disqus respond replies discussion"},
        {kHintRelated,
         "related relatedposts recommended recommendation recommendations recirc recirculation popular trending similar upsell "
         "upsells crosssell recent latest suggested suggestions readnext upnext readmore mostread youmaylike"},
        {kHintShare,
         "share sharing sharebar sharethis sharedaddy social socials addthis facebook twitter pinterest whatsapp linkedin instagram"},
        {kHintAdvert,
         "ad ads advert adverts advertisement advertising adslot adunit adsense dfp sponsor sponsors sponsored promo promos "
         "promotion promotions promoted taboola outbrain"},
        {kHintDialog,
         "modal modals popup popups popover dialog cookie cookies consent gdpr onetrust toast tooltip snackbar interstitial paywall"},
        {kHintNotice, "alert alerts notification notifications"},
        {kHintSignUp,
         "newsletter signup subscribe subscriber subscription subscriptions login signin register registration optin mailchimp "
         "hsform leadform"},
        {kHintByline, "byline author authors bio avatar dateline timestamp vcard contributor contributors"},
        {kHintPoster, "user userinfo userdetails username postprofile postauthor poster postbit signature attribution avatar"},
        {kHintButtons, "cta ctas button buttons btn actions"},
        {kHintFold,
         "accordion accordions collapse collapsed collapsible collapsable tab tabs tabpanel tabcontent panel panels faq faqs answer "
         "answers toggle expand expanded expander expandable details disclosure"},
        {kHintContent,
         "content article entry story articlebody entrycontent postcontent maincontent bodytext prose markdown richtext rte wysiwyg "
         "description documentation docs"},
        {kHintMain, "main maincontent"},
        {kHintArticle, "articlebody entrycontent hentry"},
        {kHintForReaders, "sr sronly screenreader visuallyhidden hiddenvisually"},
        {kHintSearch, "search searchbox searchform searchbar"},
        {kHintTags, "tags taglist tagcloud keywords"},
        {kHintFilter, "filter filters facet facets refine refinement refinements sortby sorter sorting"},
        {kHintCaption, "caption captions figcaption credit credits"},
        {kHintProduct, "product productdetail productdetails productinfo productmain productpage productview singleproduct pdp"},
        {kHintDiscussion, "discussionforumposting qapage question"},
    };
    Words map;
    for (const auto& [hint, list] : lists) {
      for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(' ', at), list.size());
        map[list.substr(at, end - at)] |= hint;
        at = end + 1;
      }
    }
    return map;
  }();
  return kWords;
}

std::uint32_t hints_of_word(std::string_view word) {
  const auto found = words().find(word);
  return found == words().end() ? 0 : found->second;
}

// Of the words of "entry-content", "relatedPosts", "sr_only", and of each two neighbours within a name taken as one.
std::uint32_t hints_of_names(std::string_view names) {
  std::uint32_t hints = 0;
  std::string word, last;
  const auto finish = [&] {
    if (word.empty()) return;
    hints |= hints_of_word(word);
    if (!last.empty()) hints |= hints_of_word(last + word);
    last = std::move(word);
    word.clear();
  };
  bool was_lower = false;
  for (const char c : names.substr(0, kNameBytesMax)) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool letter = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter || (upper && was_lower)) finish();
    if (is_blank(c)) last.clear();
    if (letter) word += upper ? static_cast<char>(c - 'A' + 'a') : c;
    was_lower = letter && !upper;
  }
  finish();
  return hints;
}

std::uint32_t hints_of_role(std::string_view role) {
  static const Words kRoles = {
      {"navigation", kHintNavigation}, {"menu", kHintNavigation},  {"menubar", kHintNavigation}, {"toolbar", kHintNavigation},
      {"banner", kHintHeader},         {"contentinfo", kHintFooter}, {"complementary", kHintSide}, {"dialog", kHintDialog},
      {"alertdialog", kHintDialog},    {"tooltip", kHintDialog},   {"alert", kHintNotice},       {"status", kHintNotice},
      {"search", kHintSearch},         {"main", kHintMain},        {"article", kHintArticle},    {"tabpanel", kHintFold},
      {"button", kHintButtons},
  };
  const auto found = kRoles.find(role);
  return found == kRoles.end() ? 0 : found->second;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (static_cast<unsigned char>(c) & 0x80) != 0; }

}  // namespace

std::uint32_t content_hints(const GumboNode& element) {
  std::uint32_t hints = 0;
  const GumboTag tag = element.v.element.tag;
  if (tag == GUMBO_TAG_MAIN) hints |= kHintMain;
  if (tag == GUMBO_TAG_ARTICLE) hints |= kHintArticle;
  if (const char* names = attribute(element, "class")) hints |= hints_of_names(names);
  if (const char* id = attribute(element, "id")) {
    hints |= hints_of_names(id);
    if (std::string_view(id).starts_with("S:")) hints |= kHintStreamed;  // React's streamed parts
  }
  if (const char* role = attribute(element, "role")) hints |= hints_of_role(lower_ascii(role));
  if (const char* property = attribute(element, "itemprop")) {
    const std::string name = lower_ascii(property);
    if (name == "articlebody" || name == "text" || name == "description") hints |= kHintContent;
    if (name == "articlebody") hints |= kHintArticle;
    if (name == "author" || name == "datepublished") hints |= kHintByline;
  }
  if (const char* type = attribute(element, "itemtype")) {
    const std::string_view whole(type);
    hints |= hints_of_word(lower_ascii(whole.substr(whole.rfind('/') + 1)));
  }
  return hints;
}

HeadingSense heading_sense(std::string_view heading) {
  const std::string text = lower_unicode(collapsed(heading));
  if (text.empty() || count_chars(text) > kHeadingCharsMax) return HeadingSense::kNone;
  struct Phrase {
    std::string_view text;
    bool whole;  // all of the heading, not only how it begins
    HeadingSense sense;
  };
  using enum HeadingSense;
  static constexpr Phrase kPhrases[] = {
      {"related work", false, kNone},  // of a paper
      {"related", false, kOtherPages},
      {"recommended", false, kOtherPages},
      {"you may also", false, kOtherPages},
      {"you might also", false, kOtherPages},
      {"you'll also", false, kOtherPages},
      {"customers also", false, kOtherPages},
      {"frequently bought", false, kOtherPages},
      {"recently viewed", false, kOtherPages},
      {"more from", false, kOtherPages},
      {"more in", false, kOtherPages},
      {"more stories", false, kOtherPages},
      {"more articles", false, kOtherPages},
      {"more posts", false, kOtherPages},
      {"recent posts", false, kOtherPages},
      {"recent articles", false, kOtherPages},
      {"latest posts", false, kOtherPages},
      {"latest articles", false, kOtherPages},
      {"latest news", false, kOtherPages},
      {"popular posts", false, kOtherPages},
      {"popular articles", false, kOtherPages},
      {"most popular", false, kOtherPages},
      {"most read", false, kOtherPages},
      {"trending", false, kOtherPages},
      {"read next", false, kOtherPages},
      {"read more", false, kOtherPages},
      {"up next", false, kOtherPages},
      {"keep reading", false, kOtherPages},
      {"continue reading", false, kOtherPages},
      {"explore more", false, kOtherPages},
      {"similar", false, kOtherPages},
      {"see also", true, kOtherPages},
      {"further reading", true, kOtherPages},
      {"categories", true, kOtherPages},
      {"archives", true, kOtherPages},
      {"tags", true, kOtherPages},
      {"share", true, kOtherPages},
      {"share this", false, kOtherPages},
      {"follow us", false, kOtherPages},
      {"newsletter", false, kOtherPages},
      {"subscribe", false, kOtherPages},
      {"sign up", true, kOtherPages},
      {"sign up for our", false, kOtherPages},
      {"join our", false, kOtherPages},
      {"get the latest", false, kOtherPages},
      {"stay up to date", false, kOtherPages},
      {"stay in touch", false, kOtherPages},
      {"about the author", false, kOtherPages},
      {"about author", false, kOtherPages},
      {"written by", false, kOtherPages},
      {"comments", false, kComments},
      {"leave a comment", false, kComments},
      {"leave a reply", false, kComments},
      {"post a comment", false, kComments},
      {"add a comment", false, kComments},
      {"join the conversation", false, kComments},
      {"das könnte", false, kOtherPages},
      {"ähnliche artikel", false, kOtherPages},
      {"verwandte artikel", false, kOtherPages},
      {"kommentare", false, kComments},
      {"lire aussi", false, kOtherPages},
      {"à lire aussi", false, kOtherPages},
      {"articles similaires", false, kOtherPages},
      {"commentaires", false, kComments},
      {"artículos relacionados", false, kOtherPages},
      {"te puede interesar", false, kOtherPages},
      {"comentarios", false, kComments},
      {"関連記事", false, kOtherPages},
      {"コメント", true, kComments},
  };
  for (const Phrase& phrase : kPhrases) {
    const bool fits = text.starts_with(phrase.text) && (text.size() == phrase.text.size() ||
                      (!phrase.whole && !is_letter(text[phrase.text.size()])));
    if (fits) return phrase.sense;
  }
  if (text.ends_with(" comments") || text.ends_with(" comment")) return kComments;
  return kNone;
}

}  // namespace toccata::tools
