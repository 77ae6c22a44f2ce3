/* The data set: an MLP with biases, trained in batches (14.11) by the same passes as the other examples. */

const NETWORK = { ...MOONS.network, given: asGiven(MOONS.network.given) };
const POINTS = MOONS.points.x.map((x, i) => ({ x_0: column(x), y: [[MOONS.points.y[i]]] }));
const H = NONLINEARITIES.tanh;
const moons = { theta: NETWORK.given, history: [], eta: NETWORK.eta, running: 0 };

/* The mean over the batch of J, and of the gradient of each parameter (14.11). */
function batchOf(theta) {
  const mean = { J: 0, g: {} };
  for (const point of POINTS) {
    const { x, g } = passes(NETWORK, { ...theta, ...point }, H);
    mean.J += x.J[0][0] / POINTS.length;
    for (const name of NETWORK.free) {
      const part = scale(g[name], 1 / POINTS.length);
      mean.g[name] = mean.g[name] ? plus(mean.g[name], part) : part;
    }
  }
  return mean;
}

const predicted = (theta, x_0) => forwardPass({ layers: NETWORK.layers.slice(0, -1) }, { ...theta, x_0 }, H).x_3[0][0];
const onItsSide = ({ x_0, y }) => predicted(moons.theta, x_0) * y[0][0] > 0;

/* One step (14.9). Returns whether it was taken: not where J would diverge. */
function train() {
  const theta = updated(NETWORK, { x: moons.theta, g: batchOf(moons.theta).g }, moons.eta), { J } = batchOf(theta);
  if (!(J < 1e3)) {
    stopMoons();
    $("moons-status").textContent = "The next step would make J diverge. Try a smaller learning rate.";
    return false;
  }
  moons.theta = theta;
  moons.history.push(J);
  showMoons();
  return true;
}

function resetMoons() {
  stopMoons();
  Object.assign(moons, { theta: NETWORK.given, history: [batchOf(NETWORK.given).J] });
  showMoons();
}

function stopMoons() {
  clearInterval(moons.running);
  moons.running = 0;
  $("moons-run").textContent = "Run";
  $("moons-run").setAttribute("aria-pressed", "false");
  $("moons-status").setAttribute("aria-live", "polite");
}

function runMoons() {
  if (moons.running) return stopMoons();
  $("moons-run").textContent = "Pause";
  $("moons-run").setAttribute("aria-pressed", "true");
  $("moons-status").setAttribute("aria-live", "off");  // until it stops
  moons.running = setInterval(() => (!train() || moons.history.length > 1000) && stopMoons(), 60);
}

function showMoons() {
  const { history, theta } = moons, right = POINTS.filter(onItsSide).length, n = history.length - 1;
  $("plane").replaceChildren(planeOf(theta, right));
  $("moons-curve").replaceChildren(curveOfJ(history));
  $("moons-J").textContent = long(history[n]);
  $("moons-status").textContent = `${right} of ${POINTS.length} points are on their side after ${n} ${n === 1 ? "step" : "steps"}.`;
}

function startMoons() {
  const says = "Two classes, `y = 1` (circles) and `y = −1` (squares). The MLP predicts `ŷ = W_2 tanh(W_1 x + b_1) + b_2` from a point `x`; the line is where `ŷ = 0`. "
    + `Each step runs both passes for every one of the ${POINTS.length} points, and takes the mean of their gradients.`;
  $("moons-say").replaceChildren(...glossed(says));
  $("moons-equations").replaceChildren(...["14.12", "14.17", "14.20", "14.11", "14.9"].map(chip));
  rove($("moons-say"), () => [...$("moons-say").querySelectorAll(".defined")]);
  rove($("moons-equations"), () => [...$("moons-equations").querySelectorAll("button")]);
  $("moons-step").addEventListener("click", train);
  $("moons-run").addEventListener("click", runMoons);
  $("moons-reset").addEventListener("click", resetMoons);
  $("moons-eta").addEventListener("input", () => setEta(10 ** Number($("moons-eta").value)));
  $("moons-eta").value = Math.log10(moons.eta);
  setEta(moons.eta);
  resetMoons();
}

function setEta(eta) {
  moons.eta = eta;
  $("moons-eta-is").textContent = short(eta, eta < 0.1 ? 4 : 2);
  $("moons-eta").setAttribute("aria-valuetext", $("moons-eta-is").textContent);
}
