// Where a run stands: its cycles as a strip that fills up, with the quiet phases in it.

import { h, s } from "./dom.js";
import { amount, duration, short, verdict } from "./words.js";

/** `status` as the daemon tells it; `quiet` (share of a cycle) where it is known. */
export function strip(status, { link = false, quiet = 0.15 } = {}) {
  const cycleSeconds = (status.t + status.seconds_left) / status.cycles;
  const failed = status.errors ? `, ${short(status.errors)} failed` : "";
  const facts = [
    `${status.phase} phase`,
    `${duration(Math.round(status.seconds_left))} left`,
    `rss ${amount(status.rss, "bytes")}`,
    `${short(status.rate)} req/s`,
    `${short(status.requests)} landed${failed}`,
  ];
  return [
    h("p", { class: "strip-line" },
      link ? verdict(status.verdict, { soFar: true, small: true }) : null,
      link ? h("a", { href: `/runs/${status.run_id}` }, `Run ${status.run_id}`) : null,
      h("strong", null, `cycle ${status.cycle + 1} of ${status.cycles}`),
      h("span", { class: "facts" }, facts.join(" · "))),
    drawing(status, cycleSeconds, quiet),
  ];
}

function drawing(status, cycleSeconds, quiet) {
  const whole = cycleSeconds * status.cycles;
  const x = (t) => ((100 * Math.min(Math.max(t, 0), whole)) / whole).toFixed(2);
  const parts = [s("rect", { class: "strip-all", x: 0, y: 0, width: 100, height: 10 })];
  for (let cycle = 0; cycle < status.cycles; cycle += 1) {
    const end = (cycle + 1) * cycleSeconds;
    const begin = end - cycleSeconds * quiet;
    parts.push(s("rect", { class: "strip-quiet", x: x(begin), y: 0, width: x(end) - x(begin), height: 10 }));
  }
  parts.push(s("rect", { class: "strip-done", x: 0, y: 6.5, width: x(status.t), height: 3.5 }));
  for (let cycle = 1; cycle < status.cycles; cycle += 1) {
    parts.push(s("rect", { class: "strip-edge", x: x(cycle * cycleSeconds) - 0.1, y: 0, width: 0.2, height: 10 }));
  }
  const said = `${Math.round((100 * Math.max(status.t, 0)) / whole)} % of the run`;
  return s("svg", { class: "strip", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": said }, parts);
}
