// Alerts: who waits to be looked at first, then who is known, then who is over.

import { ask, h, put, tell } from "./dom.js";
import { moment, plural } from "./words.js";

export async function start(content) {
  document.title = "soak: alerts";
  const list = h("div");
  put(content, h("h1", null, "Alerts"), list);

  async function show() {
    const { alerts } = await ask("/api/alerts");
    const of = (state) => alerts.filter((alert) => alert.state === state);
    const part = (title, some) => (some.length ? [h("h2", null, title), ...some.map((alert) => card(alert, show))] : []);
    put(list,
      ...(of("open").length ? part("Open", of("open")) : [h("p", { class: "empty" }, "No alert waits.")]),
      ...part("Acknowledged", of("acknowledged")),
      ...part("Resolved", of("resolved")));
  }
  await show();
  return { on: { alerts: () => busy(list) || show() }, back: show };
}

/** Does somebody write a note? Then the page stays as it is. */
const busy = (list) => list.contains(document.activeElement) && document.activeElement.value;

function card(alert, done) {
  const known = alert.acknowledged ? h("p", null, "Acknowledged by ", h("strong", null, alert.acknowledged_by), " ", moment(alert.acknowledged), alert.note ? `: ${alert.note}` : null) : null;
  const over = alert.resolved ? h("p", { class: "clean" }, "Resolved ", moment(alert.resolved)) : null;
  return h("article", { class: `card alert ${alert.state}` },
    h("h3", null, h("span", { class: alert.state === "open" ? "leak" : "" }, alert.name), `: ${alert.message}`),
    alert.detail.site ? h("p", null, h("code", null, alert.detail.site)) : null,
    h("p", { class: "facts" },
      "raised ", moment(alert.raised), " by ", h("a", { href: `/runs/${alert.first_run}` }, `run ${alert.first_run}`),
      ` · found in ${plural(alert.times, "run")}, last in `, h("a", { href: `/runs/${alert.last_run}` }, `run ${alert.last_run}`)),
    known, over, alert.state === "open" ? form(alert, done) : null,
    h("p", { class: "note" }, "fingerprint ", h("code", null, alert.fingerprint)));
}

function form(alert, done) {
  const by = h("input", { name: "by", required: true, maxlength: 80, autocomplete: "name", value: kept() });
  const note = h("input", { name: "note", maxlength: 500, autocomplete: "off" });
  const problem = h("p", { class: "leak", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    try {
      sessionStorage.setItem("by", by.value);
      await tell(`/api/alerts/${alert.id}/acknowledge`, { by: by.value, note: note.value });
      await done();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error.message;
    }
  };
  return h("form", { class: "acknowledge", onsubmit: submit },
    h("label", null, "Your name ", by), h("label", { class: "wide" }, "Note ", note), h("button", { type: "submit" }, "Acknowledge"), problem);
}

const kept = () => sessionStorage.getItem("by") ?? "";
