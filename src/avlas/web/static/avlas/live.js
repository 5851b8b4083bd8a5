// Keeps the parts of a page that say data-live="readings meter:7" up to date: a stream of events says what is new, and
// the part fetches itself again (hx-get, hx-trigger="news"). Where no stream can be had, the page asks by itself.
// A window in the background holds no stream: browsers allow six connections to a server, windows are more.

const EVERY_MINUTE = 60_000; // "5 minutes ago" goes on though nothing is new
const WITHOUT_A_STREAM = 2_000;
const SLOW = 3_000;
const address = document.querySelector('meta[name="live"]').content;
const root = document.documentElement;
let source = null;
let opened = false; // a stream was there before: after the gap everything may be new
let asking = 0;

function subjects() {
  const found = [...document.querySelectorAll("[data-live]")].flatMap((part) => part.dataset.live.split(" "));
  return [...new Set(found)].sort();
}

// A part is left alone while somebody presses a button in it, marks its text or has one of its menus open.
let pressed = null;
addEventListener("pointerdown", (event) => { pressed = event.target; });
for (const over of ["pointerup", "pointercancel"]) addEventListener(over, () => setTimeout(() => { pressed = null; }, 100));

function busy(part) {
  const selection = getSelection();
  return (pressed && part.contains(pressed))
    || (selection && !selection.isCollapsed && part.contains(selection.anchorNode))
    || part.querySelector("details[open], input:focus, select:focus, textarea:focus") !== null;
}

const late = new Set(); // elements that will be told when nobody is busy with them

function tell(part) {
  if (!busy(part.closest("[data-live-around]") ?? part)) {
    late.delete(part);
    htmx.trigger(part, "news");
  } else if (!late.has(part)) {
    late.add(part);
    const again = () => {
      if (!part.isConnected || !late.has(part)) return late.delete(part);
      if (busy(part.closest("[data-live-around]") ?? part)) return setTimeout(again, 500);
      return tell(part);
    };
    setTimeout(again, 500);
  }
}

function news(subject = null) {
  for (const part of document.querySelectorAll("[data-live]")) {
    if (subject === null || part.dataset.live.split(" ").includes(subject)) tell(part);
  }
}

function ask() {
  if (!document.hidden) news();
}

function show(is_live) {
  root.dataset.stream = is_live ? "open" : "none";
}

function close() {
  source?.close();
  source = null;
  clearInterval(asking);
  asking = 0;
}

function open() {
  close();
  const wanted = subjects();
  if (!wanted.length) return;
  source = new EventSource(`${address}?on=${encodeURIComponent(wanted.join(","))}${opened ? "&again=1" : ""}`);
  source.addEventListener("open", () => {
    if (!opened && performance.now() > SLOW) news(); // something may have come since the page was made
    opened = true;
    show(true);
  });
  source.addEventListener("news", (event) => news(event.data));
  source.addEventListener("end", () => { close(); location.reload(); }); // signed out, or may see something else now
  source.addEventListener("error", () => {
    show(false);
    if (source?.readyState === EventSource.CLOSED) { // it will not be tried again by the browser
      close();
      asking = setInterval(ask, WITHOUT_A_STREAM);
    }
  });
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => { if (event.persisted) open(); });
setInterval(ask, EVERY_MINUTE);
if (!document.hidden) open();
