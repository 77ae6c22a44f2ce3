/* The controls that are built again: the steps' buttons, the matrices of a step, the inputs. */

function buildLines() {
  $("lines").replaceChildren(...linesOf(example).map(({ at, text, inner }) => {
    const dots = steps.map((step, k) => ({ step, k })).filter(({ step }) => step.line === at).map(({ step, k }) => {
      const button = make("button", { type: "button", value: k, "aria-label": `step ${k}: ${spoken(step.title)}`, title: spoken(step.title) });
      button.addEventListener("click", () => go(k));
      return button;
    });
    return make("li", { "data-line": at }, make("span", { class: "number", "aria-hidden": "true" }, Number(at) ? at : ""),
      make("span", { class: inner ? "inner" : "" }, prose(text)), make("span", { class: "dots", style: `--dots: ${Math.min(3, dots.length)}` }, dots));
  }));
}

function buildGiven() {
  givenInputs = [];
  $("given").replaceChildren(...Object.keys(example.given).map(name => matrixElement({ name, t: all[name].numbers[0].length === 1 }, all, entry => {
    const input = entryInput(entry);
    input.addEventListener("input", () => isNumber(input) && change(entry, Number(input.value)));
    input.addEventListener("focus", () => { choose(entry, false); input.select(); });
    input.addEventListener("blur", () => { delete input.dataset.editing; fillEntries([input], all); });
    input.addEventListener("dblclick", () => { input.dataset.editing = "true"; });
    input.addEventListener("keydown", ({ key }) => editInPlace(input, key));
    givenInputs.push(input);
    return input;
  })));
  tabStop.given();
}

/* In a field, typing replaces the number and arrow keys go to other fields; while it is edited, they are the field's. */
function editInPlace(input, key) {
  const { editing } = input.dataset;
  if ((key === "Enter" && !editing) || key === "F2") input.dataset.editing = "true";
  else if (key === "Enter" || key === "Escape") { delete input.dataset.editing; input.select(); }
}

function benchEntry(entry) {
  const button = entryButton(entry), { given } = all[entry.name];
  button.addEventListener("pointerenter", event => point(event, entry));
  button.addEventListener("focus", () => choose(entry));
  button.addEventListener("click", () => choose(entry));
  if (given) {
    button.addEventListener("dblclick", edit);
    button.addEventListener("keydown", event => {
      const by = { "+": 0.1, "-": -0.1 }[event.key];
      if (event.key === "Enter") { event.preventDefault(); edit(); }
      if (by) { event.preventDefault(); change(entry, Number((valueOf(entry, all) + by).toFixed(6))); }
    });
  }
  bench.push(button);
  return button;
}

function edit() {
  const field = $("editor").querySelector("input[type=number]");
  field.focus();
  field.select();
}
