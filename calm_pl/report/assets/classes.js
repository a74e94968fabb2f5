/* What a class is confused with, and its clips. */
if (DATA.perClass) classView(DATA.perClass);

function classView({ methods, confusions, counts, clips, draws, largestMatrix, audio }) {
  const none = DATA.classes.length;
  const detail = document.getElementById("class-detail");
  const matrix = document.getElementById("confusion");
  const methodChoice = document.getElementById("class-method");
  const picks = [...document.querySelectorAll("button.pick")];
  const name = (c) => (c === none ? "no answer" : DATA.classes[c]);
  const narrow = matchMedia("(max-width: 52rem)");
  let chosen = 0;

  const mistakes = (m) => confusions[m].wrong.map((row) => row.reduce((sum, [, count]) => sum + count, 0));
  const linked = (c) => (c === none ? el("span", {}, name(c)) : el("button", { type: "button", onclick: () => pick(c) }, name(c)));
  const counted = (count) => ` ${Number(count.toFixed(1))}${draws > 1 ? " per draw" : ""}`;

  function list(title, items, more) {
    if (!items.length) return el("p", {}, `${title}: none.`);
    const rest = more ? el("li", {}, `and ${more} more`) : null;
    return el("div", {}, el("p", {}, `${title}:`),
      el("ul", { class: "plain" }, ...items.map(([c, count]) => el("li", {}, linked(c), counted(count))), ...(rest ? [rest] : [])));
  }

  function clip([id, answers, sound], c) {
    const player = sound < 0 ? null : el("audio", { controls: true, preload: "metadata", src: audio[sound], "aria-label": `${name(c)}: ${id}` });
    const says = answers.map(([answer, share, sure], m) => el("li", { class: answer === c ? "right" : "wrong" },
      `${answer === c ? "✓" : "✗"} ${methods[m]}: ${name(answer)} `,
      el("span", { class: "muted" }, draws > 1 ? `${percent(share)} of draws, confidence ${percent(sure)}` :
      `confidence ${percent(sure)}`)));
    return el("li", {}, el("code", {}, id), ...(player ? [player] : []), el("ul", { class: "plain small" }, ...says));
  }

  function show() {
    const m = Number(methodChoice.value);
    const inverse = confusions[m].wrong.flatMap((row, truth) => row.filter(([answer]) => answer === chosen).map(([, count]) => [truth, count]));
    inverse.sort((a, b) => b[1] - a[1]);
    picks.forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.class) === chosen));
    detail.replaceChildren(
      el("h3", {}, name(chosen)),
      list(`Predicted by ${methods[m]} instead`, confusions[m].wrong[chosen], confusions[m].rest[chosen]),
      list(`Classes that ${methods[m]} mistakes for it`, inverse.slice(0, 8), Math.max(0, inverse.length - 8)),
      el("h4", {}, `Questions, worst first (${clips[chosen].length} of ${counts[chosen]})`),
      el("ul", { class: "clips" }, ...clips[chosen].map((one) => clip(one, chosen))),
    );
    detail.scrollTop = 0;
  }

  function pick(c) {
    chosen = c;
    show();
    if (narrow.matches) detail.scrollIntoView({ block: "start" });
  }

  function drawMatrix() {
    if (none > largestMatrix) return;
    const m = Number(methodChoice.value);
    const NS = "http://www.w3.org/2000/svg";
    const side = 130;
    const cell = Math.max(13, Math.min(44, Math.floor(620 / none)));
    const digits = cell >= 20 ? Math.min(14, Math.floor(cell / 2)) : 0;  // no count in cells too small to read it
    const size = side + cell * none;
    const shape = (kind, attributes, text) => {
      const node = document.createElementNS(NS, kind);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      if (text !== undefined) node.textContent = text;
      return node;
    };
    const short = (c) => (name(c).length > 18 ? `${name(c).slice(0, 17)}…` : name(c));
    const drawing = shape("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
    for (let c = 0; c < none; c++) {
      const middle = side + cell * (c + 0.5);
      drawing.append(
        shape("text", { x: side - 6, y: middle, class: "row-label" }, short(c)),
        shape("text", { transform: `translate(${middle} ${side - 6}) rotate(-90)`, class: "column-label" }, short(c)),
      );
      const right = counts[c] - confusions[m].wrong[c].reduce((sum, [, count]) => sum + count, 0);
      for (const [answer, count] of [[c, right], ...confusions[m].wrong[c]]) {
        if (answer === none || count <= 0 || !counts[c]) continue;
        const level = Math.min(9, Math.floor((count / counts[c]) * 10));
        const square = shape("rect", { x: side + cell * answer + 0.5, y: side + cell * c + 0.5, width: cell - 1, height: cell - 1,
          class: `${answer === c ? "good" : "bad"} q${level}` });
        square.append(shape("title", {}, `${name(c)} → ${name(answer)}: ${Number(count.toFixed(1))} of ${counts[c]}`));
        square.addEventListener("click", () => pick(c));
        drawing.append(square);
        if (!digits) continue;
        const x = side + cell * (answer + 0.5);
        const shown = shape("text", { x, y: middle, class: level > 5 ? "count deep" : "count" },
          String(count < 9.95 ? Number(count.toFixed(1)) : Math.round(count)));
        shown.style.fontSize = `${digits}px`;
        drawing.append(shown);
      }
    }
    drawing.append(shape("rect", { x: side, y: side, width: cell * none, height: cell * none, class: "frame" }));
    matrix.replaceChildren(el("figure", {},
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Confusion matrix of ${methods[m]}` }, drawing),
      el("figcaption", {}, `Confusion matrix of ${methods[m]}: rows are true classes, columns are predictions;
      the stronger the colour, the larger the share of the row. Numbers are questions${draws > 1 ? ", mean over draws" : ""}.`)));
  }

  document.getElementById("class-find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const button of picks) button.closest("tr").hidden = !button.textContent.toLowerCase().includes(wanted);
  });
  for (const button of picks) button.addEventListener("click", () => pick(Number(button.dataset.class)));
  methodChoice.addEventListener("change", () => { show(); drawMatrix(); });
  methodChoice.value = methods.length - 1;
  const total = mistakes(methods.length - 1);
  chosen = total.indexOf(Math.max(...total));
  show();
  drawMatrix();
}
