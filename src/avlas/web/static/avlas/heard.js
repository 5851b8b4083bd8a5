// The list of what is heard keeps what one has chosen while it renews itself, and holds still under the pointer.

const chosen = new Set();
const list = document.getElementById("list");
const bar = document.getElementById("adopt-bar");

function renew() {
  for (const box of list.querySelectorAll("input[name=state]")) {
    box.checked = chosen.has(box.value);
    box.closest("tr").classList.toggle("chosen", box.checked);
  }
  const boxes = [...list.querySelectorAll("input[name=state]")];
  const all = list.querySelector("#all");
  if (all) {
    all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
    all.indeterminate = !all.checked && boxes.some((box) => box.checked);
  }
  if (!bar) return;
  const here = new Set(boxes.map((box) => box.value));
  bar.querySelectorAll("input[type=hidden][name=state]").forEach((field) => field.remove());
  for (const value of chosen) {
    if (here.has(value)) continue; // sent by its own box
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "state", value });
    bar.append(field);
  }
  const count = bar.querySelector("[data-count]");
  count.textContent = (chosen.size === 1 ? count.dataset.one : count.dataset.many).replace("{n}", String(chosen.size));
  bar.querySelector("button").disabled = chosen.size === 0;
}

list.addEventListener("change", (event) => {
  const changed = event.target.id === "all" ? list.querySelectorAll("input[name=state]") : [event.target];
  for (const box of changed) {
    if (box.name !== "state") continue;
    if (event.target.checked) chosen.add(box.value);
    else chosen.delete(box.value);
  }
  renew();
});

document.addEventListener("htmx:afterSwap", renew);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "renewal") return;
  if (document.hidden || list.querySelector("tbody:hover")) event.preventDefault();
});
renew();
