/* Compares this page's numbers with the package's: how many, and the largest difference. */
function compareWithPackage() {
  let count = 0, worst = 0;
  const compare = (a, b) => { count++; worst = Math.max(worst, Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity); };
  for (const [key, byH] of Object.entries(COMPUTED)) {
    const [name, i] = key.split(" "), base = examples[name];
    const graph = withCost({ ...base, given: asGiven(base.given) }, i === undefined ? null : Number(i));
    for (const [h, told] of Object.entries(byH)) {
      let given = graph.given;
      for (const kind of ["x", "g", "L"]) {
        const found = passes(graph, given, NONLINEARITIES[h])[kind];
        for (const [name, values] of Object.entries(told[kind])) {
          const mine = [found[name]].flat(3);
          [values].flat(3).forEach((value, k) => compare(value, mine[k]));
        }
      }
      for (const J of told.J) {
        const at = passes(graph, given, NONLINEARITIES[h]);
        compare(J, at.x.J[0][0]);
        given = { ...given, ...updated(graph, at, base.eta) };
      }
    }
  }
  let theta = NETWORK.given;
  for (const J of MOONS.training.J) {
    const mean = batchOf(theta);
    compare(J, mean.J);
    if (J !== MOONS.training.J[MOONS.training.J.length - 1]) theta = updated(NETWORK, { x: theta, g: mean.g }, NETWORK.eta);
  }
  for (const [name, values] of Object.entries(MOONS.training.theta)) [values].flat(2).forEach((value, k) => compare(value, theta[name].flat()[k]));
  return { count, worst };
}
