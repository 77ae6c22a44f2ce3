/* The layers: x_out from the inputs, and L for each input, [|x_out| x |input|]. */

const LAYERS = {
  linear: {
    forward: (layer, [x, W, b]) => [b ? plus(matmul(W, x), b) : matmul(W, x)],  // (14.12)
    L: (layer, [x, W, b]) => [W, matrix(W.length, W.flat().length, L_W(x, W)), ...(b ? [eye(b.length)] : [])],  // (14.16), (14.14), (14.17)
  },
  h: {
    forward: (layer, [x], { h }) => [map(x, h)],
    L: (layer, [x], { h_prime }) => [diag(map(x, h_prime))],  // (14.30)
  },
  branch: {
    forward: (layer, [x]) => [x, x],  // (14.38)
    L: (layer, [x]) => { const I = eye(x.flat().length); return [[...I, ...I]]; },  // (14.45)
  },
  merge: {
    forward: (layer, [a, b]) => [[...a, ...b]],  // (14.37)
    L: (layer, [a, b]) => {  // (14.41)
      const I = eye(a.length + b.length);
      return [I.map(row => row.slice(0, a.length)), I.map(row => row.slice(a.length))];
    },
  },
  l2: {
    forward: (layer, [y_hat, y]) => [[[zip(y_hat, y, (a, b) => (a - b) ** 2).flat().reduce((a, b) => a + b)]]],
    L: (layer, [y_hat, y]) => [2, -2].map(c => transpose(zip(y_hat, y, (a, b) => c * (a - b)))),  // (14.34)
  },
  neuron: {
    forward: ({ i }, [x]) => [[[-x[i][0]]]],  // section 14.9
    L: ({ i }, [x]) => [matrix(1, x.length, (_, j) => j === i ? -1 : 0)],
  },
};

/* L^W[i, jk] = x_in[k] where i = j, else 0; column jk belongs to the weight W[j, k]. */
function L_W(x, W) {
  const n = W[0].length;
  return (i, jk) => i === Math.floor(jk / n) ? x[jk % n][0] : 0;
}

/* Algorithm 14.1 for a graph with its layers in order: x, L and g by name. The g of a θ is dJ/dθ.
   Each value is read once; a value with two readers goes through a branch. */
function passes({ layers }, given, h) {
  const x = forwardPass({ layers }, given, h), g = { J: [[1]] }, L = {};
  for (const layer of [...layers].reverse()) {
    const g_out = [layer.writes.flatMap(name => g[name].flat())];
    L[layer.writes[0]] = LAYERS[layer.f].L(layer, layer.reads.map(name => x[name]), h);
    L[layer.writes[0]].forEach((L_k, k) => {
      const read = layer.reads[k], g_in = matmul(g_out, L_k);  // (14.10), (14.8)
      g[read] = x[read][0].length > 1 ? reshape(g_in, x[read]) : g_in;
    });
  }
  return { x, L, g };
}

function forwardPass({ layers }, given, h) {
  const x = { ...given };
  for (const layer of layers)
    LAYERS[layer.f].forward(layer, layer.reads.map(name => x[name]), h).forEach((out, k) => x[layer.writes[k]] = out);
  return x;
}

/* θ - η (dJ/dθ)^T for every free input (14.9). */
function updated({ free }, { x, g }, eta) {
  const to = {};
  for (const name of free) {
    const dJ = x[name][0].length > 1 ? g[name] : transpose(g[name]);  // dJ/dW has the shape of W
    to[name] = zip(x[name], dJ, (a, b) => a - eta * b);
  }
  return to;
}
