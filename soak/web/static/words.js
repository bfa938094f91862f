// Numbers and times as people read them; the same rules as in soak/report/units.py.

import { h } from "./dom.js";

const SIZES = [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]];
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Three significant digits without an exponent. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 100) return whole.format(value);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, "");
  if (size >= 1 || value === 0) return String(Number(value.toFixed(2)));
  return size >= 0.0001 ? String(Number(value.toPrecision(2))) : "0";
}

export const sizeOf = (value) => SIZES.find(([, factor]) => Math.abs(value) >= 0.995 * factor) ?? ["B", 1];

/** 1.2 MB, 37, 80 %, 12 ms; a dash where there is no value. */
export function amount(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ratio") return `${short(value * 100)} %`;
  if (unit === "ms") return `${short(value)} ms`;
  if (unit !== "bytes") return short(value);
  const [name, factor] = sizeOf(value);
  return `${short(value / factor)} ${name}`;
}

/** +1.2 MB/h */
export function rate(value, unit) {
  if (value === null || value === undefined) return "–";
  const text = amount(value, unit);
  return `${value > 0 && /[1-9]/.test(text) ? "+" : ""}${text}/h`;
}

/** 1.1 to 1.3 MB */
export function interval(bounds, unit) {
  if (!bounds || bounds[0] === null || bounds[1] === null) return "–";
  const [low, high] = bounds;
  if (unit === "ratio") return `${short(low * 100)} to ${short(high * 100)} %`;
  if (unit !== "bytes") return `${short(low)} to ${short(high)}`;
  const [name, factor] = sizeOf(Math.max(Math.abs(low), Math.abs(high)));
  return `${short(low / factor)} to ${short(high / factor)} ${name}`;
}

export const share = (value) =>
  value === null || value === undefined ? "–" : value > 0 && value < 0.01 ? "<1 %" : `${Math.round(Math.min(value, value < 1 ? 0.994 : value) * 100)} %`;

/** 45s, 12m, 1h30m, 3.2 days */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 120) return `${short(seconds)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120 && minutes !== 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 72) return `${short(seconds / 86400)} days`;
  return minutes % 60 ? `${hours}h${String(minutes % 60).padStart(2, "0")}m` : `${hours}h`;
}

/** A moment of the server in the clock of this browser: 11-21 22:00, with the year where it is another one. */
export function moment(at) {
  const date = typeof at === "number" ? new Date(at * 1000) : new Date(at);
  const two = (value) => String(value).padStart(2, "0");
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
  const year = date.getFullYear();
  const iso = typeof at === "number" ? date.toISOString() : at;
  return h("time", { datetime: iso, title: iso }, year === new Date().getFullYear() ? day : `${year}-${day}`);
}

const VERDICTS = ["clean", "inconclusive", "leak", "failed", "error"];

/** The verdict as a word in a frame; a run that goes on has one "so far". */
export function verdict(word, { soFar = false, small = false } = {}) {
  const known = VERDICTS.includes(word) ? word : "none";
  return h("span", { class: `verdict ${known}${small ? " small" : ""}` }, word ?? "no verdict yet", soFar && word ? h("span", { class: "so-far" }, " so far") : null);
}

/** version: the first twelve letters, all of them in the title. */
export const version = (text) => (text ? h("code", { title: text }, text.slice(0, 12)) : "–");

export const plural = (count, noun) => `${short(count)} ${noun}${count === 1 ? "" : "s"}`;
