// The switch between light and dark, the tab in sight, menus that close again, rows that lead somewhere, lists that
// answer while one types. Every one of these also works without this file, only with one click more.

const root = document.documentElement;

function isDark() {
  const wanted = root.dataset.theme;
  return wanted === "dark" || (wanted === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

// On a narrow screen the tabs are wider than it: the one that is open stands in sight.
const tab = document.querySelector(".tabs a[aria-current]");
if (tab) {
  const row = tab.parentElement;
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-theme-switch]");
  if (!form) return;
  event.preventDefault();
  const theme = isDark() ? "light" : "dark";
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const row = event.target.closest("tr.goes");
  if (row && !event.target.closest("a, button, input, label, summary") && !String(getSelection())) {
    const link = row.querySelector("a.main");
    if (link && (event.ctrlKey || event.metaKey)) open(link.href, "_blank", "noopener");
    else if (link) location.assign(link.href);
  }
});

// What a page fetches by itself does not count as somebody at the computer (see web/sessions.py).
document.addEventListener("htmx:configRequest", (event) => {
  const why = event.detail.triggeringEvent;
  if (!why || why.type === "news") event.detail.headers["X-By-Itself"] = "1";
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A select that is itself the choice submits its form.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submit-on-change]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[method=post]");
  if (!form || event.defaultPrevented || form.dataset.themeSwitch !== undefined) return;
  setTimeout(() => form.querySelectorAll("button[type=submit]:enabled").forEach((button) => {
    button.disabled = true;
    button.dataset.sent = "";
  }), 0);
  if (event.submitter?.dataset.stays !== undefined) setTimeout(again, 2000); // gives a file: the page stays
});
/** What was sent can be sent anew. */
function again() {
  document.querySelectorAll("button[data-sent]").forEach((button) => {
    button.disabled = false;
    delete button.dataset.sent;
  });
}
addEventListener("pageshow", again); // come back to by the browser's own button
