// All runs: what goes on now, then a page of the list, with a search.

import { ask, h, put, table } from "./dom.js";
import { duration, moment, plural, verdict, version } from "./words.js";
import { strip } from "./strip.js";

const PAGE = 50;

export async function start(content) {
  const query = new URLSearchParams(location.search);
  const state = { text: query.get("q") ?? "", offset: Number(query.get("from") ?? 0) || 0, newest: null };
  const now = h("section", { "aria-label": "Now" });
  const list = h("div");
  const search = h("input", { type: "search", id: "search", value: state.text, placeholder: "leak, orders-api, 3f2a…", autocomplete: "off" });
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(search.value, 0), 150);
  });
  document.title = "soak: runs";
  put(content, now, h("div", { class: "headline" }, h("h1", null, "Runs"), h("label", { class: "search" }, h("span", { class: "note" }, "Find "), search)), list);

  async function show(text, offset) {
    Object.assign(state, { text, offset });
    const asked = new URLSearchParams({ q: text, offset, limit: PAGE });
    const found = await ask(`/api/runs?${asked}`);
    if (text !== state.text || offset !== state.offset) return; // somebody typed on
    const kept = new URLSearchParams({ ...(text && { q: text }), ...(offset && { from: offset }) }).toString();
    history.replaceState(null, "", kept ? `/?${kept}` : "/");
    put(list, ...rows(found, text, (to) => show(text, to)));
  }
  await show(state.text, state.offset);
  return {
    on: {
      status: (status) => put(now, ...standing(status)),
      runs: ({ newest }) => {
        const told = JSON.stringify(newest);
        if (state.newest !== null && state.newest !== told) show(state.text, state.offset);
        state.newest = told;
      },
    },
    back: () => show(state.text, state.offset),
  };
}

function standing(status) {
  if (status.run) return [h("div", { class: "card now" }, strip(status.run, { link: true }))];
  const last = status.last;
  return [
    h("p", { class: "facts" },
      `${status.name}: ${status.phase}`,
      status.next_start ? [", next start ", moment(status.next_start)] : null,
      last ? [" · last ", last.run_id ? h("a", { href: `/runs/${last.run_id}` }, `run ${last.run_id}`) : "run", " ", h("span", { class: last.verdict }, last.verdict), last.message ? `: ${last.message}` : null] : null),
    ...status.health.troubles.map((trouble) => h("p", { class: "leak", role: "alert" }, trouble)),
  ];
}

function rows(found, text, go) {
  if (!found.total) {
    return [h("p", { class: "empty" }, text ? `No run has "${text}" in it.` : "No runs are stored yet. The schedule starts the first one, or `soak run` does.")];
  }
  const head = [["Run", "num"], ["Verdict", ""], ["Target", ""], ["Started", ""], ["Took", "num"], ["Cycles", "num"], ["Version", ""], ["", ""]];
  const several = new Set(found.runs.map((run) => run.host)).size > 1;
  const body = found.runs.map((run) =>
    h("tr", null,
      h("td", { class: "num" }, h("a", { class: "row-link", href: `/runs/${run.id}` }, run.id)),
      h("td", null, verdict(run.verdict, { small: true, soFar: run.status === "running" })),
      h("td", { class: "name" }, run.name, several ? h("span", { class: "note" }, ` on ${run.host}`) : null),
      h("td", null, moment(run.started)),
      h("td", { class: "num" }, duration(run.duration_s)),
      h("td", { class: "num" }, run.cycles_planned ? `${run.cycles_planned} × ${duration(run.cycle_seconds)}` : duration(run.cycle_seconds)),
      h("td", null, version(run.version)),
      h("td", { class: "note" }, [run.status === "completed" ? null : run.status, run.baseline].filter(Boolean).join(", "))));
  const last = Math.min(found.offset + PAGE, found.total);
  return [table("Runs", head, body, { klass: "runs" }), pager(found, last, go)];
}

function pager(found, last, go) {
  const button = (text, to, there) => h("button", { type: "button", disabled: !there, onclick: () => go(to) }, text);
  return h("p", { class: "pager" },
    h("span", { class: "note" }, `${found.offset + 1} to ${last} of ${plural(found.total, "run")}`),
    found.total > PAGE ? [button("Newer", Math.max(0, found.offset - PAGE), found.offset > 0), button("Older", found.offset + PAGE, last < found.total)] : null);
}
