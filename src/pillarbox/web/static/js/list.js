// The list: its rows, which of them are picked, which one is current, and older ones on the way.
import { all, announce, fetchPiece, one, on, root } from "./dom.js";
import { showTimes } from "./times.js";

const AHEAD = "600px"; // how far before its end the list goes on
const FULL = 120; // rows of a leaf, after which newer ones begin another
const MOST = 900; // rows that stay in the page while new mail comes in above them

export const rows = () => all("#row-list .row");
const linkOf = (row) => one("a", row);
export const openRow = () => one("#row-list .row.is-current");
export const place = () => one("#rows")?.dataset.place ?? "";
export const picked = () => all(".pick:checked").map((box) => box.value);

/** The row that keys are about: the one with the focus, else the open one, else none. */
export function currentRow() {
  const focused = document.activeElement?.closest?.("#row-list .row");
  return focused ?? openRow() ?? one('#row-list .row > a[tabindex="0"]')?.closest(".row") ?? null;
}

/** Make one row the one that Tab reaches. */
export function makeCurrent(row, { focus = true } = {}) {
  for (const link of all('#row-list .row > a[tabindex="0"], #row-list .pick[tabindex="0"]')) link.tabIndex = -1;
  if (!row) return;
  linkOf(row).tabIndex = 0;
  one(".pick", row).tabIndex = 0;
  if (focus) {
    linkOf(row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}

export function neighbor(row, step) {
  const every = rows();
  if (!row) return every[0] ?? null;
  return every[every.indexOf(row) + step] ?? null;
}

export function markOpen(id) {
  const before = openRow();
  if (before) { before.classList.remove("is-current"); linkOf(before).removeAttribute("aria-current"); }
  const row = id && document.getElementById(`mail-${id}`);
  if (!row) return;
  row.classList.add("is-current");
  linkOf(row).setAttribute("aria-current", "true");
  showRead(row, true);
  makeCurrent(row, { focus: false });
}

export function showRead(row, isRead) {
  row.classList.toggle("is-unread", !isRead);
  row.dataset.state = ""; // what the server says of it next is taken
  one(".unread", row).hidden = isRead;
  one(".subject .unseen", row)?.remove();
}

// --- picking ---------------------------------------------------------------------------

let lastPicked = null;

export function showPicked() {
  const count = picked().length;
  if (!one("#bulk")) return;
  one("#bulk").hidden = !count;
  one("#list-said").hidden = one("#list-tools").hidden = Boolean(count);
  one("#picked").textContent = count.toLocaleString("en");
  one('[data-bulk="compare"]').hidden = count !== 2;
  one("#list").classList.toggle("is-picking", count > 0);
  const box = one("#pick-all");
  box.checked = count > 0 && count === rows().length;
  box.indeterminate = count > 0 && !box.checked;
}

function setPicked(row, isPicked) {
  one(".pick", row).checked = isPicked;
  row.classList.toggle("is-picked", isPicked);
}

export function pick(row, value) {
  const box = one(".pick", row);
  setPicked(row, value ?? !box.checked);
  lastPicked = row;
  showPicked();
}

export function pickNone() {
  for (const box of all(".pick:checked")) setPicked(box.closest(".row"), false);
  showPicked();
}

on("click", ".pick", (event, box) => {
  const row = box.closest(".row");
  if (event.shiftKey && lastPicked?.isConnected) {
    const every = rows();
    const [from, to] = [every.indexOf(lastPicked), every.indexOf(row)].sort((a, b) => a - b);
    for (const between of every.slice(from, to + 1)) setPicked(between, box.checked);
  }
  setPicked(row, box.checked);
  lastPicked = row;
  showPicked();
});
on("change", "#pick-all", (_, box) => {
  for (const row of rows()) setPicked(row, box.checked);
  showPicked();
  if (box.checked) announce(`${rows().length} selected`);
});

// --- older ones ------------------------------------------------------------------------

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) goOn(entry.target);
}, { root: null, rootMargin: AHEAD });

/** Return rows as the server sends them, ready to be put in: the list is long, they are few. */
function pieceOf(html) {
  const piece = document.createElement("template");
  piece.innerHTML = html;
  showTimes(piece.content);
  return piece;
}

function newLeaf() {
  const leaf = document.createElement("ul");
  leaf.className = "leaf";
  return leaf;
}

async function goOn(more) {
  watcher.unobserve(more);
  if (more.dataset.busy) return;
  more.dataset.busy = "yes";
  try {
    const response = await fetchPiece(more.dataset.next);
    const piece = pieceOf(await response.text());
    // What came in meanwhile has moved the border: nothing stands twice.
    for (const row of piece.content.querySelectorAll(".row")) if (document.getElementById(row.id)) row.remove();
    const added = piece.content.querySelectorAll(".row > a");
    for (const link of added) link.tabIndex = -1;
    const following = piece.content.querySelector(".more");
    const leaf = newLeaf();
    leaf.append(piece.content);
    more.remove();
    one("#row-list").append(leaf);
    if (following) watcher.observe(following);
  } catch {
    delete more.dataset.busy;
  }
}

function watchEnd() {
  for (const more of all(".more")) watcher.observe(more);
}
document.addEventListener("filled", watchEnd);
watchEnd();

// --- newer ones ------------------------------------------------------------------------

/** Take rows out; the list stays where it is. */
export function takeOut(ids) {
  for (const id of ids) document.getElementById(`mail-${id}`)?.remove();
  for (const leaf of all(".leaf")) {
    if (!leaf.childElementCount && (leaf.previousElementSibling || leaf.nextElementSibling)) leaf.remove();
  }
  showPicked();
}

function takeIn(fresh, list, { sign }) {
  if (list.firstElementChild.childElementCount > FULL) list.prepend(newLeaf());
  const leaf = list.firstElementChild;
  const first = leaf.firstElementChild;
  let count = 0;
  for (const row of fresh) {
    const known = document.getElementById(row.id);
    if (known) { replaceRow(known, row); continue; }
    if (sign) row.classList.add("is-new");
    linkOf(row).tabIndex = -1;
    leaf.insertBefore(row, first);
    count += 1;
  }
  return count;
}

/** Let go of the last leaves when there are many rows: they are fetched again on the way down. */
function trim(list, box) {
  const held = (leaf) => one(".is-current, .is-picked", leaf) || leaf.contains(document.activeElement);
  let count = rows().length;
  if (count <= MOST || box.scrollTop > box.clientHeight) return;
  let hasGone = false;
  while (count > MOST / 2 && list.childElementCount > 1 && !held(list.lastElementChild)) {
    count -= all(".row", list.lastElementChild).length;
    list.lastElementChild.remove();
    hasGone = true;
  }
  if (!hasGone) return;
  const last = all(".row", list.lastElementChild).at(-1);
  const query = `${place()}${place() ? "&" : "?"}before=${last.dataset.id}`;
  const more = document.createElement("li"), link = document.createElement("a");
  more.className = "more";
  more.dataset.next = `${root}/fragments/rows${query}`;
  link.href = `${root}/${query}`;
  link.textContent = "Older messages";
  more.append(link);
  list.lastElementChild.append(more);
  watcher.observe(more);
}

function replaceRow(known, row) {
  if (known.dataset.state === row.dataset.state) return;
  setPicked(row, one(".pick", known).checked);
  linkOf(row).tabIndex = linkOf(known).tabIndex;
  if (known.classList.contains("is-current")) { row.classList.add("is-current"); linkOf(row).setAttribute("aria-current", "true"); }
  const focused = known.contains(document.activeElement);
  known.replaceWith(row);
  if (focused) linkOf(row).focus({ preventScroll: true });
}

/** Ask for the newest rows and put those on top that are not there yet, without a jump. */
export async function refreshTop() {
  const box = one("#rows"), list = one("#row-list");
  if (!box || one(".notice.in-list")) return 0;
  const response = await fetchPiece(`${root}/fragments/rows${place()}`);
  if (!box.isConnected) return 0;
  const piece = pieceOf(await response.text());
  showTotals(Number(response.headers.get("x-total")), Number(response.headers.get("x-unread")));
  const fresh = [...piece.content.querySelectorAll(".row")];
  const more = piece.content.querySelector(".more");
  const unknown = fresh.filter((row) => !document.getElementById(row.id));
  if (!fresh.length) {
    if (!one("#empty")) document.dispatchEvent(new CustomEvent("emptied"));
    return 0;
  }
  one("#empty")?.remove();
  list.hidden = false;
  // More came than one page holds: what lies between is not known, so the list begins anew.
  const isGap = rows().length > 0 && unknown.length === fresh.length && more;
  if (isGap && box.scrollTop < 40 && !picked().length) {
    const leaf = newLeaf();
    leaf.append(...fresh, more);
    list.replaceChildren(leaf);
    watcher.observe(more);
    return unknown.length;
  }
  if (isGap) { offerNew(); return 0; }
  const wasEmpty = rows().length === 0;
  const seen = box.scrollTop > 0 ? firstSeen(box) : null;
  const stood = seen?.getBoundingClientRect().top;
  const count = takeIn(fresh, list, { sign: !wasEmpty });
  if (wasEmpty && more) { list.lastElementChild.append(more); watcher.observe(more); }
  // A row's own place is measured: those out of sight have but an estimated height.
  trim(list, box);
  const stands = seen && document.getElementById(seen.id)?.getBoundingClientRect().top;
  if (stands) box.scrollTop += stands - stood;
  if (!currentRow()) makeCurrent(rows()[0], { focus: false });
  return count;
}

function firstSeen(box) {
  const { left, top } = box.getBoundingClientRect();
  return document.elementFromPoint(left + 60, top + 2)?.closest(".row") ?? null;
}

function offerNew() {
  const offer = one("#new-above");
  offer.hidden = false;
  one("button", offer).textContent = "Newer messages";
}

function showTotals(total, unread) {
  const said = one("#list-said");
  if (!said || Number.isNaN(total)) return;
  const strong = document.createElement("b");
  strong.className = "figures";
  strong.textContent = total.toLocaleString("en");
  said.replaceChildren(strong, ` ${total === 1 ? "message" : "messages"}${unread ? `, ${unread.toLocaleString("en")} unread` : ""}`);
  one("#pick-all").disabled = !total;
  one('[data-all="delete"]').disabled = !total;
  one('[data-all="read"]').disabled = !unread;
}

/** Ask for certain rows anew. */
export async function refreshRows(ids) {
  const shown = ids.filter((id) => document.getElementById(`mail-${id}`)).slice(0, 200);
  if (!shown.length) return;
  const join = place() ? "&" : "?";
  const response = await fetchPiece(`${root}/fragments/rows${place()}${join}ids=${shown.join(",")}`);
  const piece = pieceOf(await response.text());
  for (const row of piece.content.querySelectorAll(".row")) {
    const known = document.getElementById(row.id);
    if (known) replaceRow(known, row);
  }
}
