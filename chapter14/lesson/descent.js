/* n steps of gradient descent (14.9), until J diverges. Returns whether all were taken. */
function descend(n) {
  const history = [...state.history];
  let given = state.given;
  for (let i = 0; i < n; i++) {
    const next = { ...given, ...updated(example, passes(example, given, NONLINEARITIES[state.h]), state.eta) };
    const J = costOf(next), largest = Math.max(...Object.values(next).flat(2).map(Math.abs));
    if (!(Math.abs(J) < 1e6 && largest < LIMIT)) {
      stop();
      $("ran").textContent = "The next step would make J diverge. Try a smaller learning rate.";
      setGiven(given, history);
      return false;
    }
    history.push(J);
    given = next;
  }
  setGiven(given, history);
  $("ran").textContent = `J is ${long(history[history.length - 1])} after ${history.length - 1} steps.`;
  return true;
}

function stop() {
  clearInterval(running);
  running = 0;
  $("run").textContent = "Run";
  $("run").setAttribute("aria-pressed", "false");
  $("ran").setAttribute("aria-live", "polite");
}

function run() {
  if (running) return stop();
  $("run").textContent = "Pause";
  $("run").setAttribute("aria-pressed", "true");
  $("ran").setAttribute("aria-live", "off");  // until it stops
  running = setInterval(() => (!descend(1) || state.history.length > 300) && stop(), 80);
}
