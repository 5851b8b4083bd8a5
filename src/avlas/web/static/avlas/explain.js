// Pointing at (or reaching by keyboard) an explanation lights its bytes, and a byte lights its explanation.

function light(root, start, end) {
  for (const byte of root.querySelectorAll(".bytes i")) {
    const at = Number(byte.dataset.at);
    byte.classList.toggle("lit", at >= start && at < end);
  }
}

function narrowest(root, at) {
  let best = null;
  for (const row of root.querySelectorAll("tr[data-start]")) {
    const [start, end] = [Number(row.dataset.start), Number(row.dataset.end)];
    if (at < start || at >= end) continue;
    if (!best || end - start <= Number(best.dataset.end) - Number(best.dataset.start)) best = row;
  }
  return best;
}

for (const root of document.querySelectorAll(".explained")) {
  const clear = () => {
    light(root, 0, 0);
    root.querySelectorAll("tr.lit").forEach((row) => row.classList.remove("lit"));
  };
  const follow = (event) => {
    const row = event.target.closest("tr[data-start]");
    const byte = event.target.closest(".bytes i");
    if (row) { clear(); light(root, Number(row.dataset.start), Number(row.dataset.end)); }
    else if (byte) {
      clear();
      const found = narrowest(root, Number(byte.dataset.at));
      if (found) { found.classList.add("lit"); light(root, Number(found.dataset.start), Number(found.dataset.end)); }
      if (event.type === "click") found?.scrollIntoView({ block: "nearest" });
    }
  };
  root.addEventListener("pointerover", follow);
  root.addEventListener("focusin", follow);
  root.addEventListener("click", follow);
  root.addEventListener("pointerleave", clear);
  root.addEventListener("keydown", (event) => {
    const rows = [...root.querySelectorAll("tr[data-start]")];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1 }[event.key];
    if (at < 0 || to === undefined || !rows[to]) return;
    event.preventDefault();
    rows[to].focus();
  });
}
