// The chat: conversations on the left, the open one in the middle, the composer below.
import { ApiFailure, events, getJson, request } from "./api.js";
import { citationsOf } from "./citations.js";
import { ago, announce, el, replace } from "./dom.js";
import { deleteChat, listChats, loadChat, newChat, saveChat } from "./history.js";
import { errorCard, finalText, Turn } from "./turn.js";

const kEfforts = ["low", "medium", "high"];
const kExamples = ["What is 48213 * 977 + 5?", "Is 7919 a prime number?", "Spell toccata backwards."];

// Stays alive while another view is shown: an answer goes on being written.
export class ChatView {
  #chat = newChat();
  #abort = null; // of the answer that is being written
  #status; // of the server: {model, agent: {tools}}
  #pinned = true; // the newest text is kept in sight

  #list = el("ul", { class: "chats" });
  #log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: "0" });
  #input = el("textarea", {
    id: "prompt", rows: "1", placeholder: "Message", "aria-label": "Message", enterkeyhint: "send", maxlength: 1 << 20,
  });
  #send = el("button", { class: "primary", type: "submit" }, "Send");
  #tools = el("div", { class: "switches", role: "group", "aria-label": "Tools the model may call" }); // with any on, the agent answers
  #effort = el("div", { class: "segments", role: "radiogroup", "aria-label": "Reasoning effort" });
  #sidebar = el("aside", { class: "sidebar", "aria-label": "Conversations" });
  #form;
  element;

  constructor(status) {
    this.#status = status;
    const chosen = localStorage.getItem("toccata.effort") ?? "medium";
    for (const effort of kEfforts) {
      const radio = el("input", { type: "radio", name: "effort", value: effort, checked: effort === chosen });
      radio.addEventListener("change", () => localStorage.setItem("toccata.effort", effort));
      this.#effort.append(el("label", { title: `Reasoning effort: ${effort}` }, radio, el("span", {}, effort)));
    }
    this.#form = el("form", { class: "composer" },
      this.#input,
      el("div", { class: "controls" }, this.#effort, this.#toolSwitches(), el("span", { class: "spacer" }), this.#send));
    const toggle = el("button", { class: "quiet chats-toggle", type: "button", "aria-expanded": "false" }, "Conversations");
    toggle.addEventListener("click", () => this.#openSidebar(!this.#sidebar.classList.contains("open"), toggle));
    this.#sidebar.append(el("button", { type: "button", class: "new-chat", onclick: () => this.startNew() }, "New chat"), this.#list);
    this.element = el("section", { class: "chat", "aria-label": "Chat" },
      this.#sidebar,
      el("div", { class: "conversation" }, toggle, this.#log, el("div", { class: "dock" }, this.#form)));
    this.#listen();
    this.#openChat(listChats()[0]?.id);
  }

  // Called whenever the view is shown.
  show() {
    this.#drawList();
    this.#grow();
    if (matchMedia("(hover: hover)").matches) this.#input.focus();
  }

  startNew() {
    this.#stop();
    this.#chat = newChat();
    this.#drawChat();
    this.#drawList();
    this.#openSidebar(false);
    this.#input.focus();
  }

  // A conversation that goes on with a recorded run: its own, or a fork of another.
  goOn({ id, title, note }) {
    this.#stop();
    this.#chat = { ...newChat(), title, agent: true, run: id, note };
    this.#drawChat();
    this.#drawList();
    this.#openSidebar(false);
    this.#input.focus();
  }

  #listen() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#abort) this.#stop();
      else this.#submit();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (this.#abort) this.#steer();
      else this.#submit();
    });
    this.#input.addEventListener("input", () => this.#grow());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#abort) this.#stop();
    });
    this.#log.addEventListener("scroll", () => {
      this.#pinned = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 60;
    });
  }

  #openSidebar(open, toggle = this.element.querySelector(".chats-toggle")) {
    this.#sidebar.classList.toggle("open", open);
    toggle.setAttribute("aria-expanded", String(open));
  }

  // One a tool, only where the server runs agents. A conversation stays what it began as.
  #toolSwitches() {
    const tools = this.#status.agent?.tools ?? [];
    for (const name of tools) {
      const box = el("input", { type: "checkbox", value: name });
      box.addEventListener("change", () => localStorage.setItem("toccata.tools.off", JSON.stringify(tools.filter((t) => !this.#chosenTools().includes(t)))));
      this.#tools.append(el("label", { title: `The model may call ${name}. With any tool on, the run is recorded.` }, box, el("span", {}, name)));
    }
    this.#chooseTools(null);
    return tools.length > 0 ? this.#tools : null;
  }
  #chosenTools() {
    return [...this.#tools.querySelectorAll("input:checked")].map((box) => box.value);
  }
  // Those of a conversation that has begun, which are then fixed; null: as chosen last.
  #chooseTools(fixed) {
    let off = [];
    try {
      off = JSON.parse(localStorage.getItem("toccata.tools.off") ?? "[]");
    } catch {
      // Not ours.
    }
    for (const box of this.#tools.querySelectorAll("input")) {
      box.checked = fixed ? fixed.includes(box.value) : !off.includes?.(box.value);
      box.disabled = fixed !== null;
    }
    this.#tools.title = fixed ? "The tools of a conversation are those of its first message" : "";
  }
  // A conversation from before there was a choice has all.
  #toolsOf(chat) {
    return chat.agent ? (chat.tools ?? this.#status.agent?.tools ?? []) : [];
  }

  // --- Conversations --------------------------------------------------------------------------------------------

  #openChat(id) {
    this.#stop();
    this.#chat = (id && loadChat(id)) || newChat();
    this.#drawChat();
    this.#drawList();
    this.#openSidebar(false);
  }

  #drawList() {
    const rows = listChats().map((chat) => {
      const open = el("button", { type: "button", class: "chat-link", title: chat.title, "aria-current": chat.id === this.#chat.id ? "true" : null, onclick: () => this.#openChat(chat.id) },
        el("span", { class: "chat-title" }, chat.title || "Untitled"), el("span", { class: "chat-time" }, ago(chat.updated)));
      const remove = el("button", { type: "button", class: "quiet remove", "aria-label": `Delete: ${chat.title}`, title: "Delete" }, "×");
      remove.addEventListener("click", () => {
        deleteChat(chat.id);
        if (chat.id === this.#chat.id) this.startNew();
        else this.#drawList();
      });
      return el("li", {}, open, remove);
    });
    replace(this.#list, rows.length > 0 ? rows : el("li", { class: "none" }, "No conversations yet."));
  }

  #drawChat() {
    replace(this.#log);
    const begun = this.#chat.messages.length > 0 || this.#chat.run !== undefined;
    this.#chooseTools(begun ? this.#toolsOf(this.#chat) : null);
    this.#fixEffort(begun && this.#chat.agent === true);
    if (!begun) {
      this.#log.append(this.#welcome());
      return;
    }
    if (this.#chat.note) {
      const to = el("a", { href: `#/runs/${encodeURIComponent(this.#chat.run)}` }, "Show the run");
      this.#log.append(el("p", { class: "notice small" }, this.#chat.note, " ", to));
    }
    for (const message of this.#chat.messages) {
      this.#log.append(message.role === "user" ? userView(message.text) : new Turn(message).element);
    }
    this.#pinned = true;
    requestAnimationFrame(() => this.#follow());
  }

  #welcome() {
    const examples = kExamples.map((text) => {
      const button = el("button", { type: "button", class: "example" }, text);
      button.addEventListener("click", () => {
        this.#input.value = text;
        this.#submit();
      });
      return button;
    });
    return el("div", { class: "welcome" },
      el("h1", {}, "What shall we work on?"),
      el("p", {}, `You talk to ${this.#status.model || "the model of this server"}. Conversations stay in this browser.`),
      el("div", { class: "examples" }, examples));
  }

  // A run's effort stands in its system message, which is written once.
  #fixEffort(fixed) {
    this.#effort.title = fixed ? "The effort of a run is that of its first message" : "";
    for (const radio of this.#effort.querySelectorAll("input")) radio.disabled = fixed;
  }

  #follow() {
    if (this.#pinned) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #grow() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${Math.min(this.#input.scrollHeight + 2, 240)}px`;
  }

  // --- Turns ----------------------------------------------------------------------------------------------------

  #submit() {
    const text = this.#input.value.trim();
    if (text === "" || this.#abort) return;
    if (this.#chat.messages.length === 0 && this.#chat.run === undefined) {
      replace(this.#log);
      this.#chat.tools = this.#chosenTools();
      this.#chat.agent = Boolean(this.#status.agent) && this.#chat.tools.length > 0;
      this.#chooseTools(this.#toolsOf(this.#chat));
    }
    this.#fixEffort(this.#chat.agent === true);
    this.#input.value = "";
    this.#grow();
    const effort = this.#chosenEffort();
    this.#chat.title ||= text.replace(/\s+/g, " ").slice(0, 80);
    this.#chat.messages.push({ role: "user", text });
    this.#log.append(userView(text));
    this.#answer(effort);
  }

  // Said while the agent works: it hears it before its next step, and its notice then stands in the answer.
  async #steer() {
    const input = this.#input.value.trim();
    const { agent, run } = this.#chat;
    if (input === "" || !agent || run === undefined) return;
    this.#input.value = "";
    this.#grow();
    try {
      await request(`/v1/toccata/runs/${encodeURIComponent(run)}/steer`, { method: "POST", body: { input } });
      announce("The agent will hear it before its next step");
    } catch (error) {
      this.#input.value ||= input; // too late: it can still be sent as the next message
      announce(inWords(error).message);
    }
  }

  async #answer(effort) {
    const chat = this.#chat;
    const message = { role: "assistant", parts: [] };
    const turn = new Turn(message, () => this.#follow());
    const abort = new AbortController();
    this.#busy(abort);
    this.#log.append(turn.element);
    this.#pinned = true;
    turn.begin();
    this.#follow();
    saveChat(chat);
    this.#drawList();
    const retry = () => {
      chat.messages.splice(chat.messages.indexOf(message), 1);
      turn.element.remove();
      if (!this.#abort && chat === this.#chat) this.#answer(effort);
    };
    try {
      const answer = chat.agent ? agentRun : completion;
      turn.finish(await answer(turn, chat, effort, abort.signal));
    } catch (error) {
      if (abort.signal.aborted) turn.finish({ stopped: true, run: chat.run });
      else turn.fail(inWords(error), retry);
    }
    chat.messages.push(message);
    if (!saveChat(chat)) turn.notice("This browser has no room left to keep the conversation.");
    if (this.#abort === abort) this.#busy(null);
    this.#drawList();
  }

  #chosenEffort() {
    return this.#effort.querySelector("input:checked")?.value ?? "medium";
  }

  #busy(abort) {
    this.#abort = abort;
    this.#send.textContent = abort ? "Stop" : "Send";
    this.#input.placeholder = abort && this.#chat.agent ? "Add something while it works" : "Message";
    this.#send.classList.toggle("stop", abort !== null);
  }
  #stop() {
    this.#abort?.abort();
  }
}

const userView = (text) => el("div", { class: "user", role: "article", "aria-label": "You" }, text);

export function inWords(error) {
  if (!(error instanceof ApiFailure)) return { title: "This page failed", message: String(error) };
  if (error.status === 0) return { title: "No connection", message: error.message };
  return { title: `Refused: ${error.code || error.status}`, message: error.message };
}

// What was said, as Chat Completions wants it. Answers that failed or were stopped are left out with their question's
// neighbour kept: the model sees that it was asked.
function history(chat) {
  const messages = [];
  for (const message of chat.messages) {
    if (message.role === "user") {
      messages.push({ role: "user", content: message.text });
    } else if (finalText(message) !== "") {
      const reasoning = message.parts.filter((p) => p.type === "reasoning").map((p) => p.text).join("\n\n");
      messages.push({ role: "assistant", content: finalText(message), ...(reasoning && { reasoning }) });
    }
  }
  return messages;
}

// One answer through /v1/chat/completions; its figures.
async function completion(turn, chat, effort, signal) {
  const answer = await request("/v1/chat/completions", {
    method: "POST",
    signal,
    body: { messages: history(chat), reasoning_effort: effort, stream: true, stream_options: { include_usage: true } },
  });
  const stats = {};
  let finish = "";
  for await (const event of events(answer)) {
    if (event.error) throw new ApiFailure(500, event.error.message, event.error.code ?? event.error.type);
    const choice = event.choices?.[0];
    const delta = choice?.delta ?? {};
    const reasoning = delta.reasoning ?? delta.reasoning_content;
    if (reasoning) turn.reasoning(reasoning);
    if (delta.content) turn.text(delta.content);
    for (const call of delta.tool_calls ?? []) {
      const known = turn.message.parts.find((p) => p.id === `call${call.index}`);
      turn.tool(`call${call.index}`, {
        name: call.function?.name ?? known?.name ?? "",
        input: (known?.input ?? "") + (call.function?.arguments ?? ""),
      });
    }
    finish = choice?.finish_reason ?? finish;
    if (event.usage) Object.assign(stats, figures(event.usage, event.timings));
  }
  if (finish === "") throw new ApiFailure(0, "The server ended the answer before it was whole.");
  if (finish === "length") turn.notice("The answer was cut off: there is no room left for more tokens.");
  if (turn.message.parts.length === 0) turn.notice("The model said nothing.");
  return stats;
}

function figures(usage, timings = {}) {
  return {
    prompt: usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output: usage.completion_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
    perSecond: timings.predicted_per_second,
    firstMs: timings.prompt_ms,
  };
}

// One turn of the agent through /v1/toccata/runs: the events of `toccata run --json`. Its log is the server's, so only
// the new message is sent.
async function agentRun(turn, chat, effort, signal) {
  const input = chat.messages.findLast((m) => m.role === "user").text;
  const answer = await request("/v1/toccata/runs", {
    method: "POST",
    signal,
    body: { input, reasoning: effort, ...(chat.run && { run: chat.run }), ...(chat.tools && { tools: chat.tools }) },
  });
  const preambles = new Set();
  let stats = null;
  for await (const event of events(answer)) {
    const item = event.item ?? {};
    if (event.type === "thread.started") chat.run = event.thread_id;
    else if (event.type === "error") throw new ApiFailure(500, event.message, "run failed");
    else if (event.type === "turn.failed") throw new ApiFailure(500, event.error.message, event.terminal_reason);
    else if (event.type === "turn.completed") stats = event.usage;
    else if (item.type === "reasoning") said(turn, event, (text) => turn.reasoning(text));
    else if (item.type === "agent_message") {
      if (item.phase === "preamble") preambles.add(item.id);
      const before = turn.heard?.get(item.id) ?? 0;
      const whole = event.type === "item.completed";
      said(turn, event, (text) => turn.text(text, preambles.has(item.id)));
      if (item.annotations && !(whole && before > 0)) turn.cite(citationsOf(whole ? item.text : item.delta, item.annotations, before));
    } else if (item.type === "error") turn.notice(item.message);
    else if (item.type) turn.tool(item.id, { ...toolFields(item), run: chat.run });
  }
  if (stats === null) throw new ApiFailure(0, "The server ended the run's events before the turn was over.");
  const perSecond = await speed(chat).catch(() => 0); // where runs are not shown
  return { perSecond, prompt: stats.input_tokens, cached: stats.cached_input_tokens, output: stats.output_tokens, reasoning: stats.reasoning_output_tokens, run: chat.run };
}

// Tokens written a second in the steps of the latest turn.
async function speed(chat) {
  const { steps } = await getJson(`/v1/toccata/runs/${encodeURIComponent(chat.run)}`);
  const latest = steps.slice(chat.steps ?? 0).filter((s) => s.first_token_ms !== undefined);
  chat.steps = steps.length;
  const ms = latest.reduce((sum, s) => sum + s.finished_ms - s.first_token_ms, 0);
  return ms > 0 ? (latest.reduce((sum, s) => sum + s.decoded, 0) / ms) * 1000 : 0;
}

// Text comes in pieces; where none came, whole.
function said(turn, event, add) {
  const { id, delta, text } = event.item;
  turn.heard ??= new Map(); // characters of each item
  if (event.type === "item.updated") {
    add(delta);
    turn.heard.set(id, (turn.heard.get(id) ?? 0) + [...delta].length);
  } else if (event.type === "item.completed" && text !== "" && !turn.heard.has(id)) {
    add(text);
  }
}

function toolFields(item) {
  const status = { in_progress: "running", completed: "ok", failed: "failed" }[item.status] ?? "running";
  if (item.type === "command_execution") {
    return { name: "python", input: item.command, output: status === "running" ? null : item.aggregated_output, status, files: item.files };
  }
  if (item.type === "web_search") return { name: "browser.search", input: item.query, output: item.result, status };
  const input = typeof item.arguments === "string" ? item.arguments : JSON.stringify(item.arguments, null, 2);
  const output = item.error?.message ?? item.result?.content?.map((part) => part.text).join("\n") ?? null;
  return { name: [item.server, item.tool].filter(Boolean).join("."), input, output, status };
}
