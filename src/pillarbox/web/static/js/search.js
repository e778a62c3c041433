// Search as you type: the address follows, so that a search can be kept and shared.
import { all, on, one, post, root } from "./dom.js";
import { go, refreshRail, showSearchTools } from "./going.js";
import { toast } from "./toast.js";

const PAUSE = 160; // milliseconds after the last key
const box = one("#search");
const help = one("#search-help");
let timer = null;

function search(text, { push = false } = {}) {
  const query = new URLSearchParams();
  if (text.trim()) query.set("q", text.trim());
  if (document.body.dataset.project) query.set("project", document.body.dataset.project);
  const path = `${root}/${query.size ? `?${query.toString().replaceAll("+", "%20")}` : ""}`;
  showSearchTools(text);
  if (!one(".panes")) { if (push) location.assign(path); return; }
  if (!push) history.replaceState(null, "", path);
  go(path, { push });
}

function showHelp(shows) {
  help.hidden = !shows;
  one("#open-search-help").setAttribute("aria-expanded", String(shows));
}

if (box) {
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => search(box.value), PAUSE); });
  box.form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); showHelp(false); search(box.value, { push: true }); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.preventDefault(); if (!help.hidden) showHelp(false); else box.blur(); }
    if (event.key === "ArrowDown") { event.preventDefault(); (one('#row-list .row > a[tabindex="0"]') ?? one("#row-list .row > a"))?.focus(); }
  });
  one("#save-search").addEventListener("click", async (event) => {
    event.preventDefault();
    try {
      const project = document.body.dataset.project ?? "";
      toast((await post("/searches", new URLSearchParams({ q: box.value.trim(), project }))).said);
      refreshRail();
    } catch (error) {
      toast(error.message);
    }
  });
  one("#clear-search").addEventListener("click", () => { box.value = ""; search("", { push: true }); box.focus(); });
  one("#open-search-help").addEventListener("click", () => showHelp(help.hidden));
  for (const button of all("[data-search]", help)) {
    button.addEventListener("click", () => {
      box.value = `${box.value.trim()} ${button.dataset.search}`.trim();
      showHelp(false);
      box.focus();
      search(box.value);
    });
  }
  document.addEventListener("click", (event) => { if (!event.target.closest(".search")) showHelp(false); });
  help.addEventListener("keydown", (event) => { if (event.key === "Escape") { showHelp(false); one("#open-search-help").focus(); } });
}
on("click", "#search-error a", (_, link) => { if (box) box.value = new URL(link.href).searchParams.get("q") ?? ""; });
