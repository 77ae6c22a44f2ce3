/* Starts the page: its controls, its keys, and the step in its address. */

function group() {
  const leftOf = element => element.getBoundingClientRect().left;
  const within = (id, of) => () => [...$(id).querySelectorAll(of)];
  tabStop.modes = rove($("modes"), within("modes", "button"), inLine, tab => tab.click());
  tabStop.graph = rove($("graph"), () => within("graph", ".node")().sort((a, b) => leftOf(a) - leftOf(b)), inPlane);
  tabStop.equations = rove($("equations"), within("equations", "button"));
  tabStop.terms = rove($("say"), within("say", ".defined"));
  tabStop.lines = rove($("lines"), () => within("lines", "button")().sort((a, b) => a.value - b.value), inLine, button => button.click());
  tabStop.rows = rove($("rows"), within("rows", ".entry"), inPlane);
  tabStop.options = rove($("options"), within("options", "[type=checkbox]"));
  tabStop.given = rove($("given"), within("given", ".entry"), inPlane);
  for (const bar of document.querySelectorAll("[role=toolbar]")) rove(bar, () => [...bar.children]);
}

function start() {
  $("modes").replaceChildren(...[...Object.keys(ABOUT), "moons"].map(name => {
    const panel = ABOUT[name] ? "lesson" : "moons", title = ABOUT[name] ? ABOUT[name][0] : "A data set";
    const button = make("button", { type: "button", role: "tab", id: `tab-${name}`, value: name, "aria-controls": panel }, title);
    button.addEventListener("click", () => openExample(name));
    return button;
  }));
  $("h").replaceChildren(...Object.keys(NONLINEARITIES).map(name => make("option", { value: name }, name)));
  $("cost").replaceChildren(make("option", { value: "l2" }, "‖ŷ − y‖², the L2 loss"), ...[0, 1].map(i => make("option", { value: i }, `−ŷ[${i}], a neuron`)));
  group();
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
    if ($("lesson").hidden || event.defaultPrevented || event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    const back = state.step - 1, on = state.step + 1, paged = $("rows").contains(event.target) && { PageUp: back, PageDown: on };
    const to = { ArrowLeft: back, ArrowRight: on, Home: 0, End: steps.length - 1, ...paged }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
  closeBubbles();
  listenToPredictions();
  addEventListener("hashchange", read);
  startMoons();
  read();
  const { count, worst } = compareWithPackage();
  $("proof").textContent = worst < 1e-9
    ? `On loading, this page computed ${count} numbers and compared them with chapter14's: none differs by more than 1e-9.`
    : `The numbers of this page differ from chapter14's by up to ${worst}: please report this bug.`;
}

/* Opens an example, or the data set. */
function openExample(name) {
  stopMoons();
  if (name !== "moons") return begin(name);
  stop();
  selectTab(name, "moons");
  if (location.hash !== "#moons") history.replaceState(null, "", "#moons");
}

/* #dag/7 opens step 7 of the example dag, #moons the data set. */
function read() {
  const [name, k] = location.hash.slice(1).split("/");
  if (!examples[name]) begin("chain");
  if (examples[name] || name === "moons") openExample(name);
  if (examples[name] && k) go(Math.min(Number(k) || 0, steps.length - 1));
}

start();
