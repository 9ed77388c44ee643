// The engine at work, from /metrics: rates of the last minutes, what is in memory, how long tokens take; and which experts
// work, where the model runs here.
import { getJson, request } from "./api.js";
import { inWords } from "./chat.js";
import { count, el, replace, seconds } from "./dom.js";
import { BarPlot, HeatPlot, LinePlot } from "./plot.js";
import { errorCard } from "./turn.js";

const kEveryMs = 1000;
const kSpan = 120; // samples on a plot
const kLoadEvery = 3; // samples between two of the experts

export class EngineView {
  #timer = 0;
  #visible = false;
  #before = null; // {at, metrics}
  #error = el("div", {});
  #facts = el("dl", { class: "facts" });
  #rate = new LinePlot("Writing", "tokens sampled a second", [{ name: "API", kind: "decode" }], kSpan, "tokens a second");
  #reading = new LinePlot("Reading", "prompt tokens a second, counted as calls end", [{ name: "read", kind: "prefill" }, { name: "cached", kind: "cached" }], kSpan, "tokens a second");
  #requests = new LinePlot("Requests", "being served, and waiting", [{ name: "served", kind: "decode" }, { name: "waiting", kind: "danger" }], kSpan, "requests");
  #memory = new LinePlot("Sessions", "tokens at work, and kept for their prefix", [{ name: "at work", kind: "decode" }, { name: "kept", kind: "tool" }], kSpan, "tokens");
  #first = new BarPlot("To the first token", "model calls since the start, by time");
  #each = new BarPlot("Between tokens", "model calls since the start, by mean time");
  #experts = new HeatPlot("Experts", "tokens since the start, a row a layer", ["layer", "expert"]);
  #n = 0;
  element = el("section", { class: "engine", "aria-label": "Engine" },
    el("h1", { class: "view-title" }, "Engine"), this.#error, this.#facts,
    el("div", { class: "plots" }, [this.#rate, this.#reading, this.#experts, this.#requests, this.#memory, this.#first, this.#each].map((p) => p.element)));

  constructor() {
    this.#experts.element.classList.add("experts");
  }

  show() {
    this.#visible = true;
    this.#n = 0;
    this.#before = null;
    clearTimeout(this.#timer);
    this.#tick();
  }
  hide() {
    this.#visible = false;
    clearTimeout(this.#timer);
  }

  async #tick() {
    try {
      if (!document.hidden) {
        this.#draw(parse(await (await request("/metrics")).text()));
        if (this.#n++ % kLoadEvery === 0) this.#drawExperts(await getJson("/v1/toccata/experts"));
      }
      replace(this.#error);
    } catch (error) {
      this.#before = null;
      replace(this.#error, errorCard(inWords(error)));
    }
    if (this.#visible) this.#timer = setTimeout(() => this.#tick(), kEveryMs);
  }

  #draw(m) {
    const now = { at: performance.now(), m };
    const passed = this.#before && (now.at - this.#before.at) / 1000;
    const rate = (name) => (passed ? Math.max(0, (m.value(name) - this.#before.m.value(name)) / passed) : null);
    const sum = (a, b) => (a === null ? null : a + b);
    const written = sum(rate("toccata_sampled_tokens_total"), rate("toccata_agent_output_tokens_total"));
    const read = passed ? Math.max(0, rate("toccata_prompt_tokens_total") - rate("toccata_cached_tokens_total")) : null;
    const cached = rate("toccata_cached_tokens_total");
    this.#rate.push([written]);
    this.#rate.say(written === null ? "–" : count(written), "tok/s");
    this.#reading.push([read, cached]);
    this.#reading.say(read === null ? "–" : count(read), "tok/s");
    const running = m.value("toccata_requests_running");
    this.#requests.push([running, m.value("toccata_requests_waiting")]);
    this.#requests.say(count(running), m.value("toccata_requests_waiting") > 0 ? `+ ${count(m.value("toccata_requests_waiting"))} waiting` : "");
    const working = m.value("toccata_active_session_tokens");
    const kept = m.value("toccata_idle_session_tokens");
    this.#memory.push([working, kept]);
    this.#memory.say(count(working + kept), "tokens");
    this.#histogram(this.#first, m, "toccata_time_to_first_token_seconds");
    this.#histogram(this.#each, m, "toccata_time_per_output_token_seconds");
    this.#drawFacts(m);
    this.#before = now;
  }

  // A model that runs elsewhere does not tell.
  #drawExperts({ tokens }) {
    this.#experts.element.hidden = tokens === null;
    if (tokens === null) return;
    this.#experts.set(tokens);
    const all = tokens.flat();
    const mean = all.reduce((sum, n) => sum + n, 0) / all.length;
    this.#experts.say(mean > 0 ? `${(Math.max(...all) / mean).toFixed(1)}×` : "–", mean > 0 ? "the mean, at most" : "");
  }

  #drawFacts(m) {
    const figure = (value, label) => el("div", {}, el("dt", {}, label), el("dd", {}, value));
    const prompt = m.value("toccata_prompt_tokens_total");
    const decode = m.value("toccata_decode_seconds_total");
    const output = m.value("toccata_output_tokens_total");
    replace(this.#facts,
      figure(count(m.total("toccata_http_requests_total")), "requests"),
      figure(count(m.value("toccata_model_calls_total")), "model calls"),
      figure(count(output + m.value("toccata_agent_output_tokens_total")), "tokens written"),
      figure(prompt > 0 ? `${Math.round((m.value("toccata_cached_tokens_total") / prompt) * 100)} %` : "–", "of prompts cached"),
      figure(decode > 0 ? count(output / decode) : "–", "tok/s in a call, mean"),
      figure(count(m.value("toccata_idle_sessions")), "sessions kept"),
      figure(count(m.value("toccata_agent_turns_total")), "agent turns"));
  }

  #histogram(plot, m, name) {
    const buckets = m.buckets(name);
    let below = 0;
    const bars = buckets.map(({ bound, n }) => {
      const bar = { label: Number.isFinite(bound) ? `≤${seconds(bound * 1000)}` : "more", n: n - below };
      below = n;
      return bar;
    });
    plot.set(bars);
    plot.say(below > 0 ? seconds((m.value(`${name}_sum`) / below) * 1000) : "–", below > 0 ? "mean" : "");
  }
}

// Prometheus' text: lines of `name{labels} value`.
export function parse(text) {
  const values = new Map(); // name -> [{labels, value}]
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    if (!values.has(found[1])) values.set(found[1], []);
    values.get(found[1]).push({ labels: found[2] ?? "", value: found[3] === "+Inf" ? Infinity : Number(found[3]) });
  }
  const rows = (name) => values.get(name) ?? [];
  return {
    value: (name) => rows(name)[0]?.value ?? 0,
    total: (name) => rows(name).reduce((sum, row) => sum + row.value, 0),
    // [{bound in seconds, n: values at or below it}]
    buckets: (name) =>
      rows(`${name}_bucket`).map(({ labels, value }) => {
        const bound = /le="([^"]*)"/.exec(labels)?.[1];
        return { bound: bound === "+Inf" ? Infinity : Number(bound), n: value };
      }),
  };
}
