/* The (layer, head) map. One cell of the grid takes part in tabbing; arrows move among the others. */
if (DATA.heads) headMap(DATA.heads);

function headMap({ layers, maps }) {
  const LEVELS = 10;
  const STRONGEST = 10;
  const [grid, detail, legend] = ["head-map", "head-detail", "head-legend"].map((id) => document.getElementById(id));
  const [methodChoice, classChoice, shadeChoice] = ["head-method", "head-class", "head-shade"].map((id) => document.getElementById(id));
  const unpack = ({ low, high, bytes }) => {
    const steps = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    return Float64Array.from(steps, (step) => (step ? low + ((step - 1) / 254) * (high - low) : 0));
  };
  for (const map of maps) for (const key of ["mean", "reliability", "weights"]) map[key] = unpack(map[key]);
  const heads = maps[0].mean.length;
  const across = heads / layers;
  const named = (head) => `Layer ${Math.floor(head / across)}, head ${head % across}`;
  let map, values, weights, ranks, shown = 0;

  // Cells
  grid.style.setProperty("--across", across);
  const cells = [];
  for (let layer = 0; layer < layers; layer++) {
    const row = el("div", { role: "row" }, el("span", { class: "layer", role: "rowheader" }, String(layer)));
    for (let head = 0; head < across; head++) {
      const cell = el("div", { role: "gridcell", tabindex: -1, "data-head": layer * across + head });
      cells.push(cell);
      row.append(cell);
    }
    grid.append(row);
  }
  const headOf = (event) => event.target.closest("[data-head]")?.dataset.head;
  for (const kind of ["mouseover", "focusin"]) {
    grid.addEventListener(kind, (event) => headOf(event) !== undefined && show(Number(headOf(event))));
  }
  grid.addEventListener("keydown", (event) => {
    const start = shown - (shown % across);
    const to = {
      ArrowLeft: Math.max(start, shown - 1), ArrowRight: Math.min(start + across - 1, shown + 1),
      ArrowUp: shown - across, ArrowDown: shown + across, Home: start, End: start + across - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to < heads) cells[to].focus();
  });

  function show(head) {
    cells[shown].tabIndex = -1;
    cells[shown].classList.remove("shown");
    shown = head;
    cells[head].tabIndex = 0;
    cells[head].classList.add("shown");
    const share = weights[head] * heads;
    const trusted = (map.trusted[head] || []).map(([c, rank]) => el("li", {},
      el("button", { type: "button", onclick: () => choose(c) }, DATA.classes[c]), ` ${ordinal(rank)} of ${heads}`));
    detail.replaceChildren(
      el("h3", {}, named(head)),
      el("p", {}, `Reliability ${values[head].toFixed(3)}, ${ordinal(ranks[head] + 1)} of ${heads} heads. `,
        share ? `Its weight is ${share.toPrecision(3)} times that of equal weights.` : "It has no vote."),
      ...(trusted.length ? [el("p", {}, "Classes for which it ranks highest, with its rank among all heads:"), el("ol", { class: "plain" }, ...trusted)] : []),
      el("p", {}, `Strongest heads, ${what()}:`),
      el("p", { class: "chips" }, ...strongest().map((one) =>
        el("button", { type: "button", onclick: () => cells[one].focus() }, named(one).replace("Layer ", "L").replace(", head ", " H")))),
    );
  }

  const row = () => (map.perClass ? Number(classChoice.value) : -1);
  const what = () => (row() < 0 ? "all classes" : DATA.classes[row()]);
  const strongest = () => [...ranks.keys()].sort((a, b) => ranks[a] - ranks[b]).slice(0, STRONGEST);
  const choose = (c) => { classChoice.value = c; draw(); };

  function draw() {
    const c = row();
    const slice = (all) => all.subarray(c * heads, (c + 1) * heads);
    values = c < 0 ? map.mean : slice(map.reliability);
    weights = c < 0 ? mean(map.weights) : slice(map.weights);
    const order = [...values.keys()].sort((a, b) => values[b] - values[a] || a - b);
    ranks = new Int32Array(heads);
    order.forEach((head, rank) => { ranks[head] = rank; });
    const [high, low] = [values[order[0]], values[order[heads - 1]]];
    const share = shares(order, low, high);
    cells.forEach((cell, head) => {
      const level = Math.min(LEVELS - 1, Math.floor(share[head] * LEVELS));
      cell.className = `q${level}`;
      cell.setAttribute("aria-label", `${named(head)}: reliability ${values[head].toFixed(3)}`);
    });
    legend.replaceChildren(`Reliability, ${what()}: ${low.toFixed(3)} `,
      ...Array.from({ length: LEVELS }, (_, level) => el("span", { class: `q${level}` })), ` ${high.toFixed(3)}`);
    show(shown);
  }

  /** How dark each head is, 0 to 1: by the share of heads below it, or by its value. */
  function shares(order, low, high) {
    if (high === low) return new Float64Array(heads);
    if (shadeChoice.value === "value") return values.map((value) => (value - low) / (high - low));
    const below = new Float64Array(heads);
    order.toReversed().forEach((head, place, upwards) => {
      const before = upwards[place - 1];  // equal heads are equally dark
      below[head] = place && values[before] === values[head] ? below[before] : place / heads;
    });
    return below;
  }

  function ordinal(n) {
    const teen = Math.floor((n % 100) / 10) === 1;
    return n + ((!teen && ["st", "nd", "rd"][(n % 10) - 1]) || "th");
  }

  function mean(all) {
    const sums = new Float64Array(heads);
    const rows = all.length / heads;
    all.forEach((value, place) => { sums[place % heads] += value / rows; });
    return sums;
  }

  function chooseMethod() {
    map = maps.find((one) => one.method === methodChoice.value);
    const all = map.perClass ? "all (mean)" : map.trusted.length ? "all (mean; too many classes to show each)" : "all (reliabilities are not per class)";
    classChoice.replaceChildren(el("option", { value: -1 }, all),
      ...(map.perClass ? DATA.classes.map((name, c) => el("option", { value: c }, name)) : []));
    classChoice.disabled = !map.perClass;
    draw();
  }
  methodChoice.addEventListener("change", chooseMethod);
  classChoice.addEventListener("change", draw);
  shadeChoice.addEventListener("change", draw);
  chooseMethod();
  show(strongest()[0]);
}
