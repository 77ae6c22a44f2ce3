/* The training loop. The ONNX file maps x and y of a batch, θ and η to J and the next θ. */

const $$ = id => document.getElementById(id);
const given = JSON.parse($$("data").textContent);
const network = { ...given.network, constants: Object.fromEntries(Object.entries(given.network.constants).map(([name, t]) => [name, unpacked(t)])) };
const pixels = Float32Array.from(unpacked(given.x).data, v => v / 16), labels = Int32Array.from(unpacked(given.y).data);
const NAMES = network.gives.filter(name => name.endsWith(".next")).map(name => name.slice(0, -5));
const BATCH = 64, TRAINED = 23 * BATCH, HELD_OUT = 5;  // as in train_without_torch.py
const SHOWN = 40, ACCURACY_EVERY = 10, AT_ONCE = 12;  // ms per frame

const state = { theta: {}, J: [], right: 0, predicted: [], eta: 0.5, runs: false };
const dark = matchMedia("(prefers-color-scheme: dark)");
const W = NAMES[0], HIDDEN = network.constants[W].shape[0];

const batch = start => ({
  x: { shape: [BATCH, 64], data: pixels.subarray(64 * start, 64 * (start + BATCH)) },
  y: { shape: [BATCH], data: labels.subarray(start, start + BATCH) },
});
const scalar = value => ({ shape: [], data: Float32Array.of(value) });

/* Runs the file once. With η = 0 it only computes the scores x_L. */
const step = (start, eta) => run(network, { ...state.theta, ...batch(start), eta: scalar(eta) });

function descend() {
  const out = step(state.J.length * BATCH % TRAINED, state.eta);
  state.J.push(out.J.data[0]);
  state.theta = Object.fromEntries(NAMES.map(name => [name, out[`${name}.next`]]));
  if (state.J.length % ACCURACY_EVERY === 0) evaluate();
}

/* Predictions and accuracy on the test digits. */
function evaluate() {
  state.predicted = [];
  for (let i = 0; i < HELD_OUT; i++) {
    const { data, shape: [, classes] } = step(TRAINED + i * BATCH, 0).x_L;
    for (let row = 0; row < data.length; row += classes) {
      const scores = data.subarray(row, row + classes);
      state.predicted.push(scores.indexOf(Math.max(...scores)));
    }
  }
  state.right = state.predicted.filter((digit, i) => digit === labels[TRAINED + i]).length / state.predicted.length;
}

function show() {
  const J = state.J.at(-1), diverges = state.J.length > 0 && !(J < 50);
  $$("steps").textContent = state.J.length;
  $$("J").textContent = state.J.length ? J.toFixed(3) : "–";
  $$("right").textContent = `${Math.round(100 * state.right)}%`;
  $$("eta-is").textContent = state.eta.toPrecision(2);
  $$("away").textContent = diverges ? "J diverges. Restart with a smaller η." : "";
  $$("run").textContent = state.runs ? "Stop" : "Start";
  $$("run").setAttribute("aria-pressed", state.runs);
  curve($$("curve"), state.J, TRAINED / BATCH);
  const rows = Array.from({ length: HIDDEN }, (_, i) => state.theta[W].data.subarray(64 * i, 64 * (i + 1)));
  tiles($$("weights"), rows, 8, signed(0.6));
  [...$$("digits").children].forEach((tile, i) => {
    const is = labels[TRAINED + i], predicted = state.predicted[i], wrong = predicted !== is;
    tile.lastChild.textContent = wrong ? `${predicted} ✗` : predicted;
    tile.classList.toggle("wrong", wrong);
    tile.setAttribute("aria-label", `a ${is}, ${wrong ? `predicted ${predicted}` : "recognised"}`);
  });
}

function drawDigits() {
  [...$$("digits").children].forEach((tile, i) => {
    const start = 64 * (TRAINED + i);
    tiles(tile.firstChild, [pixels.subarray(start, start + 64)], 1, ink(dark.matches));
  });
}

function restart() {
  state.theta = Object.fromEntries(NAMES.map(name => [name, network.constants[name]]));
  state.J = [];
  evaluate();
  show();
}

function toggle() {
  state.runs = !state.runs;
  show();
  if (state.runs) requestAnimationFrame(frame);
}

function frame() {
  if (!state.runs) return;
  const until = performance.now() + AT_ONCE;
  do descend(); while (performance.now() < until && !$$("slow").checked);
  if (!(state.J.at(-1) < 50)) state.runs = false;
  show();
  if (state.runs) $$("slow").checked ? setTimeout(() => requestAnimationFrame(frame), 200) : requestAnimationFrame(frame);
}

function once() {
  descend();
  evaluate();
  show();
}

function start() {
  for (let i = 0; i < SHOWN; i++) {
    const tile = document.createElement("li");
    tile.setAttribute("role", "img");
    tile.append(document.createElement("canvas"), document.createElement("span"));
    $$("digits").append(tile);
  }
  const plain = name => name.replace(/^theta\./, "θ.").replace(/\.next$/, "′");
  $$("operators").replaceChildren(...network.nodes.map(([name, takes, gives]) => {
    const line = document.createElement("li");
    line.textContent = `${plain(gives[0])} = ${name}(${takes.map(plain).join(", ")})`;
    return line;
  }));
  $$("count").textContent = network.nodes.length;
  $$("by").textContent = given.network.by;
  $$("run").addEventListener("click", toggle);
  $$("once").addEventListener("click", once);
  $$("restart").addEventListener("click", restart);
  $$("eta").addEventListener("input", () => { state.eta = 10 ** Number($$("eta").value); show(); });
  dark.addEventListener("change", () => { drawDigits(); show(); });
  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, button, summary")) return;
    const does = { " ": toggle, ArrowRight: once, Home: restart }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  drawDigits();
  restart();
}

start();
