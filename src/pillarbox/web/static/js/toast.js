// What was done, for a moment, with a way back.
import { one, send } from "./dom.js";

const SECONDS = 8;
let last = null; // what `z` takes back
let underWay = Promise.resolve(); // what is being done now

/** Remember what is being done: who takes it back at once means that, and not what was before. */
export function during(work) {
  underWay = work.catch(() => {});
  return work;
}

export function toast(text, undo = null) {
  const place = one("#toasts");
  const element = document.createElement("div");
  element.className = "toast";
  const said = document.createElement("span");
  said.textContent = text;
  element.append(said);
  if (undo) {
    last = undo;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Undo";
    button.addEventListener("click", () => takeBack(undo, element));
    element.append(button);
  }
  place.replaceChildren(element);
  let timer = setTimeout(() => element.remove(), SECONDS * 1000);
  // Who reads it or stands on it has the time that it takes (WCAG 2.2.1).
  for (const kind of ["mouseenter", "focusin"]) element.addEventListener(kind, () => clearTimeout(timer));
  for (const kind of ["mouseleave", "focusout"]) {
    element.addEventListener(kind, () => { timer = setTimeout(() => element.remove(), SECONDS * 1000); });
  }
}

export async function takeBack(undo = null, element = null) {
  await underWay;
  undo ??= last;
  if (!undo) return toast("There is nothing to undo.");
  if (undo === last) last = null;
  element?.remove();
  try {
    const said = await send(undo.action, undo.fields);
    toast(undo.action === "undo" ? said.said : "Undone");
    document.dispatchEvent(new CustomEvent("undone", { detail: undo }));
  } catch (error) {
    toast(error.message);
  }
}
