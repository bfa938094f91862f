// One curve: lowest and highest as a band, troughs, slope with its interval, quiet phases, gaps, segments.
// The same picture as in the HTML report, drawn again as the run goes on.

import { h, s } from "./dom.js";
import { amount, duration, interval, rate, sizeOf } from "./words.js";

const HEIGHT = 190;
const LEFT = 62;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const HOUR = 3600;
const MOST_POINTS = 900;

export class Chart {
  /** `run` has cycles, quiet_seconds, gaps, segments, planned end; `unit` as in the store. */
  constructor(name, unit, { kind = "band" } = {}) {
    Object.assign(this, { name, unit, kind, points: [], run: null, judged: null, row: null, at: null, width: 0, asked: false });
    this.readout = h("output", { class: "readout" });
    this.note = h("span", { class: "note" });
    this.title = h("strong", null, name);
    this.box = h("div", { class: "plot", tabindex: 0, role: "img", "aria-label": `Chart of ${name}` });
    this.figure = h("figure", { class: "chart-card" }, h("figcaption", null, this.title, this.readout, this.note), this.box);
    this.box.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.box.addEventListener("pointerleave", () => this.#look(null));
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("blur", () => this.#look(null));
    new ResizeObserver(([entry]) => {
      this.width = Math.floor(entry.contentRect.width);
      this.draw();
    }).observe(this.box);
  }

  /** The whole curve: [t, low, high] each, or for lines [t, ...values]. */
  set(points) {
    this.points = points;
    this.draw();
  }

  /** Values that came since, as [t, value]; what is known already is left out. */
  add(rows) {
    const last = this.points.at(-1)?.[0] ?? -1;
    for (const [t, ...values] of rows) {
      if (t > last) this.points.push(values.length > 1 ? [t, ...values] : [t, values[0], values[0]]);
    }
    if (this.points.length > MOST_POINTS && this.kind === "band") this.points = halved(this.points);
    this.draw();
  }

  /** Draws with the next frame, however often it is asked. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (this.width > 0 && this.run) this.#paint();
    });
  }

  #paint() {
    const axes = this.axes = axesOf(this);
    const svg = s("svg", { class: "live", viewBox: `0 0 ${this.width} ${HEIGHT}`, width: this.width, height: HEIGHT, "aria-hidden": "true" },
      background(this.run, axes), grid(this, axes), this.kind === "band" ? this.#band(axes) : lines(this.points, axes),
      slope(this, axes), floors(this, axes), marks(this.run, axes), this.#cursor(axes));
    this.box.replaceChildren(svg);
    this.#say();
  }

  #band(axes) {
    const wide = spacing(this.points);
    const sparse = this.run.cycle_seconds && wide > 0.4 * this.run.cycle_seconds;
    const runs = stretches(this.points, 4 * wide);
    const parts = runs.map((run) => s("path", { class: sparse ? "thread" : "band", d: sparse ? line(run, axes, 1) : area(run, axes) }));
    if (sparse) for (const [t, low] of this.points) if (low !== null) parts.push(s("circle", { class: "dot-value", cx: axes.x(t), cy: axes.y(low), r: 2.5 }));
    return parts;
  }

  #cursor(axes) {
    const point = this.#shown();
    if (this.at === null || !point) return [];
    const x = axes.x(point[0]);
    return [s("line", { class: "cursor", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM })];
  }

  #shown() {
    if (this.at === null) return this.points.findLast((point) => point[1] !== null) ?? null;
    return this.points[Math.min(this.at, this.points.length - 1)] ?? null;
  }

  #say() {
    const point = this.#shown();
    if (!point) {
      this.readout.textContent = "";
      return;
    }
    const [t, ...values] = point;
    const there = values.filter((value) => value !== null);
    const same = new Set(there.map((value) => amount(value, this.unit))).size < 2;
    const words = this.kind === "band" && !same ? `${amount(there[0], this.unit)} to ${amount(there[1], this.unit)}` : this.kind === "band" ? amount(there[0], this.unit) : this.names.map((name, place) => `${name} ${amount(values[place], this.unit)}`).join(" · ");
    const cycle = this.run.cycle_seconds ? `, cycle ${Math.floor(Math.max(t, 0) / this.run.cycle_seconds) + 1}` : "";
    const when = this.at === null ? "" : ` at ${duration(t)}${cycle}`;
    this.readout.textContent = there.length ? words + when : `no value${when}`;
  }

  /** What was judged so far, in words beside the name. */
  judge(row) {
    this.row = row;
    if (!row || row.growth_per_hour === null) this.note.replaceChildren();
    else {
      const limit = row.limit_per_hour === null ? "" : `, limit ${amount(row.limit_per_hour, row.unit)}/h`;
      const text = `${rate(row.growth_per_hour, row.unit)} (${interval(row.ci95, row.unit)}${limit})`;
      this.note.replaceChildren(text, " ", h("b", { class: row.gates ? row.verdict : "" }, row.gates ? row.verdict : ""));
      this.box.setAttribute("aria-label", `Chart of ${this.name}: ${text} ${row.gates ? row.verdict : ""}`);
    }
  }

  #point(x) {
    if (!this.axes || !this.points.length) return;
    const t = this.axes.t(x);
    let best = 0;
    for (let i = 1; i < this.points.length; i += 1) if (Math.abs(this.points[i][0] - t) < Math.abs(this.points[best][0] - t)) best = i;
    this.#look(best);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[event.key];
    if (step === undefined || !this.points.length) return;
    event.preventDefault();
    const from = this.at ?? this.points.length - 1;
    this.#look(Math.min(Math.max(from + step, 0), this.points.length - 1));
  }

  #look(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }
}

/** Half as many points: each two become their lowest and highest. */
export function halved(points) {
  const kept = [];
  for (let i = 0; i < points.length; i += 2) {
    const [a, b] = [points[i], points[i + 1] ?? points[i]];
    const lows = [a[1], b[1]].filter((value) => value !== null);
    const highs = [a[2], b[2]].filter((value) => value !== null);
    kept.push([(a[0] + b[0]) / 2, lows.length ? Math.min(...lows) : null, highs.length ? Math.max(...highs) : null]);
  }
  return kept;
}

function axesOf(chart) {
  const { points, run, width } = chart;
  const values = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
  let low = values.length ? Math.min(...values) : 0;
  let high = values.length ? Math.max(...values) : 1;
  if (chart.kind === "lines") low = 0;
  const room = 0.06 * (high - low) || Math.max(chart.unit === "ratio" ? 0.01 : 1, 0.05 * Math.abs(high));
  low = low >= 0 ? Math.max(0, low - room) : low - room;
  high += room;
  const end = Math.max(run.end ?? 0, points.at(-1)?.[0] ?? 0, 1);
  const across = width - LEFT - RIGHT;
  const down = HEIGHT - TOP - BOTTOM;
  const inside = (share) => Math.min(Math.max(share, 0), 1);
  return {
    low, high, end, width,
    x: (t) => round(LEFT + inside(t / end) * across),
    y: (value) => round(HEIGHT - BOTTOM - inside((value - low) / (high - low)) * down),
    t: (x) => ((x - LEFT) / across) * end,
  };
}

const round = (value) => Math.round(value * 10) / 10;

function background(run, axes) {
  const height = HEIGHT - TOP - BOTTOM;
  const rect = (klass, t0, t1, ...said) => s("rect", { class: klass, x: axes.x(t0), y: TOP, width: Math.max(1, axes.x(t1) - axes.x(t0)), height }, said);
  const quiet = [];
  for (let end = run.cycle_seconds; run.cycle_seconds && end <= axes.end + 1e-6; end += run.cycle_seconds) quiet.push(rect("quiet", end - run.quiet_seconds, end));
  return [quiet, run.gaps.map(([t0, t1, why]) => rect("gap", t0, t1 ?? axes.end, s("title", null, `gap: ${why}`)))];
}

function grid(chart, axes) {
  const factor = chart.unit === "bytes" ? sizeOf(axes.high)[1] : chart.unit === "ratio" ? 0.01 : 1;
  const parts = ticks(axes.low / factor, axes.high / factor).map((tick) => {
    const y = axes.y(tick * factor);
    return [s("line", { class: "grid", x1: LEFT, x2: axes.width - RIGHT, y1: y, y2: y }), s("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, amount(tick * factor, chart.unit))];
  });
  const cycles = chart.run.cycle_seconds ? Math.round(axes.end / chart.run.cycle_seconds) : 0;
  const step = Math.max(1, Math.ceil(cycles / Math.max(2, Math.floor(axes.width / 48))));
  for (let cycle = 0; cycle < cycles; cycle += step) {
    parts.push(s("text", { x: axes.x((cycle + 0.5) * chart.run.cycle_seconds), y: HEIGHT - 7, "text-anchor": "middle" }, cycle + 1));
  }
  return parts;
}

/** Round numbers between `low` and `high`. */
export function ticks(low, high, wanted = 4) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let place = Math.ceil(low / step); place * step <= high + step * 1e-9; place += 1) found.push(place * step);
  return found;
}

function spacing(points) {
  const steps = points.slice(1).map((point, i) => point[0] - points[i][0]).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Runs of points between gaps: a value that could not be told, or much more time than usual between two. */
function stretches(points, longest) {
  const runs = [[]];
  for (const point of points) {
    const run = runs.at(-1);
    if (point[1] === null) {
      if (run.length) runs.push([]);
    } else if (run.length && longest && point[0] - run.at(-1)[0] > longest) runs.push([point]);
    else run.push(point);
  }
  return runs.filter((run) => run.length);
}

const line = (run, axes, place) => `M${run.map((point) => `${axes.x(point[0])},${axes.y(point[place])}`).join("L")}`;

const area = (run, axes) => `${line(run, axes, 2)}L${run.toReversed().map((point) => `${axes.x(point[0])},${axes.y(point[1])}`).join("L")}Z`;

function lines(points, axes) {
  const count = Math.max(0, ...points.map((point) => point.length - 1));
  return Array.from({ length: count }, (_, place) => {
    const there = points.filter((point) => point[place + 1] !== null);
    const dots = there.length === 1 ? [s("circle", { class: `line-dot line-${place}`, cx: axes.x(there[0][0]), cy: axes.y(there[0][place + 1]), r: 3 })] : [];
    return there.length ? [s("path", { class: `line line-${place}`, d: line(there, axes, place + 1) }), dots] : [];
  });
}

function slope(chart, axes) {
  const { row, judged } = chart;
  if (!row || !judged || !row.ci95 || row.ci95[0] === null || row.ci95[1] === null) return [];
  return judged.lines.map((part) => {
    const along = (perHour, t, value) => [part.from, part.to].map((at) => `${axes.x(at)},${axes.y(value + (perHour * (at - t)) / HOUR)}`);
    const middle = [part.t, part.value];
    const wedge = [...along(row.ci95[0], ...middle), ...along(row.ci95[1], ...middle).toReversed()];
    const first = part.value + (row.growth_per_hour * (part.from - part.t)) / HOUR;
    return [
      s("path", { class: "wedge", d: `M${wedge.join("L")}Z` }),
      s("path", { class: "slope", d: `M${along(row.growth_per_hour, ...middle).join("L")}` }),
      row.limit_per_hour === null ? null : s("path", { class: "limit", d: `M${along(row.limit_per_hour, part.from, first).join("L")}` }),
    ];
  });
}

const floors = (chart, axes) =>
  (chart.judged?.floors ?? []).map(([t, value, used], place) =>
    value === null || (!used && t > (chart.points.at(-1)?.[0] ?? 0)) ? null : s("circle", { class: used ? "floor" : "floor left", cx: axes.x(t), cy: axes.y(value), r: 3.2 }, s("title", null, `trough ${place + 1}: ${amount(value, chart.unit)}`)));

const marks = (run, axes) =>
  run.segments.map(([t, why]) => s("line", { class: "segment", x1: axes.x(t), x2: axes.x(t), y1: TOP, y2: HEIGHT - BOTTOM }, s("title", null, `new segment: ${why}`)));
