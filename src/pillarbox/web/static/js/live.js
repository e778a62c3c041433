// New mail appears by itself: the server tells that something changed, and the page asks for it.
import { announce, one, root } from "./dom.js";
import { reload } from "./acting.js";
import { openId, refreshRail } from "./going.js";
import { refreshRows, refreshTop, takeOut } from "./list.js";

const REST = 250; // milliseconds between two questions
const QUIET = 4000; // between two announcements

let waiting = null; // what came in while a question was under way
let busy = false;
let unannounced = 0, announcedAt = 0;

function show(state, word) {
  const place = one("#live");
  if (place) { place.dataset.state = state; one("#live-word").textContent = word; }
}

function merge(change) {
  waiting ??= { new: 0, updated: [], gone: [], anew: false };
  waiting.new += change.new;
  waiting.updated.push(...change.updated);
  waiting.gone.push(...change.gone);
  waiting.anew ||= change.anew;
}

async function work() {
  if (busy) return;
  busy = true;
  while (waiting) {
    const change = waiting;
    waiting = null;
    try {
      await apply(change);
    } catch { /* the stream comes back, and then everything is asked for anew */ }
    await new Promise((done) => setTimeout(done, REST));
  }
  busy = false;
}

async function apply(change) {
  refreshRail();
  if (!one("#rows")) return;
  if (change.anew) { await reload(); return; }
  if (change.gone.length) takeOut(change.gone.filter((id) => id !== openId()));
  if (change.updated.length) await refreshRows([...new Set(change.updated)]);
  if (change.new || change.gone.length || change.updated.length) {
    unannounced += await refreshTop();
    tell();
  }
}

function tell() {
  const now = Date.now();
  if (!unannounced || now - announcedAt < QUIET) return;
  announce(unannounced === 1 ? "1 new message" : `${unannounced} new messages`);
  [announcedAt, unannounced] = [now, 0];
}

let wasCut = false;
const stream = new EventSource(`${root}/live`);
stream.addEventListener("hello", () => {
  show("on", "live");
  // What happened while nobody listened, be it between the page and its stream, is asked for.
  merge({ new: 1, updated: [], gone: [], anew: wasCut });
  work();
  wasCut = false;
});
stream.addEventListener("message", (event) => { merge(JSON.parse(event.data)); work(); });
stream.addEventListener("error", () => { wasCut = true; show("off", "not live, trying again"); });
addEventListener("pagehide", () => stream.close());
