/* A click on a heading sorts its table; another one turns it round. Empty values stay at the end. */
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (button) button.addEventListener("click", () => sortTable(table, headings, column));
  });
}

/* A button that copies a table as Markdown, as it is sorted now. */
for (const table of document.querySelectorAll("table.sortable")) {
  const button = el("button", { type: "button", class: "copy" }, "Copy as Markdown");
  button.addEventListener("click", async () => {
    const copied = await copyText(markdownOf(table));
    button.textContent = copied ? "Copied" : "Not copied: the browser forbids it";
    setTimeout(() => (button.textContent = "Copy as Markdown"), 2000);
  });
  const box = table.parentElement;
  const block = el("div", {}); // one item of the grid that the table may be in
  box.replaceWith(block);
  block.append(box, button);
}

function markdownOf(table) {
  const text = (cell) => cell.textContent.trim().replace(/\s+/g, " ").replace(/([\\`*_{}[\]<>|~$#&])/g, "\\$1");
  const line = (row) => `| ${[...row.cells].map(text).join(" | ")} |`;
  const heads = table.tHead.rows[0];
  const rule = [...heads.cells].map((cell) => (cell.classList.contains("number") ? "---:" : "---"));
  return [line(heads), `| ${rule.join(" | ")} |`, ...[...table.tBodies[0].rows].map(line)].join("\n") + "\n";
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", {});
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy"); // pages from a disk may have no clipboard of their own
    area.remove();
    return copied;
  }
}

function sortTable(table, headings, column) {
  const numbers = headings[column].classList.contains("number");
  const before = headings[column].getAttribute("aria-sort");
  const ascending = before ? before === "descending" : !numbers;
  const value = (row) => {
    const cell = row.cells[column];
    if ("value" in cell.dataset) return Number(cell.dataset.value);
    return numbers ? null : cell.textContent;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return ascending ? order : -order;
  };
  const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
  rows.sort((a, b) => compare(a[0], b[0]));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
}
