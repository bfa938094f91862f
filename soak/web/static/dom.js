// Elements made of text, never of markup: what comes from a target can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: h("a", { href }, "text", child). */
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

/** An SVG element. */
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** Puts `children` in the place of what is in `parent`. */
export const put = (parent, ...children) => parent.replaceChildren(...children.flat().filter((child) => child));

/** The JSON at one of our own addresses; throws with the words of the server. */
export async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  const told = await answer.json().catch(() => ({ error: `${answer.status} ${answer.statusText}` }));
  if (!answer.ok) throw new Error(told.error ?? String(answer.status));
  return told;
}

/** Changes something: sends the token of this page, which no page of elsewhere knows. */
export async function tell(path, body) {
  const form = document.querySelector("meta[name=soak-form]").content;
  const headers = { "content-type": "application/json", "x-soak-form": form };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 200));
}

/** A table that scrolls by itself where it is too wide. */
export const table = (label, head, rows, { klass = "" } = {}) =>
  h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
    h("table", { class: klass },
      h("thead", null, h("tr", null, head.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))),
      h("tbody", null, rows)));
