// Two recorded runs side by side: what they were given, what they took, and where they part.
import { count, el, replace, seconds } from "./dom.js";
import { GrowingMarkdown } from "./markdown.js";
import { toolView } from "./turn.js";

const kEntriesMax = 600; // of a run; the longest common sequence of n and m takes n * m

// What a run consists of, in order: messages and calls with their results.
function entriesOf(run) {
  const unused = [...run.calls];
  const entries = [];
  for (const message of run.messages) {
    if (message.role === "tool") continue;
    if (message.role === "assistant" && message.recipient) {
      const at = unused.findIndex((c) => c.step === message.step && c.recipient === message.recipient && c.arguments === message.content);
      const call = at >= 0 ? unused.splice(at, 1)[0] : null;
      entries.push({
        step: message.step, label: message.recipient, call: { name: message.recipient, input: message.content, output: call?.result?.content ?? null, ok: call?.result?.status === "ok" },
        key: JSON.stringify(["call", message.recipient, message.content, call?.result?.content ?? null]),
      });
    } else {
      const label = [message.role, message.channel].filter(Boolean).join(" · ");
      entries.push({ step: message.step, label, text: message.content, markdown: message.role === "assistant", kind: message.channel || message.role, key: JSON.stringify([label, message.content]) });
    }
  }
  return entries.slice(0, kEntriesMax);
}

// [[left, right]]: equal entries together, others alone; the longest common sequence.
export function aligned(a, b, same = (x, y) => x.key === y.key) {
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; --i) {
    for (let j = b.length - 1; j >= 0; --j) {
      length[i * width + j] = same(a[i], b[j]) ? length[(i + 1) * width + j + 1] + 1 : Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  const rows = [];
  let left = [];
  let right = [];
  const flush = () => {
    for (let k = 0; k < Math.max(left.length, right.length); ++k) rows.push([left[k] ?? null, right[k] ?? null]);
    left = [];
    right = [];
  };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && same(a[i], b[j])) {
      flush();
      rows.push([a[i++], b[j++]]);
    } else if (j === b.length || (i < a.length && length[(i + 1) * width + j] >= length[i * width + j + 1])) left.push(a[i++]);
    else right.push(b[j++]);
  }
  flush();
  return rows;
}

function figuresOf(run) {
  const decoded = run.steps.reduce((n, s) => n + s.decoded, 0);
  return [
    ["status", run.status + (run.terminal_reason && run.terminal_reason !== "final" ? `: ${run.terminal_reason}` : "")],
    ["model", run.model],
    ["time", run.finished_ms ? seconds(run.finished_ms - run.created_ms) : "–"],
    ["steps", count(run.steps.length)],
    ["tool calls", count(run.calls.length)],
    ["tokens read", count(run.steps.reduce((n, s) => n + s.prefilled, 0))],
    ["tokens written", count(decoded)],
  ];
}

// What it was started with. A seed has more digits than a number of this language.
const paramsOf = (run) => Object.entries(run.params ?? {}).map(([name, value]) => {
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) return [name, `about ${value.toExponential(12)}`];
  return [name, typeof value === "string" ? value : JSON.stringify(value)];
});

function entryView(entry) {
  if (entry === null) return el("div", { class: "entry none" });
  const head = el("div", { class: "message-label" }, entry.step > 0 ? `step ${entry.step} · ` : "", entry.label);
  if (entry.call) {
    const { name, input, output, ok } = entry.call;
    return el("div", { class: "entry" }, head, toolView({ name, input, output, status: output === null ? "stopped" : ok ? "ok" : "failed" }).element);
  }
  const body = el("div", { class: "message-text prose" });
  if (entry.markdown) new GrowingMarkdown(body).set(entry.text);
  else body.append(el("pre", { class: "plain" }, entry.text));
  return el("div", { class: "entry message", dataset: { kind: entry.kind } }, head, body);
}

export function compareView(a, b) {
  const rows = aligned(entriesOf(a), entriesOf(b));
  const first = rows.findIndex(([left, right]) => left === null || right === null || left.key !== right.key);
  const list = el("div", { class: "compare-rows" });
  let folded = [];
  const fold = () => {
    if (folded.length === 0) return;
    const label = `${count(folded.length)} ${folded.length === 1 ? "entry" : "entries"} the same: ${[...new Set(folded.map((e) => e.label))].slice(0, 4).join(", ")}`;
    const hidden = folded;
    const body = el("div", {});
    const details = el("details", { class: "same" }, el("summary", {}, label), body);
    details.addEventListener("toggle", () => replace(body, details.open ? hidden.map(entryView) : null));
    list.append(details);
    folded = [];
  };
  for (const [left, right] of rows) {
    if (left !== null && right !== null && left.key === right.key) folded.push(left);
    else {
      fold();
      list.append(el("div", { class: "pair" }, entryView(left), entryView(right)));
    }
  }
  fold();
  const head = (run) => el("th", { scope: "col" }, el("a", { href: `#/runs/${run.id}` }, run.task || "(no task)"), el("div", { class: "run-facts mono" }, run.id));
  const rowsOf = (of, differingOnly) => {
    const [left, right] = [new Map(of(a)), new Map(of(b))];
    return [...new Set([...left.keys(), ...right.keys()])].map((name) => {
      const [x, y] = [left.get(name) ?? "–", right.get(name) ?? "–"];
      if (x === y && differingOnly) return null;
      return el("tr", { class: x === y ? null : "differs" }, el("th", { scope: "row" }, name), el("td", {}, x), el("td", {}, y));
    });
  };
  const figures = [...rowsOf(figuresOf, false), ...rowsOf(paramsOf, true)];
  return el("article", { class: "run compare" },
    el("a", { class: "back", href: "#/runs" }, "‹ All runs"),
    el("h2", {}, "Two runs"),
    el("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Figures" },
      el("table", {}, el("thead", {}, el("tr", {}, el("th", {}), head(a), head(b))), el("tbody", {}, figures))),
    el("p", { class: "notice" }, first < 0 ? "They say and do the same." : `They part in ${rows[first].some((e) => e?.step > 0) ? `step ${Math.max(...rows[first].map((e) => e?.step ?? 0))}` : "what they were given"}.`),
    list);
}
