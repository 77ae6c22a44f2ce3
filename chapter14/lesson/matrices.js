/* Matrices as elements. `fillEntries` updates their numbers in place, so that the focus stays. */

const keyOf = ({ name, i, j }) => `${name}|${i}|${j}`;

/* The strength of an entry's colour: its magnitude relative to the largest of its matrix. */
function strength(numbers, i, j) {
  const largest = Math.max(...numbers.flat().map(Math.abs).filter(Number.isFinite), 1e-9);
  return `${Math.round(10 + 38 * Math.min(1, Math.abs(numbers[i][j]) / largest) || 10)}%`;
}

/* The entry shown at row i, column j of an item, which may be transposed or a single row. */
function places({ t, vec }, m, n) {
  if (vec) return { m: 1, n: m * n, at: (i, j) => ({ i: Math.floor(j / n), j: j % n }) };
  return t ? { m: n, n: m, at: (i, j) => ({ i: j, j: i }) } : { m, n, at: (i, j) => ({ i, j }) };
}

function labelOf({ name, t, vec }) {
  if (vec) return `vec ${name}`;
  return !t ? name : name.startsWith("∂") ? `(${name})^T` : name + (name.includes("^") ? "" : "^T");
}

/* One matrix with its name and shape; `cell` makes the element of an entry. */
function matrixElement(item, all, cell) {
  const { numbers, kind } = all[item.name], { m, n, at } = places(item, numbers.length, numbers[0].length);
  const shape = m * n > 1 ? `${m} × ${n}` : "";
  const spokenShape = m * n > 1 ? `, ${m} by ${n}` : "";
  const rows = matrix(m, n, (i, j) => make("div", { role: "gridcell" }, cell({ name: item.name, ...at(i, j), long: item.long })));
  return make("div", { class: "matrix", role: "grid", "data-kind": kind, "aria-label": spoken(labelOf(item)) + spokenShape },
    make("div", { class: "label", "aria-hidden": "true" }, math(labelOf(item)), shape && make("small", {}, shape)),
    make("div", { class: "cells", role: "presentation", style: `--columns: ${n}` },
      rows.map(row => make("div", { role: "row" }, row))));
}

/* An entry as a button. */
function entryButton(entry) {
  const button = make("button", { type: "button", class: "entry", "data-entry": keyOf(entry), "aria-describedby": "made" });
  button.entry = entry;
  return button;
}

/* An entry of an input as a number field. */
function entryInput(entry) {
  const input = make("input", { type: "number", step: "0.1", min: -LIMIT, max: LIMIT, class: "entry", "data-entry": keyOf(entry) });
  input.entry = entry;
  return input;
}

function fillEntries(elements, all) {
  for (const element of elements) {
    const { name, i, j } = element.entry, { numbers, given } = all[name], value = numbers[i][j];
    element.style.setProperty("--strength", strength(numbers, i, j));
    const label = spoken(nameOf(element.entry, all));
    if (element.tagName === "INPUT") {
      element.setAttribute("aria-label", label);
      if (element !== document.activeElement) element.value = Number(value.toFixed(2));
    } else {
      element.textContent = short(value);
      element.classList.toggle("nought", value === 0);
      element.setAttribute("aria-label", `${label} is ${long(value)}${given ? ", an input, press Enter to edit" : ""}`);
    }
  }
}

/* The formula of an entry, in symbols with the numbers below: "W_1[0,0] · x_0[0] + ...". */
function formula(tokens, all) {
  return tokens.map(token => {
    if (typeof token === "string") return make("span", { class: "sign" }, prose(token));
    if (Array.isArray(token))
      return make("span", { class: `term${token.some(part => part.name && valueOf(part, all) === 0) ? " nought" : ""}` }, formula(token, all));
    return make("span", { class: "factor-of", "data-kind": all[token.name].kind },
      math(nameOf(token, all)), make("b", {}, long(valueOf(token, all))));
  });
}

const valueOf = ({ name, i, j }, all) => all[name].numbers[i][j];

function entriesIn(tokens) {
  return tokens.flatMap(token => Array.isArray(token) ? entriesIn(token) : typeof token === "string" ? [] : [token]);
}

/* Marks an entry everywhere on the page, and the entries that it is computed from. */
function mark(entry, all) {
  for (const element of document.querySelectorAll(".chosen, .factor")) element.classList.remove("chosen", "factor");
  const each = (one, name) => {
    for (const element of document.querySelectorAll(`[data-entry="${keyOf(one)}"]`)) element.classList.add(name);
  };
  if (!entry) return;
  const { made } = all[entry.name];
  if (made) for (const factor of entriesIn(made(entry.i, entry.j, entry.long))) each(factor, "factor");
  each(entry, "chosen");
}
