// The ledger's runs: a list, and one run as a timeline, a conversation and tokens.
import { ApiFailure, getJson, request } from "./api.js";
import { inWords } from "./chat.js";
import { citationsOf, linkMarkers, sourcesView } from "./citations.js";
import { compareView } from "./compare.js";
import { ago, append, copyButton, count, el, replace, seconds } from "./dom.js";
import { GrowingMarkdown } from "./markdown.js";
import { TokenView } from "./tokens.js";
import { errorCard, toolView } from "./turn.js";
import { spansOf, waterfall } from "./waterfall.js";

const kPage = 40;
const kRefreshMs = 3000; // of a run that is under way

export class RunsView {
  #list = el("ul", { class: "runs" });
  #more = el("button", { type: "button", class: "quiet more", hidden: true }, "Older runs");
  #detail = el("div", { class: "detail", tabindex: "-1" });
  #last = null;
  #shown = ""; // what the address names
  #id = null; // the run it means, once known
  #timer = 0;
  #known = new Map(); // id -> summary, of the list
  #listed = null; // resolves when the list has been read, or could not be
  #goOn; // called with {id, title, note}: the chat goes on with that run; null: no agent runs here
  element = el("section", { class: "runs-view", "aria-label": "Runs" },
    el("div", { class: "runs-list" }, el("h1", { class: "list-title" }, "Runs"), this.#list, this.#more), this.#detail);

  constructor(goOn) {
    this.#goOn = goOn;
    this.#more.addEventListener("click", () => this.#load(this.#last));
    this.element.addEventListener("keydown", (event) => this.#step(event));
  }

  // `other`: the run to compare it with.
  async show(id, other = "") {
    this.element.classList.toggle("one", id !== "");
    if (other !== "") return this.#compare(id, other);
    if (id !== this.#shown || id === "") replace(this.#detail, id === "" ? el("p", { class: "muted empty" }, "Choose a run.") : null);
    this.#shown = id;
    this.#id = null;
    this.#listed = this.#load(null);
    await Promise.all([this.#listed, id !== "" && this.#open(id)]);
  }

  hide() {
    clearTimeout(this.#timer);
  }

  async #compare(id, other) {
    clearTimeout(this.#timer);
    this.#shown = this.#id = id;
    replace(this.#detail);
    this.#load(null);
    try {
      const [a, b] = await Promise.all([id, other].map((one) => getJson(`/v1/toccata/runs/${encodeURIComponent(one)}`)));
      if (id === this.#shown) replace(this.#detail, compareView(a, b));
    } catch (error) {
      replace(this.#detail, backLink(), errorCard(inWords(error)));
    }
    this.#shown = ""; // the run alone is another view
  }

  // --- The list -------------------------------------------------------------------------------------------------

  async #load(after) {
    try {
      const page = await getJson(`/v1/toccata/runs?limit=${kPage}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
      if (!after) replace(this.#list);
      for (const run of page.data) this.#known.set(run.id, run);
      append(this.#list, page.data.map((run) => this.#row(run)));
      if (!after && page.data.length === 0) this.#list.append(el("li", { class: "none" }, "No runs yet. Every agent run is recorded: toccata run, chat, task."));
      this.#last = page.last_id ?? this.#last;
      this.#more.hidden = !page.has_more;
      this.#mark();
    } catch (error) {
      replace(this.#list, el("li", { class: "none" }, errorCard(inWords(error))));
    }
  }

  #row(run) {
    const took = run.finished_ms ? seconds(run.finished_ms - run.created_ms) : "";
    return el("li", {}, el("a", { class: "run-link", href: `#/runs/${run.id}`, dataset: { id: run.id } },
      el("span", { class: "run-task" }, statusDot(run), run.task || "(no task)"),
      el("span", { class: "run-facts" }, [ago(run.created_ms), run.model, `${run.steps} steps`, took].filter(Boolean).join(" · "))));
  }

  // `id`: whole, where the address has "last" or a part.
  #mark(id = this.#id ?? this.#shown) {
    this.#id = id;
    for (const link of this.#list.querySelectorAll("a")) {
      if (link.dataset.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  // j and k go to the next and the one before.
  #step(event) {
    if ((event.key !== "j" && event.key !== "k") || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
    const links = [...this.#list.querySelectorAll("a")];
    const next = links[links.findIndex((l) => l.dataset.id === (this.#id ?? this.#shown)) + (event.key === "j" ? 1 : -1)];
    if (!next) return;
    location.hash = next.hash;
    next.focus();
  }

  // --- One run --------------------------------------------------------------------------------------------------

  async #open(id) {
    clearTimeout(this.#timer);
    try {
      // The run offers those of the list to be compared with.
      const [run] = await Promise.all([getJson(`/v1/toccata/runs/${encodeURIComponent(id)}`), this.#listed]);
      if (id !== this.#shown) return;
      this.#mark(run.id);
      replace(this.#detail, new RunDetail(run, this.#goOn, [...this.#known.values()]).element);
      if (run.status === "running") this.#timer = setTimeout(() => this.#refresh(id), kRefreshMs);
    } catch (error) {
      replace(this.#detail, backLink(), errorCard(inWords(error), error instanceof ApiFailure && error.status === 0 ? () => this.#open(id) : null));
    }
  }

  #refresh(id) {
    if (id !== this.#shown || !this.element.isConnected) return;
    const reading = this.#detail.contains(document.activeElement) || getSelection().toString() !== "";
    if (reading) this.#timer = setTimeout(() => this.#refresh(id), kRefreshMs);
    else this.#open(id);
  }
}

const backLink = () => el("a", { class: "back", href: "#/runs" }, "‹ All runs");

function statusDot(run) {
  return el("span", { class: "dot", dataset: { status: run.status }, role: "img", "aria-label": run.status });
}

class RunDetail {
  #run;
  #goOn;
  #body = el("div", { class: "run-body", role: "tabpanel" });
  #cards = new Map(); // "step 1", "call 2" -> the card in the conversation
  element;

  // `others`: summaries of runs it can be compared with.
  constructor(run, goOn, others) {
    this.#run = run;
    this.#goOn = goOn;
    const tabs = el("div", { class: "segments tabs", role: "tablist", "aria-label": "Parts of the run" });
    for (const [name, draw] of [["Steps", () => this.#drawSteps()], ["Tokens", () => new TokenView(run.id).element]]) {
      const tab = el("button", { type: "button", role: "tab", "aria-selected": String(name === "Steps") }, name);
      tab.addEventListener("click", () => {
        for (const other of tabs.children) other.setAttribute("aria-selected", String(other === tab));
        replace(this.#body, draw());
      });
      tabs.append(tab);
    }
    tabs.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = [...tabs.children].find((tab) => tab !== document.activeElement);
      other.focus();
      other.click();
    });
    const spans = spansOf(run);
    this.element = el("article", { class: "run" },
      backLink(),
      el("header", { class: "run-head" },
        el("h2", {}, run.task || "(no task)"),
        el("p", { class: "run-facts" }, statusDot(run), `${run.status}${run.terminal_reason && run.terminal_reason !== "final" ? `: ${run.terminal_reason}` : ""}`,
          ` · ${run.model} · ${new Date(run.created_ms).toLocaleString()} · `, el("span", { class: "mono" }, run.id),
          run.forked_from ? [" · forked from ", el("a", { href: `#/runs/${run.forked_from.run}` }, run.forked_from.run)] : null)),
      this.#actions(others.filter((other) => other.id !== run.id)),
      run.message ? errorCard({ title: run.terminal_reason || "Ended without an answer", message: run.message }) : null,
      this.#figures(spans),
      waterfall(spans, (span) => this.#goTo(span)),
      tabs, this.#body);
    replace(this.#body, this.#drawSteps());
  }

  #actions(others) {
    const { id, status, task } = this.#run;
    const goOn = this.#goOn && status !== "running"
      ? el("button", { type: "button", onclick: () => this.#goOn({ id, title: task, note: "This conversation goes on with a recorded run." }) }, "Go on in the chat")
      : null;
    const choice = el("select", { "aria-label": "Compare with another run" },
      el("option", { value: "" }, "Compare with…"),
      others.map((other) => el("option", { value: other.id }, `${(other.task || "(no task)").slice(0, 60)} · ${ago(other.created_ms)}`)));
    choice.addEventListener("change", () => choice.value && (location.hash = `#/runs/${id}/${choice.value}`));
    return el("div", { class: "actions" }, goOn, others.length > 0 ? choice : null);
  }

  // A new run that shares this one's steps up to `step`.
  async #fork(step, button) {
    button.disabled = true;
    try {
      const answer = await request(`/v1/toccata/runs/${encodeURIComponent(this.#run.id)}/fork`, { method: "POST", body: { step } });
      const { id } = await answer.json();
      const note = step === 0 ? "A fork: everything before the first step." : `A fork: the run up to step ${step}.`;
      if (this.#goOn) this.#goOn({ id, title: this.#run.task, note });
      else location.hash = `#/runs/${id}`;
    } catch (error) {
      button.after(errorCard(inWords(error)));
      button.disabled = false;
    }
  }

  #figures(spans) {
    const { steps, calls, n_tokens } = this.#run;
    const sum = (kind) => spans.filter((s) => s.kind === kind).reduce((t, s) => t + s.end - s.start, 0);
    const total = spans.length > 0 ? Math.max(...spans.map((s) => s.end)) - Math.min(...spans.map((s) => s.start)) : 0;
    const decoded = steps.reduce((n, s) => n + s.decoded, 0);
    const figure = (value, label) => el("div", {}, el("dt", {}, label), el("dd", {}, value));
    return el("dl", { class: "facts" },
      figure(seconds(total), "time"),
      figure(count(steps.length), steps.length === 1 ? "step" : "steps"),
      figure(count(calls.length), calls.length === 1 ? "tool call" : "tool calls"),
      figure(count(steps.reduce((n, s) => n + s.prefilled, 0)), "tokens read"),
      figure(count(decoded), "tokens written"),
      sum("decode") > 0 ? figure(count((decoded / sum("decode")) * 1000), "tok/s") : null,
      figure(count(n_tokens), "in the log"));
  }

  #goTo(span) {
    const card = this.#cards.get(span.target);
    if (!card?.isConnected) return;
    card.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    card.focus({ preventScroll: true });
  }

  // Messages, calls and notes, by step.
  #drawSteps() {
    const { messages, calls, notes, steps } = this.#run;
    const numbers = [...new Set([0, ...steps.map((s) => s.step), ...messages.map((m) => m.step)])].sort((a, b) => a - b);
    const unused = [...calls];
    return numbers.map((n) => {
      const cards = [];
      for (const message of messages.filter((m) => m.step === n)) {
        // What tools said stands in their card.
        if (message.role === "tool") continue;
        if (message.recipient && message.role === "assistant") {
          const at = unused.findIndex((c) => c.step === n && c.recipient === message.recipient && c.arguments === message.content);
          if (at >= 0) {
            cards.push(this.#callCard(unused.splice(at, 1)[0]));
            continue;
          }
        }
        cards.push(messageCard(message));
      }
      while (unused.length > 0 && unused[0].step === n) cards.push(this.#callCard(unused.shift()));
      for (const note of notes.filter((o) => o.step === n)) cards.push(el("p", { class: "notice small" }, `${note.kind}: ${note.detail}`));
      if (cards.length === 0) return null;
      const step = steps.find((s) => s.step === n);
      const section = el("section", { class: "step", tabindex: "-1", "aria-label": n === 0 ? "Before the first step" : `Step ${n}` },
        el("h3", {}, n === 0 ? "Start" : `Step ${n}`, step ? el("span", {}, stepFacts(step)) : null, this.#forkButton(n)), cards);
      this.#cards.set(`step ${n}`, section);
      return section;
    });
  }

  #forkButton(n) {
    if (this.#run.status === "running" || this.#run.steps.length === 0) return null;
    const button = el("button", { type: "button", class: "quiet small fork", title: "A new run that shares everything up to here" }, "Fork here");
    button.addEventListener("click", () => this.#fork(n, button));
    return button;
  }

  #callCard(call) {
    const status = !call.result ? (this.#run.status === "running" ? "running" : "stopped") : call.result.status === "ok" ? "ok" : "failed";
    const { element } = toolView({
      name: call.recipient,
      input: call.arguments,
      output: call.result ? call.result.content + cutNote(call.result) : null,
      status,
      ms: call.result ? call.finished_ms - call.started_ms : undefined,
      files: call.files,
      run: this.#run.id,
      call: call.call,
    }, () => this.#run.messages.flatMap((m) => citationsOf(m.content, m.annotations)));
    element.tabIndex = -1;
    this.#cards.set(`call ${call.call}`, element);
    return element;
  }
}

const cutNote = (object) => (object.content_bytes ? `\n[cut: ${count(object.content_bytes)} bytes in all]` : "");

function stepFacts(step) {
  const parts = [`${count(step.prefilled)} read`, `${count(step.decoded)} written`];
  if (step.finished_ms > 0) parts.push(seconds(step.finished_ms - step.started_ms));
  return parts.join(" · ");
}

function messageCard(message) {
  const label = [message.role, message.channel, message.recipient && `to ${message.recipient}`].filter(Boolean).join(" · ");
  const kind = message.role === "assistant" ? message.channel || "assistant" : message.role;
  const body = el("div", { class: "message-text prose" });
  const text = message.content + cutNote(message);
  // Only what the model wrote for people is Markdown; the rest is shown as it is.
  const citations = citationsOf(message.content, message.annotations);
  if (message.role === "assistant" && !message.recipient) new GrowingMarkdown(body).set(text);
  else append(body, [el("pre", { class: "plain", tabindex: text.length > 2000 ? "0" : null }, text)]);
  linkMarkers(body, citations);
  append(body, [sourcesView(citations)]);
  // The same in every run, and long.
  if (message.role === "system" || message.role === "developer") {
    return el("details", { class: "message", dataset: { kind } }, el("summary", { class: "message-label" }, label), body);
  }
  return el("div", { class: "message", dataset: { kind } },
    el("div", { class: "message-label" }, label, message.complete ? null : " · cut off", el("span", { class: "spacer" }), copyButton(() => message.content)), body);
}
