// Small words for what every module does with the page.

export const SILENT = "The sandbox is not answering.";
export const root = document.body.dataset.root ?? "";
export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Call `handle(event, element)` for events on elements that match, now and later. */
export function on(type, selector, handle, options) {
  document.addEventListener(type, (event) => {
    const target = event.target instanceof Element ? event.target.closest(selector) : null;
    if (target) handle(event, target);
  }, options);
}

/** Fetch a piece of a page; a search that cannot be meant is a piece too, which says so. */
export async function fetchPiece(path) {
  const response = await fetch(path, { headers: { accept: "text/html" } });
  if (!response.ok) throw new Error(`${response.status}`);
  return response;
}

/** Post to a path of ours; returns what the server says of it, and throws its sentence where it refuses. */
export async function post(path, body) {
  const response = await fetch(`${root}${path}`, { method: "POST", body, headers: { accept: "application/json" } })
    .catch(() => { throw new Error(SILENT); });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.detail ?? "That did not work.");
  return said;
}

export const send = (action, fields) => post(`/actions/${action}`, new URLSearchParams(fields));

export function announce(text) {
  const place = one("#announcer");
  if (place) place.textContent = text;
}

/** Put HTML of our own server in the place of what an element holds. */
export function fill(element, html) {
  element.innerHTML = html;
  element.dispatchEvent(new CustomEvent("filled", { bubbles: true }));
}
