// New mail while nobody looks: how much in the title, and a notification for who wants one.
import { one, root } from "./dom.js";
import { go } from "./going.js";

const KEY = "pillarbox.notify";
let missed = 0; // mails that came in since the page was last seen

/** Whether the reader asked for notifications, and the browser lets us. */
export const notifies = () => localStorage.getItem(KEY) === "on" && globalThis.Notification?.permission === "granted";

/** Ask the browser for leave; returns what stands in the way, "" where nothing does. */
export async function askToNotify() {
  if (!globalThis.Notification) return "(this browser has none here: it wants HTTPS or localhost)";
  const answer = await Notification.requestPermission();
  if (answer !== "granted") return "(the browser was told not to)";
  localStorage.setItem(KEY, "on");
  return "";
}

export function stopNotifying() { localStorage.removeItem(KEY); }

function showMissed() {
  const plain = document.title.replace(/^\([\d,.+]+\) /u, "");
  document.title = missed ? `(${missed > 99 ? "99+" : missed}) ${plain}` : plain;
}

/** Tell of mails that came in; the newest stands on top of the list. */
export function tellOf(count) {
  if (!count || !document.hidden) return;
  missed += count;
  showMissed();
  if (!notifies()) return;
  const row = one("#row-list .row");
  const said = count === 1 && row ? one(".subject", row).textContent.replace(/^Unread: /u, "") : `${count} new messages`;
  const notice = new Notification(said, {
    body: count === 1 && row ? one(".people", row).textContent : "", tag: "pillarbox", icon: one('link[rel="icon"]')?.href,
  });
  notice.addEventListener("click", () => {
    globalThis.focus();
    go(count === 1 && row ? one("a", row).href : `${root}/`);
    notice.close();
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  missed = 0;
  showMissed();
});
document.addEventListener("retitled", showMissed);
