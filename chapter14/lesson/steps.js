/* The steps of a lesson, in order. Each has its line of the algorithm, the names that it computes, its equations, an
   explanation, and rows of items to show: text or matrices { name, t (transposed), vec, long }. */

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
    line: "given", makes: Object.keys(given), equations: ["14.1"], title: "Inputs",
    say: `Data and parameters are both inputs. Gradient descent updates ${descends} (blue). You can change any of these numbers, now or at a later step.`,
    rows: [Object.keys(given).map(name => item(name))],
  };
}

function copied({ reads: [W], writes }) {
  return {
    line: "copies", makes: writes, equations: ["14.38"], title: `Copy \`${W}\``,
    say: "A parameter that two layers share is branched: each layer gets a copy (figure 14.21).",
    rows: [[...between(writes.map(name => item(name)), "="), "=", item(W)]],
  };
}

function forwardStep(layer, { chapter_names }, h) {
  const [a, b] = layer.reads, out = layer.writes;
  const also = chapter_names[out[0]] ? `, the chapter's \`${chapter_names[out[0]]}\`` : "";
  const common = { line: 6, layer, makes: out, title: `Forward: \`${out.join(", ")}\`${also}` };
  return { ...common, ...{
    linear: () => ({
      equations: ["14.12"], rows: [[item(out[0]), "=", item(b), item(a)]],
      say: `Each entry of \`${out[0]}\` is a row of \`${b}\` times \`${a}\`. There are no biases, as in figure 14.15.`,
    }),
    h: () => ({
      equations: ["14.30"], rows: [[item(out[0]), `= ${h} (`, item(a), ")"]], plot: a,
      say: "The nonlinearity acts on each entry separately.",
    }),
    branch: () => ({
      equations: ["14.38"], rows: [[...between(out.map(name => item(name)), ","), "=", item(a)]],
      say: `Two layers read \`${a}\`, so each gets a copy.`,
    }),
    merge: () => ({
      equations: ["14.37"], rows: [[item(out[0]), "= [", item(a), ",", item(b), "]"]],
      say: `Merge concatenates \`${a}\` and \`${b}\`.`,
    }),
  }[layer.f]() };
}

function costStep({ f, i, reads: [a, y] }) {
  const common = { line: "cost", makes: ["J"] };
  if (f === "neuron") return {
    ...common, equations: [], title: "The cost `J`, section 14.9", rows: [[item("J"), "= −", item(a), `[${i}]`]],
    say: `There is no target: minimizing \`J\` maximizes entry ${i} of \`${a}\`.`,
  };
  return {
    ...common, equations: ["14.34"], title: "The cost `J`", rows: [[item("J"), "= ‖", item(a), "−", item(y), "‖²"]],
    say: `The L2 loss is the squared distance between the prediction \`${a}\` and the target \`${y}\`. This ends the forward pass.`,
  };
}

function startStep({ f, i, reads: [a, y] }) {
  const g = gradientOf(a);
  const common = { line: 9, makes: [g], title: `The backward pass starts: \`${g} = ∂J/∂${a}\`` };
  if (f === "neuron") return {
    ...common, equations: ["14.4"], rows: [[item(g)]],
    say: "The cost is minus one entry, so its gradient is −1 there and 0 elsewhere.",
  };
  return {
    ...common, equations: ["14.34", "14.35"], rows: [[item(g), "= 2 (", T(a), "−", T(y), ")"]],
    say: "The backward pass begins with the gradient of the cost with respect to the prediction. Each `g` is a row vector with as many entries as its `x`.",
  };
}

function layerGradient(layer, learns) {
  const names = namesOfL(layer), [a, b] = layer.reads, l = numberOf(layer);
  const common = { line: 11, layer, makes: names, title: `The gradient of the layer: \`L_${l}\`` };
  const rows = names.map((name, k) => [item(name), "=", ...({
    linear: k ? [`\`${a}^T\` in a block for each output`] : [item(b)],
    h: ["diag h′ (", item(a), ")"],
    branch: ["two identity matrices, stacked"],
    merge: [k ? "the selection of the second part" : "the selection of the first part"],
  }[layer.f])]);
  const says = {
    linear: `The Jacobian of the outputs with respect to the input is \`${b}\` itself. `,
    h: "Each entry of the output depends only on the same entry of the input: the slope `h′` is on the diagonal, and all else is 0.",
    branch: "Each copy changes exactly as the input does.",
    merge: "Each entry of the output is one entry of one input: the derivative is 1 there and 0 elsewhere.",
  };
  const equations = { linear: ["14.16"], h: ["14.30"], branch: ["14.45"], merge: ["14.41"] }[layer.f];
  if (layer.f !== "linear") return { ...common, equations, rows, say: says[layer.f], plot: layer.f === "h" && a };
  if (!learns(b)) return { ...common, makes: names.slice(0, 1), equations, rows: rows.slice(0, 1), say: says.linear + `\`${b}\` is fixed, so its \`L\` is not needed.` };
  return {
    ...common, equations: [...equations, "14.14"], rows,
    say: says.linear + `\`${names[1]}\` has a column for each weight: an entry of \`${a}\` where the weight belongs to the output, and 0 elsewhere.`,
  };
}

function backwardStep(layer, h) {
  const names = namesOfL(layer), l = numberOf(layer);
  const g_out = layer.writes.map(gradientOf), data = layer.reads.filter(name => !isTheta(name)), g_in = data.map(gradientOf);
  const gate = h === "relu" ? " Where `h′` is 0, no gradient passes." : "";
  const say = {
    linear: "The gradient of each input is the sum of the gradients of all outputs, each times its weight.",
    h: `Each entry is multiplied by its own slope \`h′\`.${gate}`,
    branch: "The gradients of the two copies are summed.",
    merge: `Each input gets its part of \`${g_out[0]}\`.`,
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
    line: 13, layer, makes: [dJ], equations: ["14.8", "14.19", "14.29"], title: `The parameter gradient: \`${dJ}\``,
    say: `The long form multiplies by all the zeros of \`${namesOfL(layer)[1]}\`. Only one product of each sum is not zero, so the short form is an outer product of \`${g}\` and \`${a}\`.`,
    rows: [
      ["short:", item(dJ), "=", T(g), T(a)],
      ["long:", item(dJ, { vec: true, long: true }), "=", item(g), item(namesOfL(layer)[1])],
    ],
  };
}

function summed({ reads: [W], writes }) {
  const dJ = gradientOf(W);
  return {
    line: "sum", makes: [dJ], equations: ["14.46", "14.47"], title: `The shared parameter: \`${dJ}\``,
    say: `The gradient of \`${W}\` is the sum of the gradients of its copies.`,
    rows: [[item(dJ), "=", ...between(writes.map(name => item(gradientOf(name))), "+")]],
  };
}

function updateStep({ free }) {
  const what = free.some(isTheta) ? "One step of gradient descent on the parameters; the data are fixed."
    : "One step of gradient descent on the data; the parameters are fixed.";
  return {
    line: "update", makes: free.map(name => `${name}′`), equations: ["14.9"], title: "Update",
    say: `${what} Apply it and run the forward pass again: \`J\` should decrease.`,
    rows: free.map(name => [item(`${name}′`), "=", item(name), "− η", isTheta(name) ? item(gradientOf(name)) : T(gradientOf(name))]),
  };
}

/* The lines of Algorithm 14.1 by number, and the steps before and after them; without l where the graph is no chain. */
function linesOf(example) {
  const chain = example.layers.every(layer => layer.f !== "merge"), has = f => example.layers.some(f);
  const copies = has(layer => isTheta(layer.writes[0])), learns = example.free.some(isTheta);
  return [
    { at: "given", text: "inputs `x_0`, `θ`" + (has(layer => layer.f === "l2") ? ", `y`" : "") },
    copies && { at: "copies", text: "`W^1, W^2 = branch(W)`" },
    { at: 5, text: chain ? "for `l = 1, …, L`" : "for each layer, in order" },
    { at: 6, text: chain ? "`x_l = f_l(x_{l−1}, θ_l)`" : "`x_{out} = f(x_{in}, θ)`", inner: true },
    { at: "cost", text: has(layer => layer.f === "neuron") ? "`J = −x_L[i]`" : "`J = ℒ(x_L, y)`" },
    { at: 9, text: "`g_L = ℒ′(x_L, y)`" },
    { at: 10, text: chain ? "for `l = L, …, 1`" : "for each layer, in reverse order" },
    { at: 11, text: chain ? "`L_l = f′_l(x_{l−1}, θ_l)`" : "`L = f′(x_{in}, θ)`", inner: true },
    { at: 12, text: chain ? "`g_{l−1} = g_l L_l^x`" : "`g_{in} = g_{out} L^x`", inner: true },
    learns && { at: 13, text: chain ? "`∂J/∂θ_l = g_l L_l^θ`" : "`∂J/∂θ = g_{out} L^θ`", inner: true },
    copies && { at: "sum", text: "`∂J/∂W = Σ_i ∂J/∂W^i`" },
    { at: "update", text: learns ? "`θ ← θ − η (∂J/∂θ)^T`" : "`x_0 ← x_0 − η (∂J/∂x_0)^T`" },
  ].filter(Boolean);
}
