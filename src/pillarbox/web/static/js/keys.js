// The keyboard. Arrow keys and Enter always work in the list; single keys can be turned off.
import { one, root, all } from "./dom.js";
import { askForTags, compare, remove, subjects, toggleRead } from "./acting.js";
import { closeMail, go, open, openId } from "./going.js";
import { currentRow, makeCurrent, neighbor, openRow, pick, pickNone, picked } from "./list.js";
import { singleKeys } from "./preferences.js";
import { takeBack } from "./toast.js";

let prefix = ""; // "g" was pressed just now
let opening = null;

function move(step) {
  const from = openId() ? openRow() ?? currentRow() : currentRow();
  const started = document.activeElement?.closest?.("#row-list") || openId();
  const row = started ? neighbor(from, step) : from;
  if (!row) return;
  makeCurrent(row);
  // Beside an open message the reader follows, once the keys rest for a moment.
  if (openId()) { clearTimeout(opening); opening = setTimeout(() => open(row), 90); }
}

function turnView(step) {
  const tabs = all(".tabs a");
  const next = tabs[tabs.findIndex((tab) => tab.hasAttribute("aria-current")) + step];
  if (next) go(next.href);
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  o: () => open(currentRow()),
  x: () => { const row = currentRow(); if (row) pick(row); },
  u: () => toggleRead(subjects()),
  t: () => askForTags(subjects()),
  c: () => compare(),
  n: () => go(one('.tools a[href*="/new"]').href),
  "#": () => remove(subjects()),
  Delete: () => remove(subjects()),
  z: () => takeBack(),
  "/": () => { one("#search").focus(); one("#search").select(); },
  "?": () => one("#help").showModal(),
  "[": () => turnView(-1),
  "]": () => turnView(1),
};
const AFTER_G = { i: `${root}/`, u: `${root}/?q=is%3Aunread` };

function isTyping(target) {
  return target instanceof Element && target.closest('input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]');
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || one("dialog[open]")) return;
  const inList = event.target instanceof Element && event.target.closest("#row-list");
  if (event.key === "Escape") {
    if (picked().length) pickNone(); else closeMail();
    return;
  }
  if (inList && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
    return;
  }
  if (!singleKeys()) return;
  if (prefix === "g" && AFTER_G[event.key]) { prefix = ""; event.preventDefault(); go(AFTER_G[event.key]); return; }
  prefix = event.key === "g" ? "g" : "";
  const act = KEYS[event.key];
  if (!act || (!one(".panes") && !["/", "?", "n"].includes(event.key))) return;
  event.preventDefault();
  act();
});
