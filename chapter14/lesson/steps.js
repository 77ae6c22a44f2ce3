/* The steps of a lesson, in order. Each says at which line of the algorithm it is, what it makes, its equations, what
   happens there, and which matrices show it: rows of items, an item being text or { name, t (transposed), vec, long }. */

function stepsOf(example, h) {
  const layers = example.layers.filter(layer => !isTheta(layer.writes[0]));
  const copies = example.layers.filter(layer => isTheta(layer.writes[0]));
  const loss = layers.pop(), back = [...layers].reverse();
  const learns = name => isTheta(name) && (example.free.includes(name) || copies.some(c => c.writes.includes(name)));
  return [
    givenStep(example),
    ...copies.map(copied),
    ...layers.map(layer => forwardStep(layer, example, h)),
    costStep(loss),
    startStep(loss),
    ...back.flatMap(layer => [
      layerGradient(layer, learns), backwardStep(layer, h), ...layer.reads.filter(learns).map(W => thetaStep(layer, W)),
    ]),
    ...copies.map(summed),
    updateStep(example),
  ];
}

const item = (name, more) => ({ name, ...more });
const T = (name, more) => ({ name, t: true, ...more });
const between = (items, sign) => items.flatMap((one, k) => k ? [sign, one] : [one]);

function givenStep({ given, free }) {
  const descends = between(free.map(name => `\`${name}\``), ", ").join("");
  return {
    line: "given", makes: Object.keys(given), equations: ["14.1"], title: "What is given",
    say: `Data and parameters go in alike; ${descends} (blue) will descend. Select any of these numbers and change it, now or at any later step.`,
    rows: [Object.keys(given).map(name => item(name))],
  };
}

function copied({ reads: [W], writes }) {
  return {
    line: "copies", makes: writes, equations: ["14.38"], title: `Copy \`${W}\``,
    say: `One parameter that two layers use is a branch: both get a copy of the same numbers (figure 14.21).`,
    rows: [[...between(writes.map(name => item(name)), "="), "=", item(W)]],
  };
}

function forwardStep(layer, { known_as }, h) {
  const [a, b] = layer.reads, out = layer.writes;
  const also = known_as[out[0]] ? `, the chapter's \`${known_as[out[0]]}\`` : "";
  const common = { line: 6, layer, makes: out, title: `Forward: \`${out.join(", ")}\`${also}` };
  return { ...common, ...{
    linear: () => ({
      equations: ["14.12"], rows: [[item(out[0]), "=", item(b), item(a)]],
      say: `A row of \`${b}\` times \`${a}\` makes one entry of \`${out[0]}\`. There are no biases, as in figure 14.15.`,
    }),
    h: () => ({
      equations: ["14.30"], rows: [[item(out[0]), `= ${h} (`, item(a), ")"]], plot: a,
      say: `The nonlinearity takes each entry by itself: no entry of \`${out[0]}\` knows of its neighbours.`,
    }),
    branch: () => ({
      equations: ["14.38"], rows: [[...between(out.map(name => item(name)), ","), "=", item(a)]],
      say: `Two layers want \`${a}\`, so each gets a copy.`,
    }),
    merge: () => ({
      equations: ["14.37"], rows: [[item(out[0]), "= [", item(a), ",", item(b), "]"]],
      say: `The two ways end in one vector: \`${a}\` on top of \`${b}\`.`,
    }),
  }[layer.f]() };
}

function costStep({ f, i, reads: [a, y] }) {
  const common = { line: "cost", makes: ["J"] };
  if (f === "neuron") return {
    ...common, equations: [], title: `The cost \`J\`, section 14.9`, rows: [[item("J"), "= −", item(a), `[${i}]`]],
    say: `There is no target: the cost is less, the more entry ${i} of \`${a}\` responds.`,
  };
  return {
    ...common, equations: ["14.34"], title: "The cost `J`", rows: [[item("J"), "= ‖", item(a), "−", item(y), "‖²"]],
    say: `The L2 loss makes one number of all: how far the prediction \`${a}\` is from the target \`${y}\`. Here the way forward ends.`,
  };
}

function startStep({ f, i, reads: [a, y] }) {
  const g = gradientOf(a);
  const common = { line: 9, makes: [g], title: `The way back starts: \`${g} = ∂J/∂${a}\`` };
  if (f === "neuron") return {
    ...common, equations: ["14.4"], rows: [[item(g)]],
    say: `The cost is minus one entry, so its gradient is −1 there and 0 elsewhere.`,
  };
  return {
    ...common, equations: ["14.34", "14.35"], rows: [[item(g), "= 2 (", T(a), "−", T(y), ")"]],
    say: `How fast the cost grows with each entry of the prediction. It is a row: every \`g\` is as wide as its \`x\` is high.`,
  };
}

function layerGradient(layer, learns) {
  const names = namesOfL(layer), [a, b] = layer.reads, l = numberOf(layer);
  const common = { line: 11, layer, makes: names, title: `The layer's own gradient: \`L_${l}\`` };
  const rows = names.map((name, k) => [item(name), "=", ...({
    linear: k ? [`\`${a}^T\`, once for each output`] : [item(b)],
    h: ["diag h′ (", item(a), ")"],
    branch: ["two identities, one on the other"],
    merge: [k ? "what picks the second part" : "what picks the first part"],
  }[layer.f])]);
  const says = {
    linear: `How each output moves with each input: that is \`${b}\` itself. `,
    h: `Entry i of the output moves with entry i of the input alone, at the slope that \`h\` has there; elsewhere 0.`,
    branch: `Each copy moves exactly as what was copied.`,
    merge: `Each entry of the merged vector is one entry of one part: 1 there, 0 elsewhere.`,
  };
  const equations = { linear: ["14.16"], h: ["14.30"], branch: ["14.45"], merge: ["14.41"] }[layer.f];
  if (layer.f !== "linear") return { ...common, equations, rows, say: says[layer.f], plot: layer.f === "h" && a };
  if (!learns(b)) return { ...common, makes: names.slice(0, 1), equations, rows: rows.slice(0, 1), say: says.linear + `\`${b}\` is held, so its own \`L\` is not needed.` };
  return {
    ...common, equations: [...equations, "14.14"], rows,
    say: says.linear + `How each moves with each weight, a column a weight, is \`${a}\` where the weight belongs to the output, and 0 elsewhere.`,
  };
}

function backwardStep(layer, h) {
  const names = namesOfL(layer), l = numberOf(layer);
  const g_out = layer.writes.map(gradientOf), data = layer.reads.filter(name => !isTheta(name)), g_in = data.map(gradientOf);
  const gate = h === "relu" ? " Where the gate is 0, nothing comes back." : "";
  const say = {
    linear: `Each input gathers what comes back from every output that it fed, each by the weight it went through.`,
    h: `The diagonal lets each entry back by itself, times its own slope.${gate}`,
    branch: `What comes back along the two ways is added up.`,
    merge: `Each part gets back its own piece of \`${g_out[0]}\`.`,
  }[layer.f];
  const left = g_out.length > 1 ? ["[", ...between(g_out.map(name => item(name)), ","), "]"] : [item(g_out[0])];
  return {
    line: 12, layer, makes: g_in, title: `Backward: \`${g_in.join(", ")}\``, say,
    equations: ["14.10", ...{ linear: ["14.18"], h: ["14.31", "14.33"], branch: ["14.46"], merge: ["14.39"] }[layer.f]],
    rows: g_in.map((name, k) => [item(name), "=", ...left, item(names[k])]),
  };
}

function thetaStep(layer, W) {
  const g = gradientOf(layer.writes[0]), dJ = gradientOf(W), a = layer.reads[0];
  return {
    line: 13, layer, makes: [dJ], equations: ["14.8", "14.19", "14.29"], title: `The parameters' gradient: \`${dJ}\``,
    say: `The long way multiplies with all the zeros of \`${namesOfL(layer)[1]}\`. One product of each sum is left, so the short way is an outer product: what came back, times what went in.`,
    rows: [
      ["short:", item(dJ), "=", T(g), T(a)],
      ["long:", item(dJ, { vec: true, long: true }), "=", item(g), item(namesOfL(layer)[1])],
    ],
  };
}

function summed({ reads: [W], writes }) {
  const dJ = gradientOf(W);
  return {
    line: "sum", makes: [dJ], equations: ["14.46", "14.47"], title: `One parameter again: \`${dJ}\``,
    say: `A branch adds up what comes back, copy by copy: each place that uses \`${W}\` has its say.`,
    rows: [[item(dJ), "=", ...between(writes.map(name => item(gradientOf(name))), "+")]],
  };
}

function updateStep({ free }) {
  const what = free.some(isTheta) ? "A step down the gradient of the parameters; the data stay."
    : "The same passes, the other input: a step down the gradient of the data; the parameters stay.";
  return {
    line: "update", makes: free.map(name => `${name}′`), equations: ["14.9"], title: "Update",
    say: `${what} Take it, and go forward again: \`J\` should be less.`,
    rows: free.map(name => [item(`${name}′`), "=", item(name), "− η", isTheta(name) ? item(gradientOf(name)) : T(gradientOf(name))]),
  };
}

/* The lines of Algorithm 14.1 by their numbers, and what stands around them; in a graph that is no chain, without l. */
function linesOf(example) {
  const chain = example.layers.every(layer => layer.f !== "merge"), has = f => example.layers.some(f);
  const copies = has(layer => isTheta(layer.writes[0])), learns = example.free.some(isTheta);
  return [
    { at: "given", text: "given `x_0`, `θ`" + (has(layer => layer.f === "l2") ? ", `y`" : "") },
    copies && { at: "copies", text: "`W^1, W^2 = branch(W)`" },
    { at: 5, text: chain ? "for `l = 1, …, L`" : "for each layer, once all it reads is there" },
    { at: 6, text: chain ? "`x_l = f_l(x_{l−1}, θ_l)`" : "`x_{out} = f(x_{in}, θ)`", inner: true },
    { at: "cost", text: has(layer => layer.f === "neuron") ? "`J = −x_L[i]`" : "`J = ℒ(x_L, y)`" },
    { at: 9, text: "`g_L = ℒ′(x_L, y)`" },
    { at: 10, text: chain ? "for `l = L, …, 1`" : "for each layer, once all that reads it is done" },
    { at: 11, text: chain ? "`L_l = f′_l(x_{l−1}, θ_l)`" : "`L = f′(x_{in}, θ)`", inner: true },
    { at: 12, text: chain ? "`g_{l−1} = g_l L_l^x`" : "`g_{in} = g_{out} L^x`", inner: true },
    learns && { at: 13, text: chain ? "`∂J/∂θ_l = g_l L_l^θ`" : "`∂J/∂θ = g_{out} L^θ`", inner: true },
    copies && { at: "sum", text: "`∂J/∂W = Σ_i ∂J/∂W^i`" },
    { at: "update", text: learns ? "`θ ← θ − η (∂J/∂θ)^T`" : "`x_0 ← x_0 − η (∂J/∂x_0)^T`" },
  ].filter(Boolean);
}
