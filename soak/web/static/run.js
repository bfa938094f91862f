// One run: the verdict, then what was found, then the curves, while it goes on and afterwards.

import { ask, h, put, table } from "./dom.js";
import { Chart } from "./chart.js";
import { finding } from "./finding.js";
import { strip } from "./strip.js";
import { amount, duration, interval, moment, plural, rate, short, verdict } from "./words.js";

export async function start(content, id) {
  const head = h("header");
  const now = h("section", { class: "card now", hidden: true, "aria-label": "Progress" });
  const findings = h("section", { id: "findings", "aria-label": "Findings" });
  const grid = h("div", { class: "charts" });
  const load = h("div", { class: "charts" });
  const more = h("details", { class: "more" }, h("summary", null, "More series"));
  const series = h("section", { "aria-label": "Series" });
  const evidence = h("section", { "aria-label": "Evidence" });
  document.title = `soak: run ${id}`;
  put(content, head, now, findings, h("section", { "aria-label": "Curves" }, h("h2", null, "Curves"), legend(), grid, more), h("section", { "aria-label": "Load" }, h("h2", null, "Load"), load), series, evidence);

  const charts = new Map();
  const elsewhere = new Set(); // series that are not shown unasked
  let view = await ask(`/api/runs/${id}`);
  const shared = () => ({ ...view.run, gaps: view.gaps, segments: view.segments, end: endOf(view) });
  const rates = new Chart("requests per second", "rate", { kind: "lines" });
  const latency = new Chart("latency of a cycle", "ms", { kind: "lines" });
  rates.names = ["landed", "failed", "due"];
  latency.names = ["p50", "p95", "p99"];
  put(load, rates.figure, latency.figure);

  function show() {
    const running = view.run.status === "running";
    put(head, ...headOf(view, running));
    now.hidden = !running;
    put(findings, ...findingsOf(view, running));
    put(series, ...seriesOf(view));
    put(evidence, ...evidenceOf(view));
    for (const chart of charts.values()) judge(chart);
    rates.run = latency.run = shared();
    latency.set(view.load.latency.map(([cycle, ...values]) => [(cycle - 0.5) * view.run.cycle_seconds, ...values]));
    rates.draw();
  }

  function judge(chart) {
    chart.run = shared();
    chart.judged = view.floors[chart.name] ?? null;
    chart.judge(view.series.find((row) => row.name === chart.name) ?? null);
    chart.draw();
  }

  function draw(found, place) {
    for (const one of found.series) {
      if (!charts.has(one.name)) {
        const chart = new Chart(one.name, one.unit);
        charts.set(one.name, chart);
        place.append(chart.figure);
      }
      const chart = charts.get(one.name);
      chart.set(one.points);
      judge(chart);
    }
  }

  const curves = async () => {
    const found = await ask(`/api/runs/${id}/curves`);
    draw(found, grid);
    rates.set(found.load);
    if (!found.series.length) put(grid, h("p", { class: "empty" }, "No samples yet."));
    else grid.querySelector(".empty")?.remove();
    if (more.open) await others();
  };
  const others = async () => draw(await ask(`/api/runs/${id}/curves?more=1`), more.querySelector(".charts") ?? more.appendChild(h("div", { class: "charts" })));
  more.addEventListener("toggle", () => more.open && others());

  const again = async () => {
    view = await ask(`/api/runs/${id}`);
    show();
    if (grid.querySelector(".empty") || view.run.status !== "running") await curves();
  };
  show();
  return {
    on: {
      status: (status) => status.run?.run_id === id && put(now, ...strip(status.run, { quiet: view.run.quiet_seconds / view.run.cycle_seconds })),
      changed: again,
      points: ({ series: fresh, load: windows }) => {
        const unknown = Object.keys(fresh).filter((name) => !charts.has(name) && !elsewhere.has(name));
        unknown.forEach((name) => elsewhere.add(name)); // those that are asked for and do not come
        if (unknown.length) curves();
        for (const [name, rows] of Object.entries(fresh)) charts.get(name)?.add(rows);
        rates.add(windows);
      },
    },
    back: async () => {
      await again();
      await curves();
    },
    ready: curves,
  };
}

const endOf = ({ run, cycles }) => Math.max(run.cycles_planned && run.status === "running" ? run.cycles_planned * run.cycle_seconds : 0, cycles.at(-1)?.[1] ?? 0);

function headOf({ run, summary, next_steps, python, judged }, running) {
  const facts = [
    `on ${run.host}`,
    run.cycles_planned ? `${judged ?? 0} of ${run.cycles_planned} cycles of ${duration(run.cycle_seconds)} judged` : `cycles of ${duration(run.cycle_seconds)}`,
    python ? `Python ${python}` : null,
    run.version ? `version ${run.version.slice(0, 12)}` : null,
    run.baseline ? `baseline ${run.baseline}` : null,
    run.status === "completed" ? `took ${duration(run.duration_s)}` : run.status,
  ].filter(Boolean);
  return [
    h("h1", null, verdict(run.verdict, { soFar: running }), " ", run.name, h("span", { class: "note" }, ` run ${run.id}`)),
    summary ? h("p", null, h("strong", null, summary)) : null,
    run.error?.message ? h("p", { class: "error", role: "alert" }, run.error.message) : null,
    h("p", { class: "facts" }, moment(run.started), " · ", facts.join(" · ")),
    ...next_steps.map((step) => h("p", null, `Next: ${step}`)),
    judged ? h("p", null, h("a", { href: `/runs/${run.id}/report.html` }, "The whole report"), h("span", { class: "note" }, " with code lines, types, who holds them and the flame graph")) : null,
  ];
}

function findingsOf(view, running) {
  if (!view.findings.length) {
    const said = view.judged ? "No findings." : running ? "Nothing is judged yet: the first verdict comes after the first cycles." : "Nothing was judged.";
    return [h("p", { class: "empty" }, said)];
  }
  return [h("h2", null, running ? "Findings so far" : "Findings"), ...view.findings.map((one, place) => finding(one, place + 1))];
}

function seriesOf(view) {
  const rows = view.series.filter((row) => row.gates || row.growth_per_hour !== null);
  if (!rows.length) return [];
  const head = [["Series", ""], ["Growth/h", "num"], ["95 %", "num"], ["Limit/h", "num"], ["Would see from", "num"], ["Floor", "num"], ["Peak", "num"], ["Verdict", ""]];
  const body = rows.map((row) =>
    h("tr", null,
      h("th", { scope: "row" }, row.name),
      h("td", { class: "num" }, rate(row.growth_per_hour, row.unit).replace(/\/h$/, "")),
      h("td", { class: "num" }, interval(row.ci95, row.unit)),
      ...["limit_per_hour", "detectable_per_hour", "floor", "peak"].map((key) => h("td", { class: "num" }, amount(row[key], row.unit))),
      h("td", null, row.limit_per_hour === null ? h("span", { class: "note" }, "no limit") : h("span", { class: row.gates ? row.verdict : "note" }, row.accepted ? "accepted" : row.verdict, row.cycles_needed && row.verdict === "inconclusive" ? `, ${plural(row.cycles_needed, "more cycle")}` : ""))));
  return [h("h2", null, "Series"), h("div", { class: "card" }, table("Series", head, body))];
}

function evidenceOf({ evidence, load, gaps }) {
  const due = load.due ? `${short(load.landed)} of ${short(load.due)} requests landed, ${short(load.failed)} failed, ${short(load.dropped)} dropped.` : null;
  const lines = evidence.map(([message, weakens]) => h("p", null, message, weakens ? h("span", { class: "inconclusive" }, " (weakens a clean verdict)") : null));
  if (!lines.length && !due && !gaps.length) return [];
  return [h("h2", null, "Evidence"), h("div", { class: "card" }, due ? h("p", null, due) : null, lines, gaps.slice(0, 20).map(([t0, t1, why]) => h("p", { class: "note" }, `gap at ${duration(t0)}${t1 === null ? "" : ` of ${duration(t1 - t0)}`}: ${why}`)))];
}

const legend = () =>
  h("ul", { class: "legend", "aria-hidden": "true" },
    [["i-band", "lowest to highest"], ["i-floor", "trough of a cycle"], ["i-slope", "growth and its 95 % interval"], ["i-limit", "what the limit allows"], ["i-quiet", "quiet phase"]].map(([mark, text]) => h("li", null, h("i", { class: mark }), text)));
