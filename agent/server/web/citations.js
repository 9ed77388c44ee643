// What an answer cites: its markers, such as 【3†L4】, become numbered links, and a list below it names the pages with the
// lines that were cited.
//   citation: {marker, url, title, quote, lines: [[first, last]], checked: "ok" | why not}
import { el } from "./dom.js";
import { link } from "./markdown.js";

// Of a text's annotations, as the events and recorded messages have them; `from`: characters before the text.
export function citationsOf(text, annotations = [], from = 0) {
  if (annotations.length === 0) return [];
  const characters = [...text]; // as they count: code points
  return annotations.map(({ start_index, end_index, url, title, quote, lines, checked }) => (
    { marker: characters.slice(start_index - from, end_index - from).join(""), url, title, quote, lines: lines ?? [], checked }));
}

// One entry a page, in the order in which they are cited.
function pagesOf(citations) {
  const pages = new Map(); // url -> {n, title, cited}
  for (const citation of citations) {
    if (!pages.has(citation.url)) pages.set(citation.url, { n: pages.size + 1, url: citation.url, title: citation.title, cited: [] });
    pages.get(citation.url).cited.push(citation);
  }
  return pages;
}

const isWrong = (citation) => Boolean(citation.checked) && citation.checked !== "ok";
const spelled = (lines) => lines.map(([first, last]) => (first === last ? `L${first}` : `L${first}–${last}`)).join(", ");

// Markers below `element` that renderMarkdown() has found.
export function linkMarkers(element, citations) {
  if (citations.length === 0) return;
  const pages = pagesOf(citations);
  for (const span of element.querySelectorAll("span.cite:not(.cited)")) {
    const found = citations.find((c) => c.marker.slice(1, -1) === span.textContent);
    if (!found) continue;
    const { n } = pages.get(found.url);
    const label = `Source ${n}: ${found.title}${found.lines.length > 0 ? `, ${spelled(found.lines)}` : ""}${isWrong(found) ? ` (${found.checked})` : ""}`;
    const mark = link(found.url, [String(n)]) ?? el("span", {}, String(n));
    mark.className = `cite cited${isWrong(found) ? " wrong" : ""}`;
    mark.title = label;
    mark.setAttribute("aria-label", label);
    span.replaceWith(mark);
  }
}

// null when nothing is cited.
export function sourcesView(citations) {
  if (citations.length === 0) return null;
  const rows = [...pagesOf(citations).values()].map((page) => {
    const seen = new Set();
    // Each place once, and what is wrong with one although there is nothing to quote.
    const shown = page.cited.filter((c) => {
      const place = `${spelled(c.lines)} ${c.checked}`;
      return (c.quote !== "" || isWrong(c)) && !seen.has(place) && seen.add(place);
    });
    const quotes = shown.map((c) =>
      el("blockquote", {},
        el("span", { class: "source-lines" }, spelled(c.lines), isWrong(c) ? el("strong", {}, ` ${c.checked}`) : ""),
        el("span", { class: "source-quote" }, c.quote)));
    const title = page.title || page.url;
    return el("li", { value: page.n }, link(page.url, [title]) ?? title, " ", el("span", { class: "source-url" }, shortOf(page.url)), quotes);
  });
  return el("section", { class: "sources", "aria-label": "Sources" }, el("h4", {}, "Sources"), el("ol", {}, rows));
}

function shortOf(url) {
  try {
    return new URL(url).host || url;
  } catch {
    return url;
  }
}
