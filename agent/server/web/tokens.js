// The token log of a run as it is: every token a cell, control tokens visible, each channel in its colour.
import { getJson } from "./api.js";
import { append, count, el, replace } from "./dom.js";
import { errorCard } from "./turn.js";

const kLimit = 3000; // tokens asked for at once
const kOrigins = {
  prompt: "prompt", user: "user", sampled: "written by the model", tool: "tool result", forced: "written by the program",
  edited: "rewritten history", rollback: "taken back",
};

export class TokenView {
  #id;
  #next = 0;
  #state = { where: "", role: "", channel: "" }; // where: "role", "channel", "header", "text" of the message that is read
  #log = el("div", { class: "tokens" });
  #more = el("button", { type: "button" }, "More tokens");
  #note = el("p", { class: "muted small" }, "Reading…");
  #inspector = el("output", { class: "token-facts mono" }, "Point at a token.");
  element;

  constructor(id) {
    this.#id = id;
    this.#more.hidden = true;
    this.#more.addEventListener("click", () => this.#load());
    const legend = ["user", "system", "analysis", "commentary", "final", "tool"].map((c) => el("span", { class: "key" }, el("i", { class: `ch-${c}` }), c));
    this.element = el("div", { class: "token-view" }, el("div", { class: "token-bar" }, el("div", { class: "legend" }, legend), this.#inspector), this.#note, this.#log, this.#more);
    for (const type of ["pointerover", "focusin"]) this.#log.addEventListener(type, (event) => this.#inspect(event.target));
    this.#load();
  }

  async #load() {
    this.#more.disabled = true;
    try {
      const page = await getJson(`/v1/toccata/runs/${encodeURIComponent(this.#id)}/tokens?offset=${this.#next}&limit=${kLimit}`);
      for (const segment of page.segments) this.#show(segment);
      this.#next = page.next ?? page.n_tokens;
      this.#note.textContent = `${count(this.#next)} of ${count(page.n_tokens)} tokens, read with the vocabulary of this server's model.`;
      this.#more.hidden = page.next === null;
    } catch (error) {
      replace(this.#note, errorCard({ title: "No tokens", message: error.message }));
    }
    this.#more.disabled = false;
  }

  #inspect(cell) {
    if (cell.dataset?.id === undefined) return;
    this.#inspector.textContent = `${cell.dataset.id}  ${JSON.stringify(cell.dataset.text ?? cell.textContent)}  ${kOrigins[cell.parentElement.dataset.kind] ?? ""}`;
  }

  #show(segment) {
    const cells = el("span", { class: "segment", dataset: { kind: segment.kind }, title: null });
    const special = new Set(segment.special);
    segment.tokens.forEach((token, i) => {
      const text = segment.texts[i];
      append(cells, [special.has(i) ? this.#control(token, text) : this.#text(token, text)]);
    });
    this.#log.append(cells);
  }

  #control(token, text) {
    const name = text.replace(/^<\||\|>$/g, "");
    const before = this.#colour(); // `<|channel|>` and what closes a message belong to it
    if (name === "start") this.#state = { where: "role", role: "", channel: "" };
    else if (name === "channel") this.#state.where = "channel";
    else if (name === "message") this.#state.where = "text";
    else if (name === "constrain") this.#state.where = "header";
    const colour = name === "end" || name === "call" || name === "return" ? before : this.#colour();
    const cell = el("span", { class: `token control ${colour}`, dataset: { id: token } }, text);
    return name === "start" ? [el("br"), cell] : cell;
  }

  #text(token, text) {
    const state = this.#state;
    if (state.where === "role") state.role += text;
    if (state.where === "channel") {
      state.channel += text;
      // "commentary to=python": what follows the name is the rest of the header.
      if (/\s/.test(state.channel.trimStart())) state.where = "header";
    }
    // Line ends are seen and break the line.
    const shown = text === "" ? `#${token}` : text.replaceAll("\n", "↵\n");
    return el("span", { class: `token ${state.where === "text" ? "" : "head"} ${this.#colour()}`, dataset: { id: token, text } }, shown);
  }

  #colour() {
    if (this.#state.where === "role" || this.#state.where === "") return "ch-none";
    const role = this.#state.role.trim().split(/\s/)[0];
    const channel = this.#state.channel.trim().split(/\s/)[0];
    if (role === "user") return "ch-user";
    if (role === "system" || role === "developer") return "ch-system";
    if (["analysis", "commentary", "final"].includes(channel) && (role === "assistant" || role === "")) return `ch-${channel}`;
    if (role !== "assistant" && role !== "") return "ch-tool";
    return "ch-none";
  }
}
