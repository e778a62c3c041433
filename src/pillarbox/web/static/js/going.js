// Going from page to page without loading it: the list and the reader are fetched on their own,
// and the address always says where one is, so that going back and reloading work.
import { SILENT, fetchPiece, fill, on, one, root } from "./dom.js";
import { markOpen, openRow, place, showPicked } from "./list.js";
import { toast } from "./toast.js";

const MAIL = /\/mail\/([0-9a-z]{13})(?:\/([a-z]+))?$/;
const SLOW = 250; // milliseconds after which waiting is shown
let asked = 0; // a later answer wins over an earlier question

const reader = () => one("#reader");
const panes = () => one(".panes");
export const openId = () => MAIL.exec(location.pathname)?.[1] ?? null;

function isHere(url) {
  if (url.origin !== location.origin || !panes()) return false;
  const path = url.pathname.slice(root.length);
  return path === "/" || MAIL.test(path);
}

/** Go to an address of ours; what the server refuses, the browser asks for itself, and shows why. */
export async function go(href, { push = true, focus = false } = {}) {
  const url = new URL(href, location.href);
  if (!isHere(url)) { location.assign(href); return; }
  const turn = ++asked, from = location.href;
  if (push) history.pushState(null, "", url);
  const slow = setTimeout(() => reader()?.setAttribute("aria-busy", "true"), SLOW);
  try {
    await Promise.all([showList(url, turn), showReader(url, turn, focus)]);
    if (turn === asked && !MAIL.test(url.pathname)) title(`${one("#list h1").textContent} · pillarbox`);
  } catch (error) {
    if (turn !== asked) return;
    if (!(error instanceof TypeError)) { location.assign(url); return; }
    // Nobody answers: what is on the screen is worth more than the browser's error page.
    if (push) history.replaceState(null, "", from);
    markOpen(openId());
    toast(SILENT);
  } finally {
    clearTimeout(slow);
    if (turn === asked) reader()?.removeAttribute("aria-busy");
  }
}

async function showList(url, turn) {
  const wanted = new URLSearchParams(url.search);
  wanted.delete("before");
  const query = wanted.size ? `?${wanted.toString().replaceAll("+", "%20")}` : "";
  if (sameQuery(query, place()) && !url.searchParams.has("before")) return;
  const open = MAIL.exec(url.pathname)?.[1];
  const response = await fetchPiece(`${root}/fragments/list${query}${open ? `${query ? "&" : "?"}open=${open}` : ""}`);
  if (turn !== asked) return;
  fill(one("#list"), await response.text());
  one("#search").value = wanted.get("q") ?? "";
  showSearchTools(wanted.get("q"));
  document.body.dataset.project = wanted.get("project") ?? "";
  showPicked();
  refreshRail();
}

function sameQuery(one, other) {
  const read = (query) => JSON.stringify([...new URLSearchParams(query)].sort());
  return read(one) === read(other);
}

async function showReader(url, turn, focus) {
  const match = MAIL.exec(url.pathname);
  panes().dataset.open = match ? "mail" : "list";
  if (!match) {
    if (!one("[data-mail]", reader())) return;
    markOpen(null);
    const response = await fetchPiece(`${root}/fragments/idle`);
    if (turn === asked) fill(reader(), await response.text());
    return;
  }
  markOpen(match[1]);
  const view = match[2] ? `/${match[2]}` : "";
  const response = await fetchPiece(`${root}/fragments/mail/${match[1]}${view}${url.search}`);
  const html = await response.text();
  if (turn !== asked) return;
  fill(reader(), html);
  reader().scrollTop = 0;
  title(`${one("[data-mail]", reader())?.dataset.subject || "(no subject)"} · pillarbox`);
  if (focus) reader().focus({ preventScroll: true });
}

function title(text) {
  document.title = text;
  document.dispatchEvent(new CustomEvent("retitled"));
}

/** Show the buttons of the search field that only a search has. */
export function showSearchTools(text) {
  one("#clear-search").hidden = one("#save-search").hidden = !text?.trim();
}

let railTimer = null;
/** Fetch the rail anew, but not more often than twice a second. */
export function refreshRail() {
  railTimer ??= setTimeout(async () => {
    railTimer = null;
    try {
      const page = document.body.dataset.page;
      const query = panes() ? place() : "";
      const response = await fetchPiece(`${root}/fragments/rail${query}${query ? "&" : "?"}page=${page}`);
      const rail = one("#rail");
      const focused = document.activeElement?.closest?.("#rail a")?.getAttribute("href");
      const state = one("#live")?.dataset.state, word = one("#live-word")?.textContent;
      const isOpen = one(".more-tags", rail)?.open;
      fill(rail, await response.text());
      if (isOpen && one(".more-tags", rail)) one(".more-tags", rail).open = true;
      if (state) { one("#live").dataset.state = state; one("#live-word").textContent = word; }
      if (focused) one(`a[href="${CSS.escape(focused)}"]`, rail)?.focus();
    } catch { /* the next change asks again */ }
  }, 500);
}

on("click", "a[href]", (event, link) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.getAttribute("href").startsWith("#")) return;
  if (!isHere(new URL(link.href))) return;
  event.preventDefault();
  go(link.href, { focus: !link.closest(".row") });
});
addEventListener("popstate", () => { if (panes()) go(location.href, { push: false }); });

/** Open a row in the reader. */
export function open(row) { if (row) go(one("a", row).href); }
export function closeMail() { if (openId()) { const row = openRow(); go(`${root}/${place()}`); row && one("a", row).focus(); } }
