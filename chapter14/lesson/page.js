/* The page: its state, and the updates when the state changes. */

const { examples, numbers: COMPUTED, equations: EQUATIONS, moons: MOONS, links: LINKS } = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);

const ABOUT = {
  chain: ["A chain", "Algorithm 14.1", "The MLP of figure 14.15. The forward pass (green) computes each value, up to the cost `J`. The backward pass (red) computes the gradient of each value from the one after it, and the parameter gradients (yellow)."],
  dag: ["Branch and merge", "Algorithm 14.1, for any graph", "A DAG with a branch and a merge, as in figure 14.20 (section 14.7). On the backward pass, the merge splits its gradient and the branch sums its gradients."],
  shared: ["Shared parameter", "Algorithm 14.1 with a shared parameter", "Both linear layers use the same `W` (section 14.8, figure 14.21). Each copy has its own gradient, and the gradient of `W` is their sum."],
  data: ["Backpropagation to the data", "Algorithm 14.1, to the data", "The same MLP, with fixed parameters and a free `x_0` (section 14.9, figure 14.22). The backward pass is the same; gradient descent on the data uses `g_0`."],
};

const state = { name: "", neuron: null, h: "relu", given: {}, eta: 0.1, step: 0, history: [], chosen: null };
const tabStop = {};  // by group, the function that names its tab stop
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
  return steps.slice(0, state.step + (isAsking() ? 0 : 1)).some(step => step.makes.includes(name));
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
  asked.clear();
  selectTab(name, "lesson");
  rebuild();
}

/* Selects the tab of an example and shows its panel. */
function selectTab(name, panel) {
  for (const button of $("modes").children) button.setAttribute("aria-selected", button.value === name);
  tabStop.modes($(`tab-${name}`));
  for (const id of ["lesson", "moons"]) $(id).hidden = id !== panel;
  $(panel).setAttribute("aria-labelledby", `tab-${name}`);
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
  const goTo = name => go(steps.findIndex(step => step.makes.includes(name)));
  for (const cell of graph.cells) {
    cell.addEventListener("pointerenter", event => isKnown(cell.entry.name) && point(event, cell.entry));
    cell.addEventListener("click", event => { event.stopPropagation(); goTo(cell.entry.name); if (isKnown(cell.entry.name)) choose(cell.entry); });
  }
  for (const { element, goal } of graph.parts.filter(part => part.goal)) {
    element.addEventListener("click", () => goTo(goal));
    element.addEventListener("keydown", event => [" ", "Enter"].includes(event.key) && (event.preventDefault(), goTo(goal)));
  }
  tabStop.graph();
  buildLines();
  buildGiven();
  go(state.step);
}

/* Goes to step k: shows its matrices and chooses its first entry. */
function go(k) {
  if (k < 0 || k >= steps.length) return;
  const wasHere = $("rows").contains(document.activeElement) || $("editor").contains(document.activeElement);
  state.step = k;
  if (location.hash !== `#${state.name}/${k}`) history.replaceState(null, "", `#${state.name}/${k}`);
  const step = steps[k];
  bench = [];
  $("title").replaceChildren(...prose(step.title));
  $("equations").replaceChildren(...step.equations.map(chip));
  tabStop.equations();
  $("say").replaceChildren(...glossed(step.say));
  tabStop.terms();
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
    if (at === k) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  }
  tabStop.lines($("lines").querySelector("[aria-current]"));
  tabStop.rows();
  const last = k === steps.length - 1;
  $("back").disabled = k === 0;
  $("on").textContent = last ? "Apply the update" : "Step";
  $("where").replaceChildren(`${k} of ${steps.length - 1}`, make("br"), place(step));
  ask(k);
  show();
  if (wasHere) (isAsking() ? $("options").querySelector("input") : bench[0]).focus();
  follow(step);
}

/* Shows the numbers of the step, or first its question. */
function show() {
  const asking = isAsking(), step = steps[state.step];
  $("predict").hidden = !asking;
  $("rows").hidden = $("plot").hidden = asking;
  if (asking) choose(null);
  fill();
  if (!asking) choose({ ...bench[0].entry });
  const result = step.makes.map(name => `${spoken(name)} is ${all[name].numbers.flat().slice(0, 12).map(long).join(", ")}`).join("; ");
  $("live").textContent = `Step ${state.step} of ${steps.length - 1}, ${place(step)}. ${spoken(step.title)}. ${spoken(step.say)} `
    + (asking ? `A question: ${spoken(question.ask)}` : step.makes[0].startsWith("L") ? "" : result);
}

function place({ line, layer }) {
  const l = layer && numberOf(layer);
  return Number(line) ? `line ${line}${l && line !== 9 ? `, l = ${l}` : ""}` : { given: "inputs", update: "update", cost: "cost", copies: "copies", sum: "sum of the copies" }[line];
}

/* The mouse chooses an entry unless one is being edited, whose editor would vanish; also when the page scrolls below it. */
function point({ pointerType }, entry) {
  if (pointerType === "mouse" && !$("editor").contains(document.activeElement)) choose(entry);
}

/* Explains one entry, and marks the entries that it is computed from; of none, while a question is open. */
function choose(entry, withEditor = true) {
  const before = state.chosen;
  state.chosen = entry;
  mark(entry, all);
  if (!entry) {
    $("made").replaceChildren(make("p", { class: "soft" }, "Answer or skip the question to see the numbers."));
    $("editor").replaceChildren();
    return;
  }
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
  askAgain();
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
