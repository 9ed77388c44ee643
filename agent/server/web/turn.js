// One answer on the page: reasoning, preambles, tool calls and the final text, in the order in which they come, while
// they come or from history.
//   parts: [{type: "reasoning", text, ms} | {type: "text", text, preamble, citations?} |
//           {type: "tool", id, name, input, output, status, ms, files?, run?, call?} | {type: "notice", text}]
import { linkMarkers, sourcesView } from "./citations.js";
import { announce, append, copyButton, count, el, replace, seconds } from "./dom.js";
import { filesView } from "./files.js";
import { codeBlock, GrowingMarkdown } from "./markdown.js";
import { browserCallView, isBrowserCall } from "./pages.js";

export class Turn {
  #element = el("article", { class: "turn", "aria-label": "Answer" });
  #views = new Map(); // part -> {update}
  #dirty = new Set();
  #frame = 0;
  #changed;
  #waiting = el("p", { class: "waiting" }, el("span", { class: "pulse" }), " Reading");

  // `changed` is called after the page has grown.
  constructor(message, changed = () => {}) {
    this.message = message;
    this.#changed = changed;
    for (const part of message.parts) this.#show(part, false);
    if (message.stats || message.error) this.#end();
  }

  get element() {
    return this.#element;
  }

  begin() {
    this.#element.append(this.#waiting);
    this.#element.setAttribute("aria-busy", "true");
    announce("Waiting for the model");
  }

  // --- What comes -----------------------------------------------------------------------------------------------

  reasoning(delta) {
    const part = this.#open("reasoning", () => ({ type: "reasoning", text: "", began: performance.now() }));
    part.text += delta;
    this.#touch(part);
  }
  text(delta, preamble = false) {
    const part = this.#open("text", () => ({ type: "text", text: "", preamble }), (p) => p.preamble === preamble);
    part.text += delta;
    this.#touch(part);
  }
  // What the text that came last cites (citations.js).
  cite(citations) {
    const part = this.message.parts.findLast((p) => p.type === "text");
    if (!part || citations.length === 0) return;
    part.citations = [...(part.citations ?? []), ...citations];
    this.#touch(part);
    for (const call of this.message.parts) if (call.type === "tool" && isBrowserCall(call)) this.#touch(call);
  }
  // A call that begins, or goes on: fields of a tool part.
  tool(id, fields) {
    let part = this.message.parts.find((p) => p.type === "tool" && p.id === id);
    if (!part) {
      this.#settle();
      part = this.#add({ type: "tool", id, name: "", input: "", output: null, status: "running", began: performance.now() });
    }
    Object.assign(part, fields);
    if (part.status !== "running" && part.ms === undefined) part.ms = performance.now() - part.began;
    this.#touch(part);
  }
  notice(text) {
    this.#settle();
    this.#add({ type: "notice", text });
  }
  // A whole text in place of the pieces that came.
  correct(kind, text) {
    const part = this.message.parts.findLast((p) => p.type === kind);
    if (!part || part.text === text) return;
    part.text = text;
    this.#touch(part);
  }

  finish(stats) {
    this.message.stats = stats;
    this.#done("Answer finished");
  }
  // `retry`: what the button does.
  fail(error, retry) {
    this.message.error = error;
    this.#done("The answer failed", retry);
  }

  // --- How it looks ---------------------------------------------------------------------------------------------

  #open(type, make, fits = () => true) {
    const last = this.message.parts.at(-1);
    if (last?.type === type && fits(last)) return last;
    this.#settle();
    return this.#add(make());
  }
  #add(part) {
    this.message.parts.push(part);
    this.#show(part, true);
    return part;
  }
  // The last part gets no more text.
  #settle() {
    const last = this.message.parts.at(-1);
    if (last?.type !== "reasoning" || last.ms !== undefined) return;
    last.ms = performance.now() - last.began;
    delete last.began;
    this.#views.get(last).settle();
  }
  #show(part, live) {
    this.#waiting.remove();
    const tool = (p) => toolView(p, () => this.message.parts.flatMap((other) => other.citations ?? []));
    const view = { reasoning: reasoningView, text: textView, tool, notice: noticeView }[part.type](part, live);
    this.#views.set(part, view);
    this.#element.append(view.element);
    this.#changed();
  }
  // Many tokens, one drawing a frame.
  #touch(part) {
    this.#dirty.add(part);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }
  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    for (const part of this.#dirty) this.#views.get(part).update();
    this.#dirty.clear();
    this.#changed();
  }
  #done(said, retry) {
    this.#settle();
    this.#draw();
    this.#waiting.remove();
    this.#element.removeAttribute("aria-busy");
    for (const part of this.message.parts) {
      delete part.began;
      if (part.type === "tool" && part.status === "running") part.status = "stopped";
      this.#views.get(part).update();
    }
    this.#end(retry);
    this.#changed();
    announce(said);
  }
  #end(retry) {
    const { error, stats } = this.message;
    if (error) this.#element.append(errorCard(error, retry));
    if (stats) this.#element.append(footer(stats, () => finalText(this.message)));
  }
}

export const finalText = (message) =>
  message.parts.filter((p) => p.type === "text" && !p.preamble).map((p) => p.text).join("\n\n");

function reasoningView(part, live) {
  const label = el("span", {}, live ? "Thinking" : labelOf(part));
  const body = el("div", { class: "reasoning-text" });
  const element = el("details", { class: "reasoning", open: live }, el("summary", {}, label), body);
  let touched = false; // by its reader, who then decides
  element.firstChild.addEventListener("click", () => (touched = true));
  const markdown = new GrowingMarkdown(body);
  const update = () => markdown.set(part.text);
  update();
  return {
    element,
    update,
    settle() {
      label.textContent = labelOf(part);
      if (!touched) element.open = false;
    },
  };
}
const labelOf = (part) => (part.ms > 950 ? `Thought for ${seconds(part.ms)}` : "Thought briefly");

function textView(part) {
  const prose = el("div", { class: part.preamble ? "prose preamble" : "prose" });
  const sources = el("div", {});
  const markdown = new GrowingMarkdown(prose);
  const update = () => {
    markdown.set(part.text);
    linkMarkers(prose, part.citations ?? []);
    replace(sources, sourcesView(part.citations ?? []));
  };
  update();
  return { element: el("div", {}, prose, sources), update };
}

function noticeView(part) {
  return { element: el("p", { class: "notice small" }, part.text), update() {} };
}

const kStatus = { running: "running", ok: "done", failed: "failed", stopped: "stopped" };

// `cited`: gives what the answer cites (citations.js).
export function toolView(part, cited = () => []) {
  const title = el("span", { class: "tool-name" });
  const state = el("span", { class: "tool-state" });
  const body = el("div", { class: "tool-body" });
  const left = el("div", {}); // filled once: pictures are fetched
  const element = el("details", { class: "tool", open: true }, el("summary", {}, title, el("span", { class: "spacer" }), state), body);
  const update = () => {
    element.dataset.status = part.status;
    title.textContent = part.name || "tool";
    state.textContent = kStatus[part.status] + (part.ms === undefined ? "" : ` · ${seconds(part.ms)}`);
    const output = part.output === null || part.output === undefined ? null
      : el("div", { class: "tool-output" }, el("div", { class: "tool-label" }, "Output"), el("pre", { tabindex: "0" }, part.output === "" ? "(nothing)" : part.output));
    const browsed = isBrowserCall(part) ? browserCallView(part, cited()) : null;
    if (browsed) return replace(body, el("div", { class: "page-call" }, browsed));
    if (!left.hasChildNodes()) append(left, [filesView(part.files, part.run, part.call ?? 0)]);
    replace(body, codeBlock(part.input), output, left);
  };
  update();
  return { element, update };
}

export function errorCard({ title, message }, retry) {
  const again = retry ? el("button", { type: "button", onclick: retry }, "Try again") : null;
  return el("div", { class: "error", role: "alert" }, el("strong", {}, title), el("p", {}, message), again);
}

// stats: {prompt, cached, output, reasoning, perSecond, firstMs, stopped?, run?}
function footer(stats, text) {
  const figure = (value, unit, title) => el("span", { class: "figure", title }, el("b", {}, value), ` ${unit}`);
  const parts = [];
  if (stats.stopped) parts.push(el("span", { class: "figure" }, "stopped"));
  if (stats.perSecond > 0) parts.push(figure(count(stats.perSecond), "tok/s", "Tokens written a second, as the server measured it"));
  if (stats.firstMs !== undefined) parts.push(figure(seconds(stats.firstMs), "to first token", "Reading the prompt"));
  if (stats.prompt !== undefined) {
    parts.push(figure(count(stats.prompt), "in", "Tokens of the prompts"));
    parts.push(figure(count(stats.cached), "cached", "Of these, tokens that stood in memory and were not read again"));
    parts.push(figure(count(stats.output), "out", "Tokens written, reasoning included"));
  }
  const run = stats.run ? el("a", { href: `#/runs/${encodeURIComponent(stats.run)}` }, "Show run") : null;
  return el("footer", { class: "figures" }, parts, el("span", { class: "spacer" }), run, copyButton(text));
}
