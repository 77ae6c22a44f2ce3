/* The ONNX operators of the file, on tensors { shape, data }: float32, int32 for int64, bytes for bool. */

const TYPES = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const CAST = { 1: Float32Array, 6: Int32Array, 7: Int32Array, 9: Uint8Array };
const count = shape => shape.reduce((n, d) => n * d, 1);

/* Row-major strides. */
function strides(shape) {
  const steps = new Array(shape.length);
  for (let axis = shape.length - 1, step = 1; axis >= 0; step *= shape[axis--]) steps[axis] = step;
  return steps;
}

/* Visits the entries of `shape` in order, with their offsets in several tensors of strides `steps`. */
function walk(shape, steps, visit) {
  const at = shape.map(() => 0), places = steps.map(() => 0);
  for (let k = 0, n = count(shape); k < n; k++) {
    visit(k, places);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const back = ++at[axis] === shape[axis];
      for (let i = 0; i < places.length; i++) places[i] += back ? (1 - shape[axis]) * steps[i][axis] : steps[i][axis];
      if (!back) break;
      at[axis] = 0;
    }
  }
}

/* f elementwise on one to three tensors, broadcast to a common shape. */
function each(f, Type, ...xs) {
  const rank = Math.max(...xs.map(x => x.shape.length));
  const shapes = xs.map(x => [...new Array(rank - x.shape.length).fill(1), ...x.shape]);
  const shape = shapes[0].map((_, axis) => shapes.reduce((n, s) => s[axis] === 1 ? n : s[axis], 1));
  const steps = shapes.map(s => strides(s).map((step, axis) => s[axis] === 1 ? 0 : step));
  const out = new Type(count(shape)), [a, b = [], c = []] = xs.map(x => x.data);
  walk(shape, steps, (k, at) => { out[k] = f(a[at[0]], b[at[1]], c[at[2]]); });
  return { shape, data: out };
}
const alike = f => ([a, b]) => each(f, a.data.constructor, a, b);

function transposed({ shape, data }, perm) {
  const steps = strides(shape), out = new data.constructor(data.length), to = perm.map(axis => shape[axis]);
  walk(to, [perm.map(axis => steps[axis])], (k, [at]) => { out[k] = data[at]; });
  return { shape: to, data: out };
}

/* A [M x K] B [K x N], summed in double precision. */
function product(A, B) {
  const [M, K] = A.shape, N = B.shape[1], out = new Float32Array(M * N), row = new Float64Array(N);
  for (let m = 0; m < M; m++) {
    row.fill(0);
    for (let k = 0; k < K; k++) {
      const a = A.data[m * K + k];
      if (a !== 0) for (let n = 0; n < N; n++) row[n] += a * B.data[k * N + n];
    }
    out.set(row, m * N);
  }
  return { shape: [M, N], data: out };
}

function sum({ shape, data }, axes, keeps) {
  const kept = shape.map((n, axis) => axes.includes(axis) ? 1 : n), out = new Float64Array(count(kept));
  walk(shape, [strides(kept).map((step, axis) => axes.includes(axis) ? 0 : step)], (k, [at]) => { out[at] += data[k]; });
  return { shape: keeps ? kept : shape.filter((_, axis) => !axes.includes(axis)), data: Float32Array.from(out) };
}

/* log softmax along the last axis. */
function logSoftmax({ shape, data }) {
  const n = shape.at(-1), out = new Float64Array(data.length);
  for (let row = 0; row < data.length; row += n) {
    const x = data.subarray(row, row + n), top = Math.max(...x);
    const log = top + Math.log(x.reduce((total, v) => total + Math.exp(v - top), 0));
    x.forEach((v, j) => { out[row + j] = v - log; });
  }
  return { shape, data: out };
}

const axesOf = (tensor, rank) => Array.from(tensor.data, axis => (axis + rank) % rank);
const last = (x, { axis = -1 }) => {
  if ((axis + x.shape.length) % x.shape.length !== x.shape.length - 1) throw Error(`softmax along axis ${axis}`);
  return logSoftmax(x);
};

const OPERATORS = {
  Add: alike((a, b) => a + b),
  Sub: alike((a, b) => a - b),
  Mul: alike((a, b) => a * b),
  Div: alike((a, b) => a / b),
  Neg: ([x]) => each(v => -v, x.data.constructor, x),
  Relu: ([x]) => each(v => Math.max(v, 0), Float32Array, x),
  Not: ([x]) => each(v => 1 - v, Uint8Array, x),
  Equal: ([a, b]) => each((v, w) => v === w, Uint8Array, a, b),
  Where: ([c, a, b]) => each((test, v, w) => test ? v : w, a.data.constructor, c, a, b),
  Cast: ([x], { to }) => each(to === 9 ? v => v !== 0 : v => v, CAST[to], x),
  MatMul: ([a, b]) => product(a, b),
  Gemm: ([A, B, C], { transA, transB, alpha = 1, beta = 1 }) => {
    const turned = (x, turn) => turn ? transposed(x, [1, 0]) : x;
    const AB = product(turned(A, transA), turned(B, transB));
    return C ? each((ab, c) => alpha * ab + beta * c, Float32Array, AB, C) : each(ab => alpha * ab, Float32Array, AB);
  },
  Transpose: ([x], { perm }) => transposed(x, perm),
  Reshape: ([x, { data }]) => {
    const shape = Array.from(data, (n, axis) => n === 0 ? x.shape[axis] : n), known = -count(shape);
    return { shape: shape.map(n => n === -1 ? x.data.length / known : n), data: x.data };
  },
  Unsqueeze: ([x, axes]) => {
    const shape = [...x.shape];
    axesOf(axes, shape.length + axes.data.length).sort((a, b) => a - b).forEach(axis => shape.splice(axis, 0, 1));
    return { shape, data: x.data };
  },
  ReduceSum: ([x, axes], { keepdims = 1, noop_with_empty_axes: idle }) => {
    const none = !axes || axes.data.length === 0;
    return none && idle ? x : sum(x, none ? x.shape.map((_, axis) => axis) : axesOf(axes, x.shape.length), keepdims);
  },
  Softmax: ([x], how) => each(v => Math.exp(v), Float32Array, last(x, how)),
  LogSoftmax: ([x], how) => each(v => v, Float32Array, last(x, how)),
  NegativeLogLikelihoodLoss: ([x, y], { ignore_index: none, reduction = "mean" }) => {
    if (reduction !== "mean") throw Error(`reduction ${reduction}`);
    const there = Array.from(y.data, (j, i) => [i, j]).filter(([, j]) => j !== none);
    const total = there.reduce((J, [i, j]) => J - x.data[i * x.shape[1] + j], 0);
    return { shape: [], data: Float32Array.of(total / there.length) };
  },
  ConstantOfShape: ([{ data }]) => ({ shape: Array.from(data), data: new Float32Array(count(Array.from(data))) }),
  ScatterElements: ([x, index, v], { axis }) => {
    const data = x.data.slice(), steps = strides(x.shape);
    const others = steps.map((step, a) => a === axis ? 0 : step);
    walk(index.shape, [others], (k, [at]) => { data[at + index.data[k] * steps[axis]] = v.data[k]; });
    return { shape: x.shape, data };
  },
};

/* The outputs of the network by name. */
function run({ nodes, constants, gives }, given) {
  const values = { ...constants, ...given };
  for (const [name, takes, [out], how] of nodes) values[out] = OPERATORS[name](takes.map(input => values[input]), how);
  return Object.fromEntries(gives.map(name => [name, values[name]]));
}

function unpacked([shape, type, base64]) {
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  return { shape, data: new TYPES[type](bytes.buffer) };
}
