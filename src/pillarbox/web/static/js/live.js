// New mail appears by itself: the server tells that something changed, and the page asks for it.
import { announce, one, root } from "./dom.js";
import { reload } from "./acting.js";
import { openId, refreshRail } from "./going.js";
import { refreshRows, refreshTop, takeOut } from "./list.js";
import { tellOf } from "./notices.js";

const REST = 250; // milliseconds between two questions
const QUIET = 4000; // between two announcements
const GRACE = 2500; // without a stream, until it is said aloud
const AGAIN = 5000; // until a stream that was refused is tried anew

let waiting = null; // what came in while a question was under way
let isBusy = false;
let unannounced = 0, announcedAt = 0;
let wasCut = false; // something may have happened unheard
let cutTimer = null;

function show(state, word) {
  const place = one("#live");
  if (place) { place.dataset.state = state; one("#live-word").textContent = word; }
}

function merge(change) {
  waiting ??= { new: 0, updated: [], gone: [], anew: false, look: false };
  waiting.new += change.new;
  waiting.updated.push(...change.updated);
  waiting.gone.push(...change.gone);
  waiting.anew ||= change.anew;
  waiting.look ||= Boolean(change.look);
}

async function work() {
  if (isBusy) return;
  isBusy = true;
  while (waiting) {
    const change = waiting;
    waiting = null;
    try {
      await apply(change);
    } catch { wasCut = true; /* when the stream comes back, everything is asked for anew */ }
    await new Promise((done) => setTimeout(done, REST));
  }
  isBusy = false;
}

async function apply(change) {
  refreshRail();
  if (!one("#rows")) { tellOf(change.new); return; }
  if (change.anew) { await reload(); return; }
  if (change.gone.length) takeOut(change.gone.filter((id) => id !== openId()));
  if (change.updated.length) await refreshRows([...new Set(change.updated)]);
  if (change.new || change.look || change.gone.length || change.updated.length) {
    const count = await refreshTop();
    if (change.new) tellOf(count);
    unannounced += count;
    tell();
  }
}

function tell() {
  const now = Date.now();
  if (!unannounced || now - announcedAt < QUIET) return;
  announce(unannounced === 1 ? "1 new message" : `${unannounced} new messages`);
  [announcedAt, unannounced] = [now, 0];
}

function isBack() {
  clearTimeout(cutTimer);
  cutTimer = null;
  one("#offline").hidden = true;
  show("on", "live");
  // What happened while nobody listened, be it between the page and its stream, is asked for.
  merge({ new: 0, updated: [], gone: [], anew: wasCut, look: true });
  wasCut = false;
  work();
}

function isCut() {
  wasCut = true;
  show("off", "not live, trying again");
  cutTimer ??= setTimeout(() => { one("#offline").hidden = false; }, GRACE);
}

let stream = null;
function listen() {
  stream = new EventSource(`${root}/live`);
  stream.addEventListener("hello", isBack);
  stream.addEventListener("message", (event) => { merge(JSON.parse(event.data)); work(); });
  stream.addEventListener("error", () => {
    isCut();
    // Browsers try again after a cut, and not after a refusal, such as a proxy's 502.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
}

listen();
addEventListener("pagehide", () => { clearTimeout(cutTimer); stream.close(); });
// Who comes back by the browser's button may get the page as it was kept, with a closed stream.
addEventListener("pageshow", (event) => { if (event.persisted) { wasCut = true; listen(); } });
