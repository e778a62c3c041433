// What this browser's reader prefers: colors, density, single keys.
import { all, on, one } from "./dom.js";
import { askToNotify, notifies, stopNotifying } from "./notices.js";

const root = document.documentElement;

function choose(name, value) {
  if (value) { root.dataset[name] = value; localStorage.setItem(`pillarbox.${name}`, value); }
  else { delete root.dataset[name]; localStorage.removeItem(`pillarbox.${name}`); }
  show();
}

function show() {
  for (const button of all("[data-set-theme]")) button.setAttribute("aria-pressed", String((root.dataset.theme ?? "") === button.dataset.setTheme));
  for (const button of all("[data-set-density]")) button.setAttribute("aria-pressed", String((root.dataset.density ?? "") === button.dataset.setDensity));
  for (const box of all('[data-preference="keys"]')) box.checked = singleKeys();
  for (const box of all('[data-preference="notify"]')) box.checked = notifies();
}

/** Whether single keys do something (WCAG 2.1.4: they can be turned off). */
export const singleKeys = () => localStorage.getItem("pillarbox.keys") !== "off";

on("click", "[data-set-theme]", (_, button) => choose("theme", button.dataset.setTheme));
on("click", "[data-set-density]", (_, button) => choose("density", button.dataset.setDensity));
on("change", '[data-preference="keys"]', (_, box) => {
  if (box.checked) localStorage.removeItem("pillarbox.keys");
  else localStorage.setItem("pillarbox.keys", "off");
  show();
});

on("change", '[data-preference="notify"]', async (_, box) => {
  one("#notify-said").textContent = box.checked ? await askToNotify() : "";
  if (!box.checked) stopNotifying();
  show();
});

// --- dialogs, copying, the rail on narrow screens -------------------------------------

on("click", "[data-dialog]", (_, button) => one(`#${button.dataset.dialog}`).showModal());
on("click", "[data-close]", (_, button) => button.closest("dialog").close());
on("click", "dialog", (event, dialog) => { if (event.target === dialog) dialog.close(); });

on("click", "#open-rail", (_, button) => {
  const open = one("#rail").classList.toggle("is-open");
  button.setAttribute("aria-expanded", String(open));
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#open-rail") && (!event.target.closest("#rail") || event.target.closest("#rail a"))) {
    one("#rail")?.classList.remove("is-open");
    one("#open-rail")?.setAttribute("aria-expanded", "false");
  }
});

show();
