// Small words for what every module does with the page.

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

/** Fetch a piece of a page as text; one that is not there is an error with its sentence. */
export async function fetchPiece(path, options = {}) {
  const response = await fetch(path, { headers: { accept: "text/html" }, ...options });
  if (!response.ok) throw new Error(`${response.status}`);
  return response;
}

/** Send a form; returns what the server says of it, and throws its sentence where it refuses. */
export async function send(action, fields) {
  const body = new URLSearchParams(fields);
  const response = await fetch(`${root}/actions/${action}`, {
    method: "POST", body, headers: { accept: "application/json" },
  });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.detail ?? "That did not work.");
  return said;
}

export function announce(text) {
  const place = one("#announcer");
  if (place) place.textContent = text;
}

/** Put HTML of our own server in the place of what an element holds. */
export function fill(element, html) {
  element.innerHTML = html;
  element.dispatchEvent(new CustomEvent("filled", { bubbles: true }));
}
