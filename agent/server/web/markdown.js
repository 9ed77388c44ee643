// Markdown to elements. Builds the document node by node: no string ever becomes markup, so whatever a model writes
// stays text. What is not Markdown here (HTML, images, references) is shown as it was written.
import { el } from "./dom.js";

const kDepthMax = 16; // of lists and quotes in each other, and of open emphasis
const kFence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*)/;
const kHeading = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const kRule = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( *)([-*+]|\d{1,9}[.)])([ \t]+|$)/;
const kDelimiterRow = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

export function renderMarkdown(text) {
  const fragment = document.createDocumentFragment();
  for (const block of blocks(text.split("\n"), 0)) fragment.append(block.node);
  return fragment;
}

// An answer that grows: only its last block is built anew, for a block is whole once another has begun.
export class GrowingMarkdown {
  #element;
  #text = "";
  #last = 0; // where the last block begins
  #whole = 0; // nodes before it

  constructor(element) {
    this.#element = element;
  }

  set(text) {
    if (!text.startsWith(this.#text)) this.#last = this.#whole = 0;
    this.#text = text;
    while (this.#element.childNodes.length > this.#whole) this.#element.lastChild.remove();
    const tail = text.slice(this.#last);
    const lines = tail.split("\n");
    const found = blocks(lines, 0);
    for (const block of found) this.#element.append(block.node);
    if (found.length < 2) return;
    this.#whole += found.length - 1;
    for (let i = 0; i < found.at(-1).line; ++i) this.#last += lines[i].length + 1;
  }
}

// --- Blocks ---------------------------------------------------------------------------------------------------------

// [{line, node}]: each block and the line it begins at.
function blocks(lines, depth) {
  const found = [];
  for (let i = 0; i < lines.length; ) {
    if (lines[i].trim() === "") {
      ++i;
      continue;
    }
    const [node, next] = block(lines, i, depth);
    found.push({ line: i, node });
    i = next;
  }
  return found;
}

// The block at line `i` and the line behind it.
function block(lines, i, depth) {
  const line = lines[i];
  if (kFence.test(line)) return fence(lines, i);
  const heading = kHeading.exec(line);
  if (heading) {
    const title = (heading[2] ?? "").trimEnd().replace(/ #+$/, "");
    // The page has its own h1 and h2.
    return [el(`h${Math.min(heading[1].length + 2, 6)}`, { class: `md-h${heading[1].length}` }, inline(title)), i + 1];
  }
  if (kRule.test(line)) return [el("hr"), i + 1];
  if (depth < kDepthMax && kQuote.test(line)) return quote(lines, i, depth);
  if (depth < kDepthMax && kItem.test(line)) return list(lines, i, depth);
  if (isTable(lines, i)) return table(lines, i);
  return paragraph(lines, i, depth);
}

function fence(lines, i) {
  const [, mark, language] = kFence.exec(lines[i]);
  const code = [];
  for (++i; i < lines.length; ++i) {
    const line = lines[i].trim();
    if (line.length >= mark.length && line === mark[0].repeat(line.length)) {
      ++i;
      break;
    }
    code.push(lines[i]);
  }
  return [codeBlock(code.join("\n"), language), i];
}

export function codeBlock(code, language = "") {
  const label = language === "" ? null : el("figcaption", {}, language.slice(0, 40));
  return el("figure", { class: "code" }, label, el("pre", { tabindex: "0" }, el("code", {}, code)));
}

function quote(lines, i, depth) {
  const inside = [];
  for (; i < lines.length && kQuote.test(lines[i]); ++i) inside.push(lines[i].replace(kQuote, ""));
  return [el("blockquote", {}, blocks(inside, depth + 1).map((b) => b.node)), i];
}

const indentOf = (line) => line.length - line.trimStart().length;

function list(lines, i, depth) {
  const first = kItem.exec(lines[i]);
  const ordered = /\d/.test(first[2]);
  const kind = first[2].at(-1);
  const element = el(ordered ? "ol" : "ul", ordered && first[2] !== "1." ? { start: parseInt(first[2], 10) } : {});
  let loose = false;
  while (i < lines.length) {
    const item = kItem.exec(lines[i]);
    if (!item || item[2].at(-1) !== kind || item[1].length > first[1].length + 3 || kRule.test(lines[i])) break;
    const width = item[1].length + item[2].length + Math.min(Math.max(item[3].length, 1), 4);
    const inside = [lines[i].slice(item[0].length)];
    for (++i; i < lines.length; ++i) {
      const line = lines[i];
      const blank = line.trim() === "";
      if (blank || indentOf(line) >= width) {
        inside.push(line.slice(Math.min(width, indentOf(line))));
        continue;
      }
      // Nested lists are often indented by less than they should be.
      if (kItem.test(line) && indentOf(line) > item[1].length + 1) {
        inside.push(line.slice(item[1].length + 2));
        continue;
      }
      if (kItem.test(line) || inside.at(-1).trim() === "" || opensBlock(line)) break;
      inside.push(line);
    }
    const gap = inside.length > 1 && inside.at(-1).trim() === "";
    while (inside.length > 1 && inside.at(-1).trim() === "") inside.pop();
    if (inside.some((l) => l.trim() === "")) loose = true;
    element.append(listItem(inside, depth));
    if (gap && i < lines.length && kItem.test(lines[i]) && indentOf(lines[i]) <= first[1].length + 3) loose = true;
  }
  if (loose) element.classList.add("loose");
  return [element, i];
}

function listItem(inside, depth) {
  const task = /^\[([ xX])\] /.exec(inside[0]);
  if (task) inside[0] = inside[0].slice(4);
  const parts = blocks(inside, depth + 1).map((b) => b.node);
  const box = task ? el("span", { class: "task", role: "img", "aria-label": task[1] === " " ? "open" : "done" }, task[1] === " " ? "☐ " : "☑ ") : null;
  return el("li", {}, box, parts.map((p) => (p.tagName === "P" ? el("p", {}, [...p.childNodes]) : p)));
}

function isTable(lines, i) {
  return lines[i].includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") &&
    lines[i + 1].length < 1000 && kDelimiterRow.test(lines[i + 1]) &&
    cells(lines[i]).length === cells(lines[i + 1]).length;
}

function cells(line) {
  let text = line.trim();
  if (text.startsWith("|")) text = text.slice(1);
  if (text.endsWith("|") && !text.endsWith("\\|")) text = text.slice(0, -1);
  return text.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines, i) {
  const align = cells(lines[i + 1]).map((c) => (c.endsWith(":") ? (c.startsWith(":") ? "center" : "end") : "start"));
  const row = (line, tag) =>
    el("tr", {}, cells(line).slice(0, align.length).map((c, n) => el(tag, { class: `to-${align[n]}` }, inline(c))));
  const head = el("thead", {}, row(lines[i], "th"));
  const body = el("tbody");
  for (i += 2; i < lines.length && lines[i].includes("|") && lines[i].trim() !== ""; ++i) body.append(row(lines[i], "td"));
  return [el("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, el("table", {}, head, body)), i];
}

const opensBlock = (line) => kFence.test(line) || kHeading.test(line) || kRule.test(line) || kQuote.test(line);

function paragraph(lines, i, depth) {
  const from = i;
  for (++i; i < lines.length && lines[i].trim() !== ""; ++i) {
    if (opensBlock(lines[i]) || isTable(lines, i)) break;
    const item = kItem.exec(lines[i]);
    // A number that wrapped to the beginning of a line begins no list, 1. aside.
    if (item && depth < kDepthMax && item[3] !== "" && (!/\d/.test(item[2]) || parseInt(item[2], 10) === 1)) break;
  }
  return [el("p", {}, inline(lines.slice(from, i).join("\n"))), i];
}

// --- Inside a line --------------------------------------------------------------------------------------------------

const kTags = { "*": "em", _: "em", "**": "strong", __: "strong", "~~": "del" };
const kWord = /[\p{L}\p{N}]/u;
const kEscapable = /[!-/:-@[-`{-~]/;
const kBareUrl = /https?:\/\/[^\s<>"'`【】]+/y;

// A link only where it leads to a page or a mailbox.
export function link(href, children) {
  let url;
  try {
    url = new URL(href);
  } catch {
    return null;
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return el("a", { href: url.href, rel: "noopener noreferrer nofollow", target: "_blank", title: url.href }, children);
}

// Nodes of a piece of text. `links`: whether links may stand in it.
export function inline(text, links = true) {
  const frames = [{ mark: "", nodes: [] }]; // open emphasis, outermost first
  const unclosed = new Set(); // runs of backticks that nothing closes
  let plain = "";
  let i = 0;

  const flush = () => {
    if (plain !== "") frames.at(-1).nodes.push(document.createTextNode(plain));
    plain = "";
  };
  const push = (node, length) => {
    flush();
    frames.at(-1).nodes.push(node);
    i += length;
  };
  const abandon = () => {
    const { mark, nodes } = frames.pop();
    frames.at(-1).nodes.push(document.createTextNode(mark), ...nodes);
  };

  const emphasis = (mark) => {
    const before = text[i - 1] ?? " ";
    const after = text[i + mark.length] ?? " ";
    const between = mark[0] === "_" && kWord.test(before) && kWord.test(after);
    const product = mark === "*" && /\d/.test(before) && /\d/.test(after); // 3*4*5
    const open = frames.findLastIndex((f) => f.mark === mark);
    if (open > 0 && !/\s/.test(before) && !between && !product) {
      flush();
      while (frames.length - 1 > open) abandon();
      const { nodes } = frames.pop();
      frames.at(-1).nodes.push(el(kTags[mark], {}, nodes));
    } else if (open < 0 && frames.length < kDepthMax && !/\s/.test(after) && !between && !product) {
      flush();
      frames.push({ mark, nodes: [] });
    } else {
      plain += mark;
    }
    i += mark.length;
  };

  const code = () => {
    let n = 1;
    while (text[i + n] === "`") ++n;
    const mark = "`".repeat(n);
    let end = unclosed.has(n) ? -1 : text.indexOf(mark, i + n);
    while (end >= 0 && (text[end + n] === "`" || text[end - 1] === "`")) {
      while (text[end] === "`") ++end;
      end = text.indexOf(mark, end);
    }
    if (end < 0) {
      unclosed.add(n);
      plain += mark;
      i += n;
      return;
    }
    const inside = text.slice(i + n, end).replaceAll("\n", " ");
    push(el("code", {}, inside.trim() === "" ? inside : inside.replace(/^ (.*) $/, "$1")), end + n - i);
  };

  // Formulas are shown as they are written.
  const formula = () => {
    const close = text[i + 1] === "(" ? "\\)" : "\\]";
    const length = text.slice(i + 2, i + 4000).indexOf(close);
    if (length < 0) return false;
    const end = i + 2 + length;
    push(el("span", { class: close === "\\)" ? "math" : "math display" }, text.slice(i + 2, end).trim()), end + 2 - i);
    return true;
  };

  // [text](address) and ![text](address); an image is a link to it, for the page loads nothing from elsewhere.
  const bracket = () => {
    const image = text[i] === "!";
    const from = i + (image ? 2 : 1);
    let depth = 1;
    let end = from;
    for (const limit = Math.min(text.length, from + 1000); end < limit; ++end) {
      if (text[end] === "\\") ++end;
      else if (text[end] === "[") ++depth;
      else if (text[end] === "]" && --depth === 0) break;
    }
    if (depth !== 0 || text[end + 1] !== "(") return false;
    let close = end + 2;
    for (let open = 1; close < text.length && close - end < 2100; ++close) {
      if (text[close] === "(") ++open;
      else if (text[close] === ")" && --open === 0) break;
    }
    if (text[close] !== ")") return false;
    const target = /^\s*<?([^\s<>]+)>?(?:\s+["'(].*)?\s*$/s.exec(text.slice(end + 2, close));
    const label = text.slice(from, end);
    const node = target && link(target[1], label.trim() === "" ? [target[1]] : inline(label, false));
    if (!node) return false;
    push(node, close + 1 - i);
    return true;
  };

  const bareUrl = () => {
    kBareUrl.lastIndex = i;
    const found = kBareUrl.exec(text);
    if (!found || kWord.test(text[i - 1] ?? " ")) return false;
    let url = found[0].replace(/[.,;:!?*_~]+$/, "");
    if (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
    const node = link(url, [url]);
    if (!node) return false;
    push(node, url.length);
    return true;
  };

  while (i < text.length) {
    const c = text[i];
    if (c === "\\" && (text[i + 1] === "(" || text[i + 1] === "[") && formula()) continue;
    if (c === "\\" && text[i + 1] === "\n") push(el("br"), 2);
    else if (c === "\\" && kEscapable.test(text[i + 1] ?? "")) (plain += text[i + 1]), (i += 2);
    else if (c === "`") code();
    else if (c === "*" || c === "_") emphasis(text[i + 1] === c ? c + c : c);
    else if (c === "~" && text[i + 1] === "~") emphasis("~~");
    else if (links && (c === "[" || (c === "!" && text[i + 1] === "[")) && bracket()) continue;
    else if (links && c === "h" && bareUrl()) continue;
    else if (c === "【" && text.slice(i, i + 80).includes("】")) {
      const end = text.indexOf("】", i);
      push(el("span", { class: "cite" }, text.slice(i + 1, end)), end + 1 - i);
    } else if (c === "<" && /^<br ?\/?>/i.test(text.slice(i, i + 6))) {
      push(el("br"), text.indexOf(">", i) + 1 - i);
    } else if (c === "\n" && plain.endsWith("  ")) {
      plain = plain.trimEnd();
      push(el("br"), 1);
    } else {
      plain += c;
      ++i;
    }
  }
  flush();
  while (frames.length > 1) abandon();
  return frames[0].nodes;
}
