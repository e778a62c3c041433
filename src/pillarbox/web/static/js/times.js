// Times as the reader's clock shows them; the server sends UTC.
import { all } from "./dom.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function short(then, now) {
  if (then.toDateString() === now.toDateString()) return clock.format(then);
  return (then.getFullYear() === now.getFullYear() ? day : date).format(then);
}

export function showTimes(within = document) {
  const now = new Date();
  for (const element of all("time[data-time]", within)) {
    const then = new Date(element.dateTime);
    element.textContent = element.dataset.time === "short" ? short(then, now) : full.format(then);
    element.title = full.format(then);
  }
}

document.addEventListener("filled", (event) => showTimes(event.target));
showTimes();
