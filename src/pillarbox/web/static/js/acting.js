// What is done with mails: by the bar over the list, by the buttons of the reader, by keys.
import { fetchPiece, fill, on, one, post, root, send } from "./dom.js";
import { go, open, openId, refreshRail } from "./going.js";
import { currentRow, makeCurrent, neighbor, openRow, pickNone, picked, place, refreshRows, refreshTop, showRead, takeOut } from "./list.js";
import { during, toast } from "./toast.js";

/** The mails that an action is about: those picked, else the current one. */
export function subjects() {
  const ids = picked();
  if (ids.length) return ids;
  const row = currentRow();
  return openId() ? [openId()] : row ? [row.dataset.id] : [];
}

function act(action, fields, then) {
  return during(doIt(action, fields, then));
}

async function doIt(action, fields, then) {
  try {
    const said = await send(action, fields);
    toast(said.said, said.undo);
    await then?.(said);
    refreshRail();
  } catch (error) {
    toast(error.message);
  }
}

function mark(ids, isRead) {
  if (!ids.length) return;
  for (const id of ids) { const row = one(`#mail-${CSS.escape(id)}`); if (row) showRead(row, isRead); }
  return act("mark", { ids: ids.join(","), read: isRead ? "1" : "0" }, () => pickNone());
}

export function toggleRead(ids) {
  const rows = ids.map((id) => one(`#mail-${CSS.escape(id)}`)).filter(Boolean);
  return mark(ids, rows.some((row) => row.classList.contains("is-unread")));
}

export function remove(ids) {
  if (!ids.length) return;
  const gone = new Set(ids);
  const here = openRow() ?? currentRow();
  const wasOpen = openId() && gone.has(openId());
  let next = here;
  while (next && gone.has(next.dataset.id)) next = neighbor(next, 1);
  if (!next) { next = here; while (next && gone.has(next.dataset.id)) next = neighbor(next, -1); }
  return act("delete", { ids: ids.join(",") }, () => {
    takeOut(ids);
    if (wasOpen) { if (next) open(next); else go(`${root}/${place()}`); }
    if (next) makeCurrent(next);
    refreshTop();
  });
}

/** Show how the two mails that are picked differ. */
export function compare() {
  const ids = picked();
  if (ids.length !== 2) { toast("Select two messages to compare them."); return; }
  const query = new URLSearchParams(place());
  query.set("ids", ids.join(","));
  go(`${root}/compare?${query}`);
}

export function askForTags(ids) {
  if (!ids.length) return;
  const dialog = one("#tag-dialog");
  one('[name="ids"]', dialog).value = ids.join(",");
  one("#tag-add").value = one("#tag-remove").value = "";
  dialog.showModal();
}

function confirmed(title, text, yes) {
  const dialog = one("#confirm");
  one("#confirm-title").textContent = title;
  one("#confirm-text").textContent = text;
  one("#confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function withAll(what) {
  const query = new URLSearchParams(place());
  const fields = { all: "1", q: query.get("q") ?? "", project: query.get("project") ?? "" };
  const count = one("#list-said b").textContent;
  if (what === "delete") {
    const which = fields.q ? `that match “${fields.q}”` : fields.project ? `of the project ${fields.project}` : "there are";
    if (!await confirmed(`Delete ${count} ${count === "1" ? "message" : "messages"}?`, `All ${which}. They can be restored for a while.`, "Delete")) return;
    return act("delete", fields, () => reload());
  }
  return act("mark", { ...fields, read: "1" }, () => reload());
}

export async function reload() {
  const id = openId();
  const response = await fetchPiece(`${root}/fragments/list${place()}${id ? `${place() ? "&" : "?"}open=${id}` : ""}`);
  fill(one("#list"), await response.text());
  if (id && !one(`#mail-${CSS.escape(id)}`)) {
    const still = await fetch(`${root}/download/${id}.eml`, { method: "HEAD" });
    if (!still.ok) go(`${root}/${place()}`);
  }
  refreshRail();
}

on("click", "[data-bulk]", (event, button) => {
  const ids = picked();
  if (button.dataset.bulk === "compare") { event.preventDefault(); compare(); return; }
  ({ read: () => mark(ids, true), unread: () => mark(ids, false), tag: () => askForTags(ids), delete: () => remove(ids), none: pickNone })[button.dataset.bulk]();
});
on("click", "[data-one]", (_, button) => {
  const ids = [openId()];
  ({ unread: () => mark(ids, false), tag: () => askForTags(ids), delete: () => remove(ids) })[button.dataset.one]();
});
on("click", "[data-all]", (_, button) => withAll(button.dataset.all));
on("click", "#new-above button", () => { one("#rows").scrollTop = 0; reload(); });

on("submit", "form[data-action]", async (event, form) => {
  event.preventDefault();
  const ids = [...new FormData(form).getAll("ids")].join(",").split(",").filter(Boolean);
  const action = form.getAttribute("action").split("/").pop();
  await act(action, new FormData(form), async () => {
    form.closest("dialog")?.close();
    if (action === "release") return; // nothing of the mail has changed
    await refreshRows(ids);
    if (openId() && ids.includes(openId())) go(location.href, { push: false });
  });
});
on("submit", "form:has([data-confirm])", async (event, form) => {
  if (form.dataset.sure) return;
  event.preventDefault();
  if (await confirmed("Are you sure?", one("[data-confirm]", form).dataset.confirm, "Remove")) {
    form.dataset.sure = "yes";
    form.requestSubmit();
  }
});
// Without a script these buttons send the forms that they stand in.
on("submit", "#list-head, [data-tools]", (event) => event.preventDefault());
on("submit", "[data-post]", async (event, form) => {
  event.preventDefault();
  event.submitter.disabled = true;
  try {
    toast((await post(new URL(form.action).pathname.slice(root.length), new URLSearchParams([[event.submitter.name, event.submitter.value]]))).said);
    refreshRail();
    if (!one(".panes")) go(`${root}/`);
  } catch (error) {
    toast(error.message);
  }
  event.submitter.disabled = false;
});
document.addEventListener("emptied", () => reload());
document.addEventListener("undone", async (event) => {
  if (event.detail.action === "undo") await reload();
  else await refreshRows((event.detail.fields.ids ?? "").split(","));
  refreshRail();
});
