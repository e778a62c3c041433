// Buttons that put something on the clipboard, and say so.
import { announce, on, one } from "./dom.js";

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS and away from localhost browsers have no clipboard for pages.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function said(button) {
  button.classList.add("is-copied");
  const word = one("[data-copy-word]", button);
  if (word) word.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.classList.remove("is-copied"); if (word) word.textContent = "Copy"; }, 1200);
}

on("click", "[data-copy]", async (_, button) => { await copy(button.dataset.copy); said(button); });
on("click", "[data-copy-from]", async (_, button) => { await copy(one(button.dataset.copyFrom).textContent); said(button); });

on("click", "[data-snippet]", (_, button) => chooseSnippet(button.closest("[data-snippets]"), button.dataset.snippet));

function chooseSnippet(box, key) {
  for (const button of box.querySelectorAll("[data-snippet]")) button.setAttribute("aria-pressed", String(button.dataset.snippet === key));
  for (const part of box.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== key;
  localStorage.setItem("pillarbox.snippet", key);
}

function prepareSnippets(within = document) {
  for (const box of within.querySelectorAll("[data-snippets]")) {
    const wanted = localStorage.getItem("pillarbox.snippet");
    const keys = [...box.querySelectorAll("[data-snippet]")].map((button) => button.dataset.snippet);
    chooseSnippet(box, keys.includes(wanted) ? wanted : keys[0]);
  }
}

document.addEventListener("filled", (event) => prepareSnippets(event.target));
prepareSnippets();
