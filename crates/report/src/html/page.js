// Optional extras for readers with a mouse or a keyboard. Everything is on the page without this script, too.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

const create = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Numbers of a point or a cell: by mouse, by finger, or with the arrow keys in a focused figure.
const tip = create("div", { className: "tip", role: "status", hidden: true });
document.body.append(tip);

function show(mark) {
  all(".marked").forEach((other) => other.classList.remove("marked"));
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("marked");
  tip.textContent = mark.dataset.tip;
  const place = mark.getBoundingClientRect();
  const left = place.left + place.width / 2 - tip.offsetWidth / 2;
  const above = place.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${above < 4 ? place.bottom + 8 : above}px`;
}

for (const mark of all(".marks > *")) {
  mark.dataset.tip = mark.textContent;
  mark.replaceChildren(); // The browser would show the title, too.
}
document.addEventListener("pointerover", (event) => show(event.target.closest(".marks > *")));
addEventListener("scroll", () => show(null), { passive: true });

// Old browsers lack the selector `:has`.
for (const svg of new Set(all(".marks").map((marks) => marks.closest("svg")))) {
  svg.tabIndex = 0;
  svg.addEventListener("blur", () => show(null));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    const marks = all(".marks > *", svg).filter((mark) => !mark.closest(".off"));
    const now = marks.findIndex((mark) => mark.classList.contains("marked"));
    const next = now < 0 ? (step > 0 ? 0 : marks.length - 1) : now + step;
    if (marks.length) show(marks[(next + marks.length) % marks.length]);
  });
}

// Tables sort by a column: first in its natural order, then in the reverse order.
function sortKey(text) {
  const number = parseFloat(text.replace(/(\d),(?=\d)/g, "$1").replace(/[<>\s]/g, "").replace(/−/g, "-"));
  return Number.isFinite(number) ? number : text;
}

// Missing values come last in both directions.
function compare(a, b, direction) {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b));
}

for (const table of all(".scroll table")) {
  const headers = all("thead th", table);
  headers.forEach((header, column) => {
    const button = create("button", { type: "button" }, ...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const direction = header.ariaSort === "ascending" ? -1 : 1;
      const rows = all("tbody tr", table).map((row) => [sortKey(row.cells[column].textContent), row]);
      rows.sort(([a], [b]) => compare(a, b, direction));
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.ariaSort = direction > 0 ? "ascending" : "descending";
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

// The legend becomes switches for the scalings in all pictures.
for (const item of all(".arms li")) {
  const box = create("input", { type: "checkbox", checked: true });
  item.replaceChildren(create("label", {}, box, ...item.childNodes));
  box.addEventListener("change", () => {
    show(null);
    for (const part of all(`[data-arm="${item.dataset.key}"]`)) part.classList.toggle("off", !box.checked);
  });
}

// A click on a picture opens its probabilities, and with them a larger picture.
for (const picture of all(".gallery img")) {
  const details = picture.parentElement.querySelector("details");
  picture.addEventListener("click", () => (details.open = !details.open));
}

// Each figure can be saved as a file.
function save(name, address) {
  create("a", { download: name, href: address }).click();
}

function fileOf(svg) {
  const copy = svg.cloneNode(true);
  all(".marks, .off", copy).forEach((part) => part.remove());
  copy.setAttribute("style", "background: white; color: #1f2328; font-family: sans-serif");
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
}

function saveAsPng(svg, name) {
  const { width, height } = svg.viewBox.baseVal;
  const image = new Image();
  image.onload = () => {
    const canvas = create("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    save(`${name}.png`, canvas.toDataURL("image/png"));
  };
  image.src = fileOf(svg);
}

for (const figure of all("figure")) {
  const svg = figure.querySelector("svg");
  const name = figure.dataset.name;
  const button = (kind, click) => {
    const button = create("button", { type: "button", ariaLabel: `Save ${name} as ${kind}` }, kind);
    button.addEventListener("click", click);
    return button;
  };
  figure.append(
    create(
      "p",
      { className: "save" },
      "Save as ",
      button("SVG", () => save(`${name}.svg`, fileOf(svg))),
      " ",
      button("PNG", () => saveAsPng(svg, name)),
    ),
  );
}

// Print what is folded, except the probabilities of each picture.
addEventListener("beforeprint", () => all("details.more").forEach((details) => (details.open = true)));
