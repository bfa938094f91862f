// Findings over all runs of a target: what is there now, since when, and in which version it began.

import { ask, h, put, s, table } from "./dom.js";
import { titleOf } from "./finding.js";
import { interval, moment, plural, rate, version } from "./words.js";

export async function start(content) {
  let name = new URLSearchParams(location.search).get("name");
  document.title = "soak: findings";
  let newest = null;

  async function show() {
    const found = await ask(name === null ? "/api/findings" : `/api/findings?${new URLSearchParams({ name })}`);
    const choose = (event) => {
      name = event.target.value;
      history.replaceState(null, "", `/findings?${new URLSearchParams({ name })}`);
      show();
    };
    const targets = found.names.length > 1 ? h("label", { class: "search" }, h("span", { class: "note" }, "Target "), h("select", { onchange: choose }, found.names.map((one) => h("option", { value: one, selected: one === found.name }, one)))) : null;
    const there = found.findings.filter((one) => one.present);
    const gone = found.findings.filter((one) => !one.present);
    put(content,
      h("div", { class: "headline" }, h("h1", null, "Findings", found.name ? h("span", { class: "note" }, ` of ${found.name}`) : null), targets),
      there.length ? list("There now", there) : h("p", { class: "empty" }, found.findings.length ? "The latest run has none." : "No run has found anything."),
      gone.length ? [h("h2", null, "Gone"), list("Gone", gone)] : null,
      found.series.length ? [h("h2", null, "Growth per run"), h("div", { class: "card" }, growth(found.series))] : null);
  }
  await show();
  return {
    on: {
      runs: (told) => {
        const text = JSON.stringify(told.newest);
        if (newest !== null && newest !== text) show();
        newest = text;
      },
    },
    back: show,
  };
}

function list(label, findings) {
  const head = [["Finding", ""], ["Growth", "num"], ["Runs", ""], ["Since", ""], ["Seen", "num"]];
  return h("div", { class: "card" }, table(label, head, findings.map(row), { klass: "findings" }));
}

function row(one) {
  const mark = one.accepted ? "accepted" : one.severity === "warn" ? "warning" : null;
  return h("tr", { class: one.present ? "" : "gone" },
    h("td", { class: "where" },
      h("strong", { class: one.present && !mark ? "leak" : "" }, `${titleOf(one.kind)}${one.series ? ` of ${one.series}` : ""}`), mark ? h("span", { class: "note" }, ` ${mark}`) : null,
      one.site ? h("p", null, h("code", null, one.site)) : null,
      h("p", { class: "note" }, one.message)),
    h("td", { class: "num" }, rate(one.growth_per_hour, one.unit), h("p", { class: "note" }, interval(one.ci95, one.unit))),
    h("td", null, bars(one.growth, one.unit)),
    h("td", { class: "since" }, h("a", { href: `/runs/${one.first.id}` }, `run ${one.first.id}`), " ", moment(one.first.started), h("p", { class: "note" }, since(one.first))),
    h("td", { class: "num" }, plural(one.seen.length, "run"), h("p", { class: "note" }, "last ", h("a", { href: `/runs/${one.last.id}` }, one.last.id))));
}

function since(first) {
  if (!first.version) return "";
  if (!first.version_before || first.version_before === first.version) return ["version ", version(first.version)];
  return ["between ", version(first.version_before), " and ", version(first.version)];
}

/** A bar per run, as high as the growth; a run without it is a dot on the ground. Each of `runs` is [there, growth]. */
function bars(runs, unit) {
  const top = Math.max(...runs.map(([, value]) => Math.abs(value ?? 0)), 1e-12);
  const parts = runs.map(([there, value], place) => {
    const height = !there || value === 0 ? 1.5 : value === null ? 22 : Math.max(3, (22 * Math.abs(value)) / top);
    return s("rect", { class: height < 2 ? "bar-none" : "bar-there", x: place * 5, y: 24 - height, width: 4, height });
  });
  const latest = runs.findLast(([, value]) => value !== null)?.[1] ?? null;
  const said = `in ${runs.filter(([there]) => there).length} of the last ${runs.length} runs${latest === null ? "" : `, latest ${rate(latest, unit)}`}`;
  return s("svg", { class: "bars", viewBox: `0 0 ${runs.length * 5} 24`, width: runs.length * 5, height: 24, role: "img", "aria-label": said }, s("title", null, said), parts);
}

function growth(series) {
  const head = [["Series", ""], ["Each run", ""], ["Latest", "num"], ["It changed", ""]];
  return table("Growth per run", head, series.map((one) => {
    const change = one.change;
    return h("tr", null,
      h("th", { scope: "row" }, one.name),
      h("td", null, bars(one.growth, one.unit)),
      h("td", { class: "num" }, rate(one.growth.at(-1)?.[1] ?? null, one.unit)),
      h("td", null, change ? ["from ", h("a", { href: `/runs/${change.run}` }, `run ${change.run}`), " on: ", rate(change.after_per_hour, one.unit), `, ${rate(change.before_per_hour, one.unit)} before`, change.version && change.version !== change.version_before ? [h("br"), h("span", { class: "note" }, "between ", version(change.version_before), " and ", version(change.version))] : null] : h("span", { class: "note" }, "no")));
  }));
}
