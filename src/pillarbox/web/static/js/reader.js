// The reader: how the message is framed, and the parts of views that are fetched on their own.
import { all, fetchPiece, fill, on, one } from "./dom.js";

function frameSource(stage) {
  const frame = one("iframe", stage);
  const query = new URLSearchParams();
  if (stage.dataset.scheme !== "light") query.set("scheme", stage.dataset.scheme);
  if (stage.dataset.remote === "1") query.set("remote", "1");
  const wanted = `${frame.dataset.frame}${query.size ? `?${query}` : ""}`;
  if (frame.getAttribute("src") !== wanted) frame.setAttribute("src", wanted);
}

function press(button, group) {
  for (const other of all(group, button.parentElement)) other.setAttribute("aria-pressed", String(other === button));
}

on("click", "[data-width]:is(button)", (_, button) => {
  press(button, "[data-width]");
  one("#stage").dataset.width = button.dataset.width;
});
on("click", "[data-scheme]:is(button)", (_, button) => {
  press(button, "[data-scheme]");
  const stage = one("#stage");
  stage.dataset.scheme = button.dataset.scheme;
  frameSource(stage);
});
on("click", "[data-remote]:is(button)", (_, button) => {
  const stage = one("#stage");
  const shows = stage.dataset.remote !== "1";
  stage.dataset.remote = shows ? "1" : "0";
  button.setAttribute("aria-pressed", String(shows));
  const word = one("[data-remote-word]", button);
  word.textContent = shows ? word.textContent.replace("Show", "Hide") : word.textContent.replace("Hide", "Show");
  frameSource(stage);
});
on("click", "[data-notes]", (_, button) => {
  const hidden = one("#session-view").classList.toggle("without-notes");
  button.setAttribute("aria-pressed", String(!hidden));
});

async function load(box, href, into) {
  try {
    const response = await fetchPiece(href);
    if (box.isConnected) fill(into, await response.text());
  } catch {
    box.textContent = "This could not be loaded. Is the sandbox still running?";
  }
}
function loadPieces(within = document) {
  for (const box of all("[data-load]", within)) load(box, box.dataset.load, one("#reader"));
  for (const box of all("[data-verdict]", within)) {
    fetchPiece(box.dataset.verdict).then((response) => response.text()).then((html) => { box.innerHTML = html; }, () => {});
  }
}
on("click", "[data-load-into]", (_, button) => {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  load(button, button.dataset.href, one(button.dataset.loadInto));
});
function showCurrentTab() {
  const strip = one(".tabs"), tab = one(".tabs a[aria-current]");
  if (tab) strip.scrollLeft = tab.offsetLeft - (strip.clientWidth - tab.offsetWidth) / 2;
}

document.addEventListener("filled", (event) => { loadPieces(event.target); showCurrentTab(); });
loadPieces();
showCurrentTab();
