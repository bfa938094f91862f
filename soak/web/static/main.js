// Which page this is, and what all pages share: the bar with how the daemon stands and how many alerts wait.

import { h, put, tell } from "./dom.js";
import { listen } from "./live.js";
import { moment } from "./words.js";

const content = document.getElementById("content");
const path = location.pathname;
const run = path.match(/^\/runs\/(\d+)$/)?.[1] ?? null;
const load = run ? () => import("./run.js") : path === "/findings" ? () => import("./findings.js") : path === "/alerts" ? () => import("./alerts.js") : () => import("./runs.js");

for (const link of document.querySelectorAll(".bar nav a")) {
  const here = link.getAttribute("href");
  if (here === path || (here === "/" && run)) link.setAttribute("aria-current", "page");
}
if (document.querySelector("meta[name=soak-signed-in]").content) {
  const leave = async () => {
    await tell("/api/logout", {});
    location.assign("/login");
  };
  document.querySelector(".bar-inside").append(h("button", { class: "quiet-button", type: "button", onclick: leave }, "Sign out"));
}

function stands(status) {
  const bar = document.getElementById("standing");
  bar.dataset.health = status.health.status;
  bar.title = [status.sentence, ...status.health.troubles].join("\n");
  const text = bar.querySelector(".standing-text");
  if (status.phase === "soaking" && status.run) {
    const where = `cycle ${status.run.cycle + 1} of ${status.run.cycles}, ${status.run.phase}`;
    put(text, h("a", { href: `/runs/${status.run.run_id}` }, `run ${status.run.run_id}`), h("span", null, ` · ${where}`));
  } else if (status.phase === "idle" && status.next_start) {
    put(text, "idle, next ", moment(status.next_start));
  } else {
    put(text, status.phase);
  }
}

function connected(there) {
  const bar = document.getElementById("standing");
  if (there) delete bar.dataset.lost;
  else {
    bar.dataset.lost = "";
    bar.title = "The connection is lost; it is tried again.";
  }
}

function alerts({ waiting }) {
  const count = document.getElementById("waiting");
  count.hidden = !waiting;
  count.textContent = waiting;
  count.setAttribute("aria-label", `${waiting} not acknowledged`);
}

try {
  const page = await (await load()).start(content, run ? Number(run) : null);
  const also = (name, own) => (data) => {
    own?.(data);
    page.on?.[name]?.(data);
  };
  const handlers = { status: also("status", stands), alerts: also("alerts", alerts), runs: also("runs"), points: also("points"), changed: also("changed") };
  listen(run ? `/api/events?run=${run}` : "/api/events", handlers, { back: page.back, state: connected });
  if (page.ready) await page.ready();
} catch (error) {
  put(content, h("h1", null, "That did not work"), h("p", { role: "alert" }, error.message), h("p", null, h("a", { href: "/" }, "All runs")));
}
