/* The page: its state, and the updates when the state changes. */

const { examples, numbers: COMPUTED } = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);

const ABOUT = {
  chain: ["A chain", "Algorithm 14.1", "The MLP of figure 14.15. The forward pass (green) computes each value, up to the cost `J`. The backward pass (red) computes the gradient of each value from the one after it, and the parameter gradients (yellow)."],
  dag: ["Branch and merge", "Algorithm 14.1, for any graph", "A DAG with a branch and a merge, as in figure 14.20 (section 14.7). On the backward pass, the merge splits its gradient and the branch sums its gradients."],
  shared: ["Shared parameter", "Algorithm 14.1 with a shared parameter", "Both linear layers use the same `W` (section 14.8, figure 14.21). Each copy has its own gradient, and the gradient of `W` is their sum."],
  data: ["Backpropagation to the data", "Algorithm 14.1, to the data", "The same MLP, with fixed parameters and a free `x_0` (section 14.9, figure 14.22). The backward pass is the same; gradient descent on the data uses `g_0`."],
};

const state = { name: "", neuron: null, h: "relu", given: {}, eta: 0.1, step: 0, history: [], chosen: null };
let example, steps, now, all, graph, bench = [], givenInputs = [], running = 0;

const toMatrix = v => Array.isArray(v) ? (Array.isArray(v[0]) ? v : column(v)) : [[v]];
const asGiven = given => Object.fromEntries(Object.entries(given).map(([name, v]) => [name, toMatrix(v)]));

/* With J = -x_L[i] in place of the loss, and without a target. */
function withCost({ given, layers, ...rest }, i) {
  if (i === null) return { given, layers, ...rest };
  const { reads: [a, y], writes } = layers[layers.length - 1], { [y]: _, ...others } = given;
  return { given: others, layers: [...layers.slice(0, -1), { f: "neuron", reads: [a], writes, lane: 0, i }], ...rest };
}

function compute() {
  now = passes(example, state.given, NONLINEARITIES[state.h]);
  all = everything(example, state.h, now, updated(example, now, state.eta), state.eta);
}

const costOf = given => passes(example, given, NONLINEARITIES[state.h]).x.J[0][0];

/* The gradient of an input's entry, and the change of J when NUDGE is added to it; null while it is not known. */
function nudged({ name, i, j }) {
  const g = now.g[name], known = all[gradientOf(name)] ? isKnown(gradientOf(name)) : name === "y" && isKnown("J");
  if (!g || !known) return null;
  const slope = state.given[name][0].length > 1 ? g[i][j] : g[0][i];
  const more = { ...state.given, [name]: map(state.given[name], (a, r, c) => r === i && c === j ? a + NUDGE : a) };
  return { slope, by: NUDGE, moved: costOf(more) - now.x.J[0][0] };
}

function isKnown(name) {
  return steps.slice(0, state.step + 1).some(step => step.makes.includes(name));
}

/* Starts an example with its own values. */
function begin(name, neuron = null) {
  stop();
  const base = examples[name], was = state.name;
  example = withCost({ ...base, given: asGiven(base.given) }, neuron);
  Object.assign(state, { name, neuron, given: { ...example.given }, chosen: null, step: 0 });
  if (was !== name) state.eta = base.eta;
  $("eta").value = Math.log10(state.eta);
  $("about").replaceChildren(...prose(ABOUT[name][2]));
  $("algorithm-name").textContent = ABOUT[name][1];
  $("cost-choice").hidden = name !== "data";
  $("yellow").hidden = name === "data";
  $("cost").value = neuron === null ? "l2" : neuron;
  for (const button of $("modes").children) button.setAttribute("aria-pressed", button.value === name);
  rebuild();
}

/* Rebuilds everything that depends on the example or on h: the graph, the steps, the lines. */
function rebuild() {
  compute();
  state.history = [now.x.J[0][0]];
  steps = stepsOf(example, state.h);
  state.step = Math.min(state.step, steps.length - 1);
  graph = drawGraph(example, state.h, all);
  $("graph").replaceChildren(graph.svg);
  fitGraph(graph.svg);
  for (const cell of graph.cells) {
    cell.addEventListener("pointerenter", () => isKnown(cell.entry.name) && choose(cell.entry));
    cell.addEventListener("click", () => { go(steps.findIndex(step => step.makes.includes(cell.entry.name))); choose(cell.entry); });
  }
  buildLines();
  buildGiven();
  go(state.step);
}

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
    input.addEventListener("focus", () => choose(entry, false));
    input.addEventListener("blur", () => fillEntries([input], all));
    givenInputs.push(input);
    return input;
  })));
}

/* Goes to step k: shows its matrices and chooses its first entry. */
function go(k) {
  if (k < 0 || k >= steps.length) return;
  const wasHere = $("rows").contains(document.activeElement) || $("editor").contains(document.activeElement);
  state.step = k;
  if (location.hash !== `#${state.name}/${k}`) history.replaceState(null, "", `#${state.name}/${k}`);
  const step = steps[k];
  bench = [];
  $("title").replaceChildren(...prose(step.title), make("span", { class: "equations" }, step.equations.map(n => make("span", {}, `(${n})`))));
  $("say").replaceChildren(...prose(step.say));
  $("rows").replaceChildren(...step.rows.map(items => make("div", { class: "row" }, items.map(one => {
    if (typeof one === "string") return make("span", { class: one.endsWith(":") ? "word" : "sign" }, prose(one));
    const element = matrixElement(one, all, benchEntry);
    element.classList.toggle("across", Boolean(one.vec || all[one.name].across));
    return element;
  }))));
  for (const li of $("lines").children) li.classList.toggle("at", li.dataset.line === String(step.line));
  for (const button of $("lines").querySelectorAll("button")) {
    const at = Number(button.value);
    button.classList.toggle("done", at < k);
    button.tabIndex = at === k ? 0 : -1;
    if (at === k) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  }
  const last = k === steps.length - 1;
  $("back").disabled = k === 0;
  $("on").textContent = last ? "Apply the update" : "Step";
  $("where").replaceChildren(`${k} of ${steps.length - 1}`, make("br"), place(step));
  fill();
  choose({ ...bench[0].entry });
  if (wasHere) bench[0].focus();
  follow(step);
  const result = step.makes.map(name => `${spoken(name)} is ${all[name].numbers.flat().slice(0, 12).map(long).join(", ")}`).join("; ");
  $("live").textContent = `Step ${k} of ${steps.length - 1}, ${place(step)}. ${spoken(step.title)}. ${spoken(step.say)} ${step.makes[0].startsWith("L") ? "" : result}`;
}

function place({ line, layer }) {
  const l = layer && numberOf(layer);
  return Number(line) ? `line ${line}${l && line !== 9 ? `, l = ${l}` : ""}` : { given: "inputs", update: "update", cost: "cost", copies: "copies", sum: "sum of the copies" }[line];
}

function benchEntry(entry) {
  const button = entryButton(entry), { given } = all[entry.name];
  button.addEventListener("pointerenter", event => event.pointerType === "mouse" && !$("editor").contains(document.activeElement) && choose(entry));
  button.addEventListener("focus", () => choose(entry));
  button.addEventListener("click", () => choose(entry));
  if (given) {
    button.addEventListener("dblclick", edit);
    button.addEventListener("keydown", event => {
      const by = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
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

/* Explains one entry, and marks the entries that it is computed from. */
function choose(entry, withEditor = true) {
  const before = state.chosen;
  state.chosen = entry;
  mark(entry, all);
  inspect(entry, all);
  if (before && keyOf(before) === keyOf(entry) && $("editor").hasChildNodes() === (Boolean(all[entry.name].given) && withEditor)) return;
  $("editor").replaceChildren(...(all[entry.name].given && withEditor ? editor(entry, all, value => change(entry, value)) : []));
}

function change({ name, i, j }, value) {
  const to = Math.max(-LIMIT, Math.min(LIMIT, value));
  setGiven({ ...state.given, [name]: map(state.given[name], (a, r, c) => r === i && c === j ? to : a) });
}

/* Sets the inputs; the curve of J restarts, unless a step of gradient descent computed them. */
function setGiven(given, history) {
  state.given = given;
  compute();
  state.history = history || [now.x.J[0][0]];
  fill();
}

/* Updates all numbers in place, so that the focus stays. */
function fill() {
  fillEntries(bench, all);
  fillEntries(givenInputs, all);
  fillGraph(graph, all, isKnown, steps[state.step]);
  const { plot } = steps[state.step], field = $("editor").querySelector("input[type=number]"), slider = $("editor").querySelector("input[type=range]");
  $("plot").replaceChildren(...(plot ? [plotOfH(state.h, all[plot].numbers)] : []));
  $("J").textContent = long(now.x.J[0][0]);
  $("curve").replaceChildren(curveOfJ(state.history));
  $("eta-is").textContent = short(state.eta, state.eta < 0.1 ? 4 : 2);
  $("eta").setAttribute("aria-valuetext", $("eta-is").textContent);
  if (!state.chosen) return;
  mark(state.chosen, all);
  inspect(state.chosen, all);
  if (!field) return;
  const value = Number(valueOf(state.chosen, all).toFixed(4));
  if (field !== document.activeElement) field.value = value;
  if (slider !== document.activeElement) slider.value = value;
}

/* Scrolls a graph wider than the window to the layer of the step. */
function follow(step) {
  const box = $("graph"), there = graph.svg.querySelector(".now");
  if (!there || box.scrollWidth <= box.clientWidth) return;
  const { left, width } = there.getBoundingClientRect(), { left: from, width: seen } = box.getBoundingClientRect();
  box.scrollLeft += left + width / 2 - from - seen / 2;
}

/* The next step; after the last, applies the update and starts again. */
function next() {
  if (state.step < steps.length - 1) return go(state.step + 1);
  if (descend(1)) go(0);
}

function start() {
  $("modes").replaceChildren(...Object.keys(ABOUT).map(name => {
    const button = make("button", { type: "button", value: name }, ABOUT[name][0]);
    button.addEventListener("click", () => begin(name));
    return button;
  }));
  $("h").replaceChildren(...Object.keys(NONLINEARITIES).map(name => make("option", { value: name }, name)));
  $("cost").replaceChildren(make("option", { value: "l2" }, "‖ŷ − y‖², the L2 loss"), ...[0, 1].map(i => make("option", { value: i }, `−ŷ[${i}], a neuron`)));
  const listen = (id, type, f) => $(id).addEventListener(type, f);
  listen("back", "click", () => go(state.step - 1));
  listen("on", "click", next);
  listen("h", "change", () => { state.h = $("h").value; rebuild(); });
  listen("cost", "change", () => begin(state.name, $("cost").value === "l2" ? null : Number($("cost").value)));
  listen("random", "click", () => setGiven(Object.fromEntries(Object.entries(state.given).map(([name, A]) => [name, map(A, () => Math.round(20 * Math.random() - 10) / 10)]))));
  listen("restore", "click", () => { $("ran").textContent = ""; setGiven({ ...example.given }); });
  listen("eta", "input", () => { state.eta = 10 ** Number($("eta").value); compute(); fill(); });
  listen("once", "click", () => descend(1));
  listen("often", "click", () => descend(10));
  listen("run", "click", run);
  document.addEventListener("keydown", event => {
    if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { ArrowRight: state.step + 1, ArrowLeft: state.step - 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const onDot = $("lines").contains(document.activeElement);
    go(to);
    if (onDot) $("lines").querySelector("[aria-current]").focus();
  });
  addEventListener("hashchange", read);
  read();
  const { count, worst } = compareWithPackage();
  $("proof").textContent = worst < 1e-9
    ? `On loading, this page computed ${count} numbers and compared them with chapter14's: none differs by more than 1e-9.`
    : `The numbers of this page differ from chapter14's by up to ${worst}: please report this bug.`;
}

/* #dag/7 opens step 7 of the example dag. */
function read() {
  const [name, k] = location.hash.slice(1).split("/");
  begin(examples[name] ? name : "chain");
  if (k) go(Math.min(Number(k) || 0, steps.length - 1));
}

start();
