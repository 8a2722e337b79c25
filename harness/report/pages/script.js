"use strict";
// Sorts and filters tables that are complete without it.
(() => {
  const SCALES = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

  // "1.82 ms" → 0.00182, ">1,000" → 1000 and a little, "4/6" → 4/6; null where a text begins with no number.
  const value = (text) => {
    const found = /^([>≤<]?)\s*(-?[\d,]*\.?\d+)(?:\/(\d+))?\s*([a-zA-Zµ]+)?/.exec(text.trim());
    if (!found) return null;
    const number = Number(found[2].replaceAll(",", "")) / (Number(found[3]) || 1);
    return number * (SCALES[found[4]] ?? 1) * (found[1] === ">" ? 1.000001 : 1);
  };

  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x !== null && y !== null) return x - y;
    if (x !== null || y !== null) return x !== null ? -1 : 1;
    return a.localeCompare(b, undefined, { numeric: true });
  };

  const sort = (header, place) => {
    const body = header.closest("table").tBodies[0];
    const order = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const text = (row) => row.cells[place].textContent;
    const rows = [...body.rows].sort((a, b) => compare(text(a), text(b)) * (order === "ascending" ? 1 : -1));
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    body.append(...rows);
  };

  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((header, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      header.replaceChildren(button);
      button.addEventListener("click", () => sort(header, place));
    });
  }

  const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    found.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  };
  filter.addEventListener("input", apply);
  document.querySelector(".tools").hidden = false;
})();
