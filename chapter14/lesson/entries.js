/* Every matrix of both passes by its name, and how each of its entries is computed. */

/* The name of dJ/dv: g_1 for x_1, ∂J/∂W_1 for W_1. */
const gradientOf = name => /^x/.test(name) ? name.replace("x", "g") : `∂J/∂${name}`;
const numberOf = layer => (layer.writes[0].match(/^x_(\d+)/) || [])[1];
const isTheta = name => /^W/.test(name);

/* The names of a layer's L, in the order of what it reads. */
function namesOfL(layer) {
  const l = numberOf(layer);
  return { linear: [`L_${l}^x`, `L_${l}^W`], merge: [`L_${l}^a`, `L_${l}^b`] }[layer.f] || [`L_${l}^x`];
}

/* name -> { numbers, kind, made(i, j, long) -> the formula of an entry as tokens }. A token is text, an entry
   { name, i, j }, or a list of the factors of one product. */
function everything(example, h, { x, L, g }, next, eta) {
  const all = {};
  const put = (name, numbers, kind, made, more) => { all[name] = { name, numbers, kind, made, ...more }; };
  const loss = example.layers[example.layers.length - 1];

  for (const [name, numbers] of Object.entries(example.given))
    put(name, x[name] || numbers, example.free.includes(name) ? "free" : isTheta(name) ? "held" : "data", null, { given: true });
  for (const layer of example.layers) {
    layer.writes.forEach((name, k) => put(name, x[name], isTheta(name) ? "free" : "data", forwardOf(layer, h, x)));
    if (layer === loss || isTheta(layer.writes[0])) continue;
    namesOfL(layer).forEach((name, k) => put(name, L[layer.writes[0]][k], "layer", madeOfL(layer, k, x), {
      across: layer.f === "linear" && k === 1 && x[layer.reads[1]][0].length }));
  }
  for (const layer of example.layers)
    layer.reads.forEach((read, k) => {
      if (layer === loss && k > 0) return;
      put(gradientOf(read), g[read], isTheta(read) ? "grad" : "back", layer === loss ? lossPrime(loss) : backwardOf(layer, k, x));
    });
  for (const name of example.free)
    put(`${name}′`, next[name], "free", (i, j) => [
      { name, i, j }, `− ${long(eta)} ·`,
      isTheta(name) ? { name: gradientOf(name), i, j } : { name: gradientOf(name), i: j, j: i },
    ]);
  return all;
}

const sum = terms => terms.flatMap((term, k) => k ? ["+", term] : [term]);

function forwardOf(layer, h, x) {
  const [a, b] = layer.reads;
  return {
    linear: i => sum(x[a].map((_, k) => [{ name: b, i, j: k }, "·", { name: a, i: k, j: 0 }])),
    h: i => [`${h} (`, { name: a, i, j: 0 }, ")"],
    branch: (i, j) => [{ name: a, i, j }],
    merge: i => [i < x[a].length ? { name: a, i, j: 0 } : { name: b, i: i - x[a].length, j: 0 }],
    l2: () => sum(x[a].map((_, i) => ["(", { name: a, i, j: 0 }, "−", { name: b, i, j: 0 }, ")²"])),
    neuron: () => ["−", { name: a, i: layer.i, j: 0 }],
  }[layer.f];
}

function lossPrime({ f, i, reads: [a, b] }) {
  if (f === "neuron") return (_, j) => [i === j ? "−1" : "0"];
  return (_, j) => ["2 (", { name: a, i: j, j: 0 }, "−", { name: b, i: j, j: 0 }, ")"];
}

function madeOfL(layer, k, x) {
  const [a, b] = layer.reads;
  const n = x[a].length;
  return {
    linear: k ? (i, jk) => Math.floor(jk / n) === i ? [{ name: a, i: jk % n, j: 0 }] : ["0"]
      : (i, j) => [{ name: b, i, j }],
    h: (i, j) => i === j ? ["h′ (", { name: a, i, j: 0 }, ")"] : ["0"],
    branch: (i, j) => [i % n === j ? "1" : "0"],
    merge: (i, j) => [i === j + k * n ? "1" : "0"],
  }[layer.f];
}

/* g_out L, entry by entry; for a W the outer product, or with `long` the product with L^W. */
function backwardOf(layer, k, x) {
  if (isTheta(layer.writes[0]))  // copies of a θ (14.47)
    return (i, j) => sum(layer.writes.map(name => ({ name: gradientOf(name), i, j })));
  const g_out = layer.writes.flatMap(name => x[name].map((_, j) => ({ name: gradientOf(name), i: 0, j })));
  const by = column => sum(g_out.map((g, i) => [g, "·", { name: namesOfL(layer)[k], i, j: column }]));
  const [a, W] = layer.reads;
  if (!isTheta(layer.reads[k])) return (_, j) => by(j);
  return (i, j, long) => long ? by(i * x[W][0].length + j) : [[g_out[i], "·", { name: a, i: j, j: 0 }]];
}
