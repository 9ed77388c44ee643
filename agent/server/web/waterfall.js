// A run on one time axis: a row for each model call and each tool call, reading and writing apart. SVG of our own.
import { count, el, replace, seconds, svg } from "./dom.js";

const kRow = 22;
const kAxis = 24;
const kRowsMax = 400;
const kKinds = { prefill: "reading", decode: "writing", tool: "tool" };

// [{kind, row, label, start, end, target, title}] in milliseconds since 1970. Rows are steps and calls in order of time.
export function spansOf(run) {
  const now = Date.now();
  const spans = [];
  const rows = [
    ...run.steps.map((step) => ({ start: step.started_ms, n: step.step, step })),
    ...run.calls.map((call) => ({ start: call.started_ms, n: call.step, call })),
  ].sort((a, b) => a.start - b.start || a.n - b.n || !!a.call - !!b.call); // a call may take less than a millisecond
  rows.slice(0, kRowsMax).forEach(({ step, call }, row) => {
    if (call) {
      const end = call.finished_ms ?? (run.status === "running" ? now : call.started_ms);
      spans.push({ kind: "tool", row, label: call.recipient, start: call.started_ms, end, target: `call ${call.call}`, title: `${call.recipient}: ${seconds(end - call.started_ms)}` });
      return;
    }
    const end = step.finished_ms || (run.status === "running" ? now : step.started_ms);
    const first = step.first_token_ms ?? step.started_ms;
    const target = `step ${step.step}`;
    const label = `step ${step.step}`;
    if (step.first_token_ms !== undefined) {
      spans.push({ kind: "prefill", row, label, start: step.started_ms, end: first, target, title: `${label}: read ${count(step.prefilled)} tokens in ${seconds(first - step.started_ms)}` });
    }
    spans.push({ kind: "decode", row, label, start: first, end, target, title: `${label}: wrote ${count(step.decoded)} tokens in ${seconds(end - first)}` });
  });
  return spans;
}

// `choose(span)`: a bar was clicked, or chosen by key. The drawing fits the width it gets.
export function waterfall(spans, choose) {
  if (spans.length === 0) return null;
  const figure = el("figure", { class: "waterfall" });
  const used = Object.keys(kKinds).filter((kind) => spans.some((s) => s.kind === kind));
  const legend = el("figcaption", {}, used.map((kind) => el("span", { class: "key" }, el("i", { class: `k-${kind}` }), kKinds[kind])));
  const box = el("div", { class: "waterfall-box" });
  figure.append(legend, box);
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 0 && width !== drawn) replace(box, draw(spans, (drawn = width), choose));
  }).observe(box);
  return figure;
}

function draw(spans, width, choose) {
  const begin = Math.min(...spans.map((s) => s.start));
  const length = Math.max(...spans.map((s) => s.end)) - begin || 1;
  const left = Math.min(132, width * 0.3);
  const x = (ms) => left + ((ms - begin) / length) * (width - left - 12);
  const n_rows = spans.at(-1).row + 1;
  const height = kAxis + n_rows * kRow + 4;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Timeline, ${seconds(length)}` });
  for (const tick of ticks(length, Math.max(2, Math.floor(width / 130)))) {
    const at = Math.round(x(begin + tick)) + 0.5;
    root.append(svg("line", { class: "grid", x1: at, x2: at, y1: kAxis - 6, y2: height }),
      svg("text", { class: "tick", x: at, y: 12, "text-anchor": tick === 0 ? "start" : "middle" }, tick === 0 ? "0" : seconds(tick)));
  }
  let labelled = -1;
  for (const span of spans) {
    const y = kAxis + span.row * kRow;
    if (span.row !== labelled) {
      labelled = span.row;
      const label = span.label.length > 18 ? `${span.label.slice(0, 17)}…` : span.label;
      root.append(svg("text", { class: span.kind === "tool" ? "row tool-row" : "row", x: span.kind === "tool" ? 12 : 0, y: y + 14.5 }, label));
    }
    const bar = svg("rect", {
      class: `bar-${span.kind}`, x: x(span.start), y: y + 4, width: Math.max(x(span.end) - x(span.start), 2), height: kRow - 9, rx: 2.5,
      tabindex: "0", role: "button", "aria-label": span.title,
    }, svg("title", {}, span.title));
    bar.addEventListener("click", () => choose(span));
    bar.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(span);
    });
    root.append(bar);
  }
  return root;
}

// Round numbers of milliseconds from 0 to `length`, about `n` of them.
export function ticks(length, n) {
  const raw = length / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const all = [];
  for (let at = 0; at <= length * 0.97; at += step) all.push(at);
  return all;
}
