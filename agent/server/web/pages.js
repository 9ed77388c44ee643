// A call of the browser tool as a card: what was asked for, which page was shown, and lines of it; those that the answer
// cites before others.
import { el } from "./dom.js";
import { link } from "./markdown.js";

const kLinesShown = 4;
const kHitsShown = 8;

export const isBrowserCall = (part) => /^(functions\.)?browser\.(search|open|find)$/.test(part.name);

// The tool's view of a page:
//   [3] Title (https://example.org/)
//   **viewing lines [0 - 17] of 40**
//
//   L0: ...
// null for anything else, such as an error.
export function pageOf(output) {
  const [head, range, , ...rest] = (output ?? "").split("\n");
  const title = /^\[(\d+)\] (.*)$/.exec(head);
  const lines = /^\*\*viewing lines \[(\d+) - (\d+)\] of (\d+)\*\*$/.exec(range ?? "");
  if (!title || !lines) return null;
  const at = title[2].endsWith(")") ? title[2].lastIndexOf(" (") : -1; // an address holds no " ("
  return {
    title: at < 0 ? title[2] : title[2].slice(0, at),
    url: at < 0 ? "" : title[2].slice(at + 2, -1),
    first: Number(lines[1]), last: Number(lines[2]), total: Number(lines[3]),
    lines: rest.map((line) => /^L(\d+): ?(.*)$/.exec(line)).filter(Boolean).map(([, n, text]) => [Number(n), text]),
  };
}

// What the model asked for, from the arguments as text.
function asked(part) {
  const what = part.name.slice(part.name.lastIndexOf(".") + 1);
  let json = {};
  try {
    json = JSON.parse(part.input);
  } catch {
    // A search's item has the query itself.
  }
  if (what === "search") return ["Search", typeof json?.query === "string" ? json.query : part.input];
  if (what === "find") return ["Find", String(json?.pattern ?? "")];
  return ["Open", typeof json?.id === "string" ? json.id : json?.id === undefined ? "" : `link ${json.id}`];
}

// Results of a search: 【0†Title†host】 and what is said of them, over wrapped lines.
function hitsOf(page) {
  const text = page.lines.map(([, line]) => line).join(" ").replace(/\s+/g, " ");
  return [...text.matchAll(/【(\d+)†([^】]*)】([^【]*)/g)].map(([, , marker, summary]) => {
    const [title, host = ""] = marker.split("†");
    return { title, host, summary: summary.replace(/\s*\*\s*$/, "").trim() };
  });
}

const without = (text) => text.replace(/【\d+†([^†】]*)(†[^】]*)?】/g, "$1");

function lineView([n, text], cited) {
  return el("li", { value: n, class: cited ? "quoted" : null }, el("span", { class: "line-number" }, `L${n}`), el("span", {}, without(text)));
}

function shownLines(page, citations) {
  const cited = new Set();
  for (const c of citations) {
    if (c.url !== page.url) continue;
    for (const [first, last] of c.lines) for (const [n] of page.lines) if (n >= first && n <= last) cited.add(n);
  }
  if (cited.size > 0) return { label: "Quoted", lines: page.lines.filter(([n]) => cited.has(n)).map((line) => lineView(line, true)) };
  const told = page.lines.filter(([, text]) => text.trim() !== "" && !text.startsWith("URL: "));
  return { label: "", lines: told.slice(0, kLinesShown).map((line) => lineView(line, false)) };
}

// The body of a card, or null where the output is no page: then it is shown as it is.
export function browserCallView(part, citations) {
  const [verb, what] = asked(part);
  const page = pageOf(part.output);
  const head = el("p", { class: "page-asked" }, el("b", {}, verb), " ", el("q", {}, what));
  if (part.output === null || part.output === undefined) return [head];
  if (page === null) return null;
  const whole = el("details", { class: "page-whole" }, el("summary", {}, "What the model read"), el("pre", { tabindex: "0" }, part.output));
  if (verb === "Search") {
    const hits = hitsOf(page);
    const rows = hits.slice(0, kHitsShown).map(({ title, host, summary }) =>
      el("li", {}, el("span", { class: "page-title" }, title), " ", el("span", { class: "source-url" }, host), summary && el("div", { class: "page-summary" }, summary)));
    const more = hits.length > kHitsShown ? el("p", { class: "small muted" }, `and ${hits.length - kHitsShown} more`) : null;
    return [head, rows.length > 0 ? el("ol", { class: "page-hits" }, rows) : el("p", { class: "small muted" }, "Nothing was found."), more, whole];
  }
  // What find shows has lines and an address of its own, which lead nowhere.
  const { label, lines } = shownLines(page, verb === "Find" ? [] : citations);
  const url = page.url.split("/find?pattern=")[0];
  const place = el("p", { class: "page-place" },
    el("span", { class: "page-title" }, link(url, [page.title || url]) ?? page.title), " ",
    el("span", { class: "source-url" }, url), " ", el("span", { class: "small muted" }, `lines ${page.first}–${page.last} of ${page.total}`));
  return [verb === "Find" ? head : null, place, label && el("div", { class: "tool-label" }, label), lines.length > 0 ? el("ol", { class: "page-lines" }, lines) : null, whole];
}
