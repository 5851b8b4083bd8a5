// Ticked rows are remembered across pages, searches and reloads of this tab, counted below the list and sent along with
// whatever is done to them. Without this file the ticks of the page shown, or all that fit, are sent.

const form = document.querySelector("form[data-selection]");
const list = document.getElementById("list");
const place = `selection:${form.dataset.selection}`;

function load() {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(place) ?? "[]"));
  } catch {
    return new Set();
  }
}

let chosen = load();

function boxes() {
  return [...list.querySelectorAll("tbody .tick input")];
}

function all() {
  return list.querySelector("[data-all]")?.checked ?? false;
}

function show() {
  const everything = all();
  for (const box of boxes()) {
    box.checked = everything || chosen.has(box.value);
    box.closest("tr").classList.toggle("chosen", box.checked);
  }
  const page = list.querySelector("[data-all-here]");
  if (page) {
    page.hidden = false;
    page.checked = boxes().length > 0 && boxes().every((box) => box.checked);
    page.indeterminate = !page.checked && boxes().some((box) => box.checked);
  }
  const count = everything ? Number(list.querySelector("[data-all]").dataset.all) : chosen.size;
  const said = list.querySelector("[data-count]");
  if (said) {
    said.hidden = false;
    said.textContent = `${said.dataset.text} ${count.toLocaleString(document.documentElement.lang)}`;
  }
  const clear = list.querySelector("[data-none]");
  if (clear) clear.hidden = count === 0;
  for (const one of form.querySelectorAll("[data-needs]")) {
    const off = one.dataset.needs === "one" ? count !== 1 : count === 0;
    if (one.tagName === "DETAILS") {
      one.toggleAttribute("data-off", off);
      one.firstElementChild.tabIndex = off ? -1 : 0;
      if (off) one.open = false;
    } else {
      one.disabled = off;
    }
  }
  form.elements.chosen.value = [...chosen].join(",");
}

function keep() {
  sessionStorage.setItem(place, JSON.stringify([...chosen]));
  show();
}

let last = null;

list.addEventListener("click", (event) => { // with Shift: all between this tick and the one before
  const box = event.target.closest("tbody .tick input");
  if (!box) return;
  const here = boxes();
  if (event.shiftKey && last && here.includes(last)) {
    const [from, to] = [here.indexOf(last), here.indexOf(box)].sort((a, b) => a - b);
    for (const one of here.slice(from, to + 1)) {
      if (box.checked) chosen.add(one.value);
      else chosen.delete(one.value);
    }
    keep();
  }
  last = box;
});

list.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("[data-all]")) {
    show();
    return;
  }
  const everything = list.querySelector("[data-all]");
  if (everything?.checked) { // one is taken away from all: what is left on this page stays ticked
    everything.checked = false;
    boxes().forEach((one) => one !== box && chosen.add(one.value));
  }
  for (const one of box.matches("[data-all-here]") ? boxes() : [box]) {
    if (box.checked) chosen.add(one.value);
    else chosen.delete(one.value);
  }
  keep();
});

list.addEventListener("click", (event) => {
  if (!event.target.closest("[data-none]")) return;
  chosen.clear();
  const everything = list.querySelector("[data-all]");
  if (everything) everything.checked = false;
  keep();
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.dataset.clears === undefined) return;
  setTimeout(() => { // the browser has read the form by then
    chosen.clear();
    sessionStorage.removeItem(place);
  }, 0);
});

// What was searched since the page was loaded is kept when other columns are chosen.
document.querySelector(".columns form")?.addEventListener("submit", (event) => {
  const fields = event.target;
  fields.querySelectorAll("input[type=hidden]:not([name=columns])").forEach((field) => field.remove());
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name === "columns" || name === "page" || !value) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    fields.append(field);
  }
});

document.addEventListener("htmx:afterSwap", show);
addEventListener("pageshow", () => {
  chosen = load();
  show();
});
show();
