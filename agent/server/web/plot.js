// Small plots in SVG: a line over time, and bars of a histogram.
import { el, replace, svg } from "./dom.js";
import { ticks } from "./waterfall.js";

// Draws when it is seen and whenever its width changes.
class Plot {
  #box = el("div", { class: "plot-box" });
  #value = el("span", { class: "plot-value" }, "–");
  #width = 0;
  element;

  constructor(title, note) {
    this.element = el("figure", { class: "plot" },
      el("figcaption", {}, el("span", { class: "plot-title" }, title), this.#value, el("span", { class: "plot-note" }, note)), this.#box);
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.#width) return;
      this.#width = width;
      this.draw();
    }).observe(this.#box);
  }
  say(value, unit = "") {
    replace(this.#value, value, unit && el("small", {}, ` ${unit}`));
  }
  draw() {
    if (this.#width > 0) replace(this.#box, this.picture(this.#width));
  }
}

const kHeight = 120;
const kLeft = 40;
const kBottom = 18;

function nice(n) {
  if (n >= 1e6) return `${+(n / 1e6).toPrecision(3)}M`;
  if (n >= 1e4) return `${+(n / 1e3).toPrecision(3)}k`;
  return String(+n.toPrecision(3));
}

function frame(width, top, label) {
  const root = svg("svg", { width, height: kHeight, viewBox: `0 0 ${width} ${kHeight}`, role: "img", "aria-label": label });
  const y = (v) => kHeight - kBottom - (v / top) * (kHeight - kBottom - 8);
  for (const tick of ticks(top, 3)) {
    const at = Math.round(y(tick)) + 0.5;
    root.append(svg("line", { class: "grid", x1: kLeft, x2: width, y1: at, y2: at }),
      svg("text", { class: "tick", x: kLeft - 6, y: at + 4, "text-anchor": "end" }, nice(tick)));
  }
  return { root, y };
}

// Series of numbers over the last `span` samples, newest at the right.
export class LinePlot extends Plot {
  // series: [{name, kind}]; `kind` is the class that colours it.
  constructor(title, note, series, span, unit) {
    super(title, note);
    this.series = series.map((s) => ({ ...s, values: [] }));
    if (series.length > 1) this.element.append(el("div", { class: "legend" }, series.map((s) => el("span", { class: "key" }, el("i", { class: `k-${s.kind}` }), s.name))));
    this.span = span;
    this.unit = unit;
  }
  // One value a series; null where there is none.
  push(values) {
    this.series.forEach((s, i) => {
      s.values.push(values[i]);
      if (s.values.length > this.span) s.values.shift();
    });
    this.draw();
  }
  picture(width) {
    const top = Math.max(1, ...this.series.flatMap((s) => s.values.filter((v) => v !== null))) * 1.1;
    const newest = this.series.map((s) => `${s.name} ${s.values.at(-1) ?? "–"}`).join(", ");
    const { root, y } = frame(width, top, `${newest} ${this.unit}`);
    const x = (i, n) => width - 4 - ((n - 1 - i) / (this.span - 1)) * (width - kLeft - 8);
    for (const { kind, values } of this.series) {
      let path = "";
      let pen = "M";
      values.forEach((v, i) => {
        if (v === null) return (pen = "M");
        path += `${pen}${x(i, values.length).toFixed(1)} ${y(v).toFixed(1)}`;
        pen = "L";
      });
      if (path === "") continue;
      const first = x(values.findIndex((v) => v !== null), values.length).toFixed(1);
      root.append(svg("path", { class: `area ${kind}`, d: `${path}L${width - 4} ${y(0)}L${first} ${y(0)}Z` }), svg("path", { class: `line ${kind}`, d: path }));
    }
    for (const part of [1, 0.5]) {
      const at = kLeft + 4 + (1 - part) * (width - kLeft - 8);
      root.append(svg("text", { class: "tick", x: at, y: kHeight - 4, "text-anchor": part === 1 ? "start" : "middle" }, `−${Math.round(this.span * part)} s`));
    }
    root.append(svg("text", { class: "tick", x: width - 4, y: kHeight - 4, "text-anchor": "end" }, "now"));
    return root;
  }
}

// Bars: [{label, n}].
export class BarPlot extends Plot {
  bars = [];
  set(bars) {
    this.bars = bars;
    this.draw();
  }
  picture(width) {
    const top = Math.max(1, ...this.bars.map((b) => b.n)) * 1.1;
    const { root, y } = frame(width, top, this.bars.map((b) => `${b.label}: ${b.n}`).join(", "));
    const step = (width - kLeft - 4) / Math.max(this.bars.length, 1);
    const every = Math.ceil(46 / step); // labels that do not touch
    this.bars.forEach(({ label, n }, i) => {
      const x = kLeft + 4 + i * step;
      if (n > 0) root.append(svg("rect", { class: "bar", x: x + 1, y: y(n), width: Math.max(step - 2, 1), height: y(0) - y(n), rx: 2 }, svg("title", {}, `${label}: ${n}`)));
      if (i % every === 0) root.append(svg("text", { class: "tick", x: x + step / 2, y: kHeight - 4, "text-anchor": "middle" }, label));
    });
    return root;
  }
}

// Numbers in rows and columns: the more, the fuller the colour.
export class HeatPlot extends Plot {
  rows = [];
  // `names`: what a row and a column are called.
  constructor(title, note, names) {
    super(title, note);
    this.names = names;
  }
  set(rows) {
    this.rows = rows;
    this.draw();
  }
  picture(width) {
    const n = this.rows[0]?.length ?? 1;
    const top = Math.max(1, ...this.rows.map((row) => Math.max(...row)));
    const [row, column] = this.names;
    const root = svg("svg", { width, height: kHeight, viewBox: `0 0 ${width} ${kHeight}`, role: "img", "aria-label": `${this.rows.length} ${row}s of ${n} ${column}s, at most ${nice(top)}` });
    const w = (width - kLeft - 4) / n;
    const h = (kHeight - kBottom - 4) / Math.max(this.rows.length, 1);
    const gap = (size) => (size > 5 ? 1 : 0);
    this.rows.forEach((values, y) => values.forEach((value, x) => {
      root.append(svg("rect", { class: "cell", x: kLeft + x * w, y: 4 + y * h, width: w - gap(w), height: h - gap(h), "fill-opacity": (0.06 + 0.94 * (value / top)).toFixed(3) }));
    }));
    const last = this.rows.length - 1;
    for (const y of new Set([0, last])) root.append(svg("text", { class: "tick", x: kLeft - 6, y: Math.max(12, 4 + (y + 0.5) * h + 4), "text-anchor": "end" }, String(y)));
    root.append(svg("text", { class: "tick", x: kLeft, y: kHeight - 4 }, `${column} 0`), svg("text", { class: "tick", x: width - 4, y: kHeight - 4, "text-anchor": "end" }, String(n - 1)));
    return root;
  }
}
