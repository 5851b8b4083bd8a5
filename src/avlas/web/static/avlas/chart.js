// Bars and points tell their figure when pointed at or reached by keyboard; arrow keys go from bar to bar.

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the bar's own label says the same aloud

function show(bar) {
  const plot = bar.closest(".plot");
  if (!plot) return;
  if (tip.parentElement !== plot) plot.append(tip);
  const figure = document.createElement("b");
  figure.textContent = bar.dataset.text;
  tip.replaceChildren(bar.dataset.title, figure, bar.dataset.notes || "");
  tip.hidden = false;
  const shape = (bar.querySelector(".amount") ?? bar.querySelector(".hit")).getBoundingClientRect();
  const paper = plot.getBoundingClientRect();
  const half = tip.offsetWidth / 2 + 4;
  const middle = shape.left + shape.width / 2 - paper.left;
  tip.style.left = `${Math.min(Math.max(middle, half), paper.width - half)}px`;
  tip.style.top = `${Math.max(shape.top - paper.top - 12, tip.offsetHeight - 8)}px`;
}

function prepare(root) {
  for (const chart of root.querySelectorAll("svg.chart:not([data-ready])")) {
    chart.dataset.ready = "";
    const bars = [...chart.querySelectorAll(".bar")];
    bars.forEach((bar, index) => bar.setAttribute("tabindex", index === bars.length - 1 ? "0" : "-1"));
    chart.addEventListener("keydown", (event) => {
      const at = bars.indexOf(document.activeElement);
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
      if (at < 0 || to === undefined || !bars[to]) return;
      event.preventDefault();
      bars[at].setAttribute("tabindex", "-1");
      bars[to].setAttribute("tabindex", "0");
      bars[to].focus();
    });
  }
}

const ofBar = (event) => event.target.closest?.("svg.chart .bar");
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const bar = ofBar(event);
    if (bar) show(bar);
    else if (kind === "pointerover") tip.hidden = true;
  });
}
document.addEventListener("focusout", (event) => { if (ofBar(event)) tip.hidden = true; });
document.addEventListener("htmx:afterSwap", (event) => { tip.hidden = true; prepare(event.target.parentElement ?? document); });
prepare(document);
