/* Matrices are lists of rows. As in the chapter, x is a column [n x 1] and g a row [1 x n]. */

const column = v => v.map(a => [a]);
const transpose = A => A[0].map((_, j) => A.map(row => row[j]));
const map = (A, f) => A.map((row, i) => row.map((a, j) => f(a, i, j)));
const zip = (A, B, f) => map(A, (a, i, j) => f(a, B[i][j]));
const plus = (A, B) => zip(A, B, (a, b) => a + b);
const scale = (A, c) => map(A, a => c * a);
const matmul = (A, B) => A.map(row => B[0].map((_, j) => row.reduce((sum, a, k) => sum + a * B[k][j], 0)));
const matrix = (m, n, f) => Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_, j) => f(i, j)));
const eye = n => matrix(n, n, (i, j) => Number(i === j));
const diag = x => matrix(x.length, x.length, (i, j) => i === j ? x[i][0] : 0);
const vec = A => [A.flat()];
const reshape = (A, like) => { const v = A.flat(), n = like[0].length; return map(like, (_, i, j) => v[n * i + j]); };

/* erf(x) = 2/√π exp(-x²) (x + 2x³/3 + 4x⁵/15 + ...): all terms have the same sign, so there is no cancellation. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= 2 * x * x / (2 * n + 1);
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

const sigma = x => 1 / (1 + Math.exp(-x));
const Phi = x => (1 + erf(x / Math.SQRT2)) / 2;
const phi = x => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);

/* h and h' of a pointwise layer (14.30), and the formula of h. */
const NONLINEARITIES = {
  "relu": { h: x => Math.max(x, 0), h_prime: x => Number(x >= 0), is: "max(x, 0)" },
  "leaky relu": { h: x => x > 0 ? x : 0.1 * x, h_prime: x => x > 0 ? 1 : 0.1, is: "x if x > 0, else 0.1 x" },
  "sigmoid": { h: sigma, h_prime: x => sigma(x) * (1 - sigma(x)), is: "1 / (1 + exp(−x))" },
  "tanh": { h: Math.tanh, h_prime: x => 1 - Math.tanh(x) ** 2, is: "tanh x" },
  "gelu": { h: x => x * Phi(x), h_prime: x => Phi(x) + x * phi(x), is: "x Φ(x)" },
  "silu": { h: x => x * sigma(x), h_prime: x => sigma(x) * (1 + x * (1 - sigma(x))), is: "x / (1 + exp(−x))" },
  "softplus": { h: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), h_prime: sigma, is: "log(1 + exp x)" },
  "identity": { h: x => x, h_prime: () => 1, is: "x" },
};
