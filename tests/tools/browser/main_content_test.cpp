// What is left out of a page and what is not, rule by rule, on small pages of every kind; and hostile ones.
#include "tools/browser/main_content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/browser/content_hints.h"
#include "tools/browser/html_tree.h"
#include "tools/browser/page_text.h"

namespace toccata::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Document document(const std::string& html) { return {"https://site.example/a/b", "", html, DocumentKind::kHtml}; }
PageText main_page(const std::string& html) { return page_text(document(html), PageScope::kMain); }
std::string main_text(const std::string& html) { return main_page(html).text; }
std::string whole_text(const std::string& html) { return page_text(document(html)).text; }

std::string repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// A paragraph of running text that begins with `word`.
std::string p(const std::string& word) {
  return "<p>" + word + " is the first word of a paragraph that is long enough to be read as running text, with a comma "
         "or two, and an end that comes only after some thirty words, as in most articles.</p>";
}
const std::string kStory = p("Alpha") + p("Beta") + p("Gamma") + p("Delta");
const std::string kMenu = "<nav><ul><li><a href='/1'>Products</a><li><a href='/2'>Prices</a><li><a href='/3'>About us</a></ul></nav>";

TEST(MainContentTest, LeavesOutWhatStandsRoundAnArticle) {
  const std::string html = "<body><header><a href='/'>Site name</a></header>" + kMenu + "<main><h1>Title</h1>" + kStory +
                           "</main><aside>" + p("Aside") + "</aside><footer>All rights reserved</footer></body>";
  const PageText page = main_page(html);
  EXPECT_THAT(page.text, AllOf(HasSubstr("# Title"), HasSubstr("Alpha"), HasSubstr("Delta")));
  for (const char* other : {"Site name", "Products", "Aside", "rights"}) EXPECT_THAT(page.text, Not(HasSubstr(other)));
  EXPECT_TRUE(page.shortened);
  EXPECT_TRUE(page.links.empty());
}

TEST(MainContentTest, WritesWhatRemainsAsOnAWholePage) {
  const std::string content = "<h1>Title</h1>" + kStory + "<table><tr><th>a<th>b<tr><td>1<td>2</table><pre>int x;\n  y();</pre>"
                              "<ol start=3><li>three<li>four</ol><blockquote>said</blockquote>"
                              "<p>See <a href='/x'>the other</a> and <code>run()</code>, x<sup>2</sup>.</p>" + p("Epsilon");
  EXPECT_EQ(main_text("<body>" + kMenu + "<article>" + content + "</article><footer>(c) us</footer></body>"), whole_text(content));
}

TEST(MainContentTest, LeavesOutPartsByTheirNames) {
  for (const char* name : {"class='cookie-banner modal'", "id=newsletterSignup", "class=social-share", "class='ad ad-slot'",
                           "class=sidebar", "class=relatedPosts", "class=breadcrumbs", "class=byline", "class='sr-only'",
                           "role=dialog", "role=complementary", "id=comments", "class=site-footer", "class=pagination"}) {
    const std::string html = "<body><main>" + kStory + "<div " + name + "><b>Intruder</b> <a href='/n'>link</a></div></main></body>";
    EXPECT_THAT(main_text(html), AllOf(HasSubstr("Delta"), Not(HasSubstr("Intruder")))) << name;
  }
}

TEST(MainContentTest, NamesDoNotOutweighTheText) {
  for (const char* name : {"class='sidebar'", "class='page-footer-wrapper footer'", "id=comments", "class='modal open'", "role=dialog"}) {
    EXPECT_THAT(main_text("<body>" + kMenu + "<div " + name + ">" + kStory + "</div></body>"), HasSubstr("Gamma")) << name;
  }
}

TEST(MainContentTest, AnArticleInsideAnAsideIsTheArticle) {
  const std::string text = main_text("<body>" + kMenu + "<aside><article><h1>Title</h1>" + kStory + "</article></aside></body>");
  EXPECT_THAT(text, AllOf(HasSubstr("# Title"), HasSubstr("Delta"), Not(HasSubstr("Prices"))));
}

TEST(MainContentTest, HeadingsAnnounceOtherPagesAfterTheText) {
  const std::string card = "<div><h3><a href='/n'>Other page</a></h3><p>Teaser of another page, long enough to count as running text of its own kind.</p></div>";
  const std::string others = "<section><h2>Related articles</h2>" + card + card + "</section>";
  EXPECT_THAT(main_text("<main>" + repeated(kStory, 3) + others + "</main>"), AllOf(HasSubstr("Delta"), Not(HasSubstr("Teaser")), Not(HasSubstr("Related"))));
  // Loose in the text: up to the next heading of its rank.
  const std::string loose = "<h2>You may also like</h2><p><a href='/n'>Other page</a></p><h2>Conclusion</h2>" + p("Omega");
  EXPECT_THAT(main_text("<main>" + repeated(kStory, 3) + loose + "</main>"), AllOf(HasSubstr("Conclusion"), HasSubstr("Omega"), Not(HasSubstr("Other page"))));
  // Before the text: what the page is about.
  EXPECT_THAT(main_text("<main><h1>Related articles</h1>" + kStory + "</main>"), HasSubstr("Related articles"));
}

TEST(MainContentTest, SensesOfHeadings) {
  EXPECT_EQ(heading_sense(" Related\n Posts "), HeadingSense::kOtherPages);
  EXPECT_EQ(heading_sense("Related work"), HeadingSense::kNone);
  EXPECT_EQ(heading_sense("Similarities and differences"), HeadingSense::kNone);
  EXPECT_EQ(heading_sense("Sign up for the service"), HeadingSense::kNone);
  EXPECT_EQ(heading_sense("ÄHNLICHE ARTIKEL"), HeadingSense::kOtherPages);
  EXPECT_EQ(heading_sense("12 Comments"), HeadingSense::kComments);
  EXPECT_EQ(heading_sense(""), HeadingSense::kNone);
  EXPECT_EQ(heading_sense("related " + std::string(5000, 'x')), HeadingSense::kNone);
}

TEST(MainContentTest, CommentsAreContentOnlyOfADiscussion) {
  const std::string comments = "<div id=comments><h2>2 comments</h2><div class=comment>" + p("Reply") + "</div></div>";
  const std::string body = "<body><main><article>" + kStory + "</article>" + comments + "</main></body>";
  EXPECT_THAT(main_text("<html>" + body), Not(HasSubstr("Reply")));
  for (const char* head : {"<meta name=generator content='Discourse 3.2'>",
                           R"(<script type="application/ld+json">{"@type": "DiscussionForumPosting"}</script>)"}) {
    EXPECT_THAT(main_text("<html><head>" + std::string(head) + "</head>" + body), AllOf(HasSubstr("Alpha"), HasSubstr("Reply"))) << head;
  }
}

TEST(MainContentTest, WhoPostedIsNoPartOfADiscussion) {
  const std::string post = "<div class=post><div class=user-info>Joined: May 2019, Posts: 701</div><div class=post-content>" + p("Post") + "</div></div>";
  const std::string text = main_text("<html><head><meta name=generator content='phpBB'></head><body>" + repeated(post, 5) + "</body>");
  EXPECT_THAT(text, AllOf(HasSubstr("Post is the first"), Not(HasSubstr("Joined"))));
}

TEST(MainContentTest, ShowsWhatAClickWouldOpen) {
  const std::string text = main_text("<main>" + kStory + "<div class=accordion><button>Question</button><div class=accordion-panel aria-hidden=true>" + p("Answer") +
                                     "</div></div><div class='modal' style='display: none'>" + p("Popup") + "</div><div hidden>" + p("Secret") + "</div></main>");
  EXPECT_THAT(text, AllOf(HasSubstr("Answer"), Not(HasSubstr("Popup")), Not(HasSubstr("Secret"))));
  EXPECT_THAT(whole_text("<div class=accordion-panel hidden>x</div>y"), Not(HasSubstr("x")));
}

TEST(MainContentTest, ShowsNoscriptWhereThePageIsEmptyWithoutScripts) {
  const std::string forum = "<noscript><div>" + repeated(kStory, 3) + "</div></noscript>";
  EXPECT_THAT(main_text("<body><div id=app></div>" + forum + "</body>"), HasSubstr("Gamma"));
  EXPECT_THAT(main_text("<body><main>" + repeated(p("Visible"), 20) + "</main>" + forum + "</body>"), Not(HasSubstr("Gamma")));
}

TEST(MainContentTest, ShowsPartsThatAScriptPutsIntoPlace) {
  EXPECT_THAT(main_text("<body><main><template id='B:0'></template>Loading</main><div hidden id='S:0'>" + kStory + "</div></body>"), HasSubstr("Gamma"));
}

TEST(MainContentTest, ADocumentationPageKeepsItsBoxesAndCode) {
  const std::string html = "<body><div class=sidebar><ul>" + repeated("<li><a href='/p'>Some chapter</a>", 60) + "</ul></div><main><h1>Install</h1>" + kStory +
                           "<div class='alert alert-warning'>Careful here.</div><pre>make install</pre><h2>Sign up for the beta</h2>" + p("Steps") +
                           "</main></body>";
  EXPECT_THAT(main_text(html), AllOf(HasSubstr("Careful"), HasSubstr("make install"), HasSubstr("Steps"), Not(HasSubstr("Some chapter"))));
}

TEST(MainContentTest, AProductPageKeepsPriceAndTable) {
  const std::string html = "<head><meta property='og:type' content=product></head><body>" + kMenu + "<main><h1>Kettle</h1><span class=price>39 EUR</span><div class=description>" + kStory +
                           "</div><table><tr><td>Volume<td>1.7 l</table><div class=recommendations><a href='/t'>Toaster</a></div></main></body>";
  EXPECT_THAT(main_text(html), AllOf(HasSubstr("39 EUR"), HasSubstr("Volume | 1.7 l"), Not(HasSubstr("Toaster"))));
}

TEST(MainContentTest, AProductPageIsAboutItsProduct) {
  const std::string product = "<div class=product-detail><h1>Kettle</h1><b>39 EUR</b>" + repeated(kStory, 3) + "</div>";
  const std::string brand = "<div class=brand-story>" + p("Heritage") + "</div>";
  const std::string page = "<main>" + product + brand + "</main></body>";
  EXPECT_THAT(main_text("<body class=single-product>" + page), AllOf(HasSubstr("39 EUR"), Not(HasSubstr("Heritage"))));
  // Named a product, but without the heading of the page.
  EXPECT_THAT(main_text("<body class=single-product><h1>Kettles</h1><main><div class=product>" + kStory + kStory + "</div>" + brand + "</main>"),
              HasSubstr("Heritage"));
}

TEST(MainContentTest, AListingKeepsItsLinks) {
  const std::string card = "<div class=card><h3><a href='/i'>Gaming monitor 27 inches</a></h3><span>299 EUR</span></div>";
  const std::string text = main_text("<body><header>" + kMenu + "</header><main><h1>Monitors</h1>" + repeated(card, 30) + "</main></body>");
  EXPECT_THAT(text, AllOf(HasSubstr("Gaming monitor"), HasSubstr("299 EUR"), Not(HasSubstr("About us"))));
}

TEST(MainContentTest, GivesTheWholePageWhereLittleWouldRemain) {
  const std::string links = repeated("<a href='/1'>A link of some words</a> ", 100);
  for (const std::string& html : {"<body><nav>" + links + "</nav></body>", "<body><footer>" + kStory + "</footer></body>",
                                  "<body><div class=popup>" + links + "</div><p>x</p></body>", std::string("<p>short</p>"), std::string()}) {
    EXPECT_EQ(main_text(html), whole_text(html));
    EXPECT_FALSE(main_page(html).shortened);
  }
}

TEST(MainContentTest, NothingLeftOutIsNotShortened) {
  EXPECT_FALSE(main_page("<body><nav></nav><main>" + kStory + "</main></body>").shortened);
}

TEST(MainContentTest, KindsThatPagesDeclare) {
  const auto kind = [](const std::string& html) {
    HtmlTree tree;
    EXPECT_TRUE(tree.parse(html));
    return declared_kind(tree.root());
  };
  EXPECT_EQ(kind("<meta property='og:type' content=article><p>x"), PageKind::kArticle);
  EXPECT_EQ(kind("<script type='application/ld+json'>[{\"@type\":[\"Product\"]}]</script>"), PageKind::kProduct);
  EXPECT_EQ(kind("<script type='application/ld+json'>{\"@type\": \"ItemList\", broken</script>"), PageKind::kListing);
  EXPECT_EQ(kind("<body class='page-topic'>x"), PageKind::kDiscussion);
  EXPECT_EQ(kind("<meta property='og:type' content=article><body class='x single-product'>x"), PageKind::kProduct);
  EXPECT_EQ(kind("<script type='application/ld+json'>{\"@type\""), PageKind::kOther);
  EXPECT_EQ(kind(""), PageKind::kOther);
}

// Shapes of n parts; the work must grow with n, not with its square.
class HostilePageTest : public ::testing::TestWithParam<std::pair<const char*, std::string (*)(int)>> {};

std::uint64_t steps(const std::string& html) {
  HtmlTree tree;
  EXPECT_TRUE(tree.parse(html));
  return find_main_content(tree.root()).n_steps;
}

TEST_P(HostilePageTest, WorkIsLinear) {
  const auto shape = GetParam().second;
  const std::uint64_t small = steps(shape(500)), large = steps(shape(2000));
  EXPECT_LE(large, 5 * small);
  EXPECT_GT(large, 2 * small);
}

const std::string kRelated = "<h3>Related</h3>";
INSTANTIATE_TEST_SUITE_P(Shapes, HostilePageTest, ::testing::Values(
    std::pair{"Nested", +[](int n) { return repeated("<div>", n) + kStory + repeated("</div>", n); }},
    std::pair{"NestedHeadings", +[](int n) { return kStory + kStory + repeated("<div>" + kRelated, n); }},
    std::pair{"HeadingsInHeadings", +[](int n) { return kStory + repeated("<h2><div>", n) + "Related"; }},
    std::pair{"HeadingsAfterEmpties", +[](int n) { return kStory + repeated("<i></i>", n) + repeated(kRelated, n); }},
    std::pair{"HeadingsBeforeEmpties", +[](int n) { return kStory + repeated("<h2>Related</h2>" + kRelated, n) + repeated("<b></b>", n); }},
    std::pair{"DeepHeading", +[](int n) { return kStory + repeated("<div>", n) + repeated(kRelated + "<p></p>", n); }},
    std::pair{"Links", +[](int n) { return kStory + "<ul>" + repeated("<li><a href='/x'>a link</a>", n) + "</ul>"; }},
    std::pair{"Articles", +[](int n) { return repeated("<article>" + p("One") + "</article>", n); }},
    std::pair{"Hidden", +[](int n) { return repeated("<div class=tab hidden>" + p("One"), n); }}),
    [](const auto& shape) { return shape.param.first; });

TEST(MainContentTest, ManyNodes) {
  const std::string text = main_text("<body>" + kMenu + "<main>" + kStory + repeated("<span>word</span> ", 100'000) + "<p>the end</p></main></body>");
  EXPECT_THAT(text, AllOf(HasSubstr("Alpha"), HasSubstr("the end"), Not(HasSubstr("Prices"))));
}

TEST(MainContentTest, TwentyThousandLinksAreAListing) {
  std::string links;
  for (int i = 0; i < 20'000; ++i) links += "<li><a href='/item/" + std::to_string(i) + "'>Item number " + std::to_string(i) + "</a>";
  EXPECT_EQ(main_page("<body>" + kMenu + "<ul>" + links + "</ul></body>").links.size(), 20'000U);
}

TEST(MainContentTest, DeepNestingIsNoRecursion) {
  const std::string text = main_text("<body>" + kMenu + repeated("<div>", 4000) + kStory + "</body>");
  EXPECT_THAT(text, AllOf(HasSubstr("Delta"), Not(HasSubstr("Prices"))));
}

TEST(MainContentTest, CutPagesAndOddBytes) {
  const std::string html = "<body>" + kMenu + "<main class='\xff\xfe a-\xc3' id=''><h2>Related\xff</h2>" + kStory + "</main></body>";
  for (std::size_t end = 0; end < html.size(); end += 7) main_text(html.substr(0, end));
  EXPECT_THAT(main_text(html), HasSubstr("Delta"));
}

}  // namespace
}  // namespace toccata::tools
