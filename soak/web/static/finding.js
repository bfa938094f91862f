// A finding with the places in the code that it names.

import { h } from "./dom.js";
import { rate, share } from "./words.js";

const TITLES = { growth: "Growth", peak: "Peak", cleanup: "Cleanup", errors: "Errors", latency: "Latency", stream: "Streams", cpu: "CPU", target: "Target", check: "Check", ceiling: "Ceiling", oom: "Out of memory" };

export const titleOf = (kind) => TITLES[kind] ?? kind;

export function finding(one, number) {
  const mark = one.accepted ? " (accepted)" : one.severity === "warn" ? " (warning)" : "";
  return h("article", { class: "card" },
    h("h3", null, `${number}. ${titleOf(one.kind)}${mark}: ${one.message}`),
    one.sites.map((site) => place(site, one.unit)),
    !one.sites.length && one.no_sites ? h("p", { class: "note" }, one.no_sites) : null,
    h("p", { class: "note" }, "fingerprint ", h("code", null, one.fingerprint)));
}

function place(site, unit) {
  const at = site.likely ?? site;
  const through = site.likely && (site.likely.file !== site.file || site.likely.line !== site.line) ? ` (through ${site.short}:${site.line} ${site.function})` : "";
  const facts = [site.growth_per_hour === null ? null : `${share(site.share)} of it`, `${rate(site.growth_per_hour, unit)}`, site.significant ? null : "not certain", site.owner].filter(Boolean);
  return h("div", { class: "place" },
    h("p", null, h("code", null, `${at.short}:${at.line} ${at.function}${through}`), h("span", { class: "note" }, ` ${facts.join(" · ")}`)),
    site.likely?.code ? h("pre", null, site.likely.code) : null,
    (site.held_by ?? []).slice(0, 1).map((path) => h("p", { class: "note" }, `held by ${path.join(" → ")}`)));
}
