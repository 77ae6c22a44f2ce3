/* The plane of the data set: its points, ŷ as shades, and the decision boundary, where ŷ = 0. */

const PLANE = { left: -1.5, right: 2.5, bottom: -1.1, top: 1.6, width: 480, height: 324, columns: 60, rows: 40 };

function planeOf(theta, right) {
  const { left, right: end, bottom, top, width, height, columns, rows } = PLANE;
  const x = a => (a - left) / (end - left) * width, y = b => (top - b) / (top - bottom) * height;
  const a = j => left + j / columns * (end - left), b = i => top - i / rows * (top - bottom);
  const field = matrix(rows + 1, columns + 1, (i, j) => predicted(theta, column([a(j), b(i)])));
  const label = `${POINTS.length} points of two classes and the decision boundary: ${right} points are on their side`;
  return make("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    shadesOf(field, width / columns, height / rows),
    make("svg:path", { class: "boundary", d: zeroLine(field, width / columns, height / rows) }),
    POINTS.map(({ x_0: [[p], [q]], y: [[side]] }) => side > 0
      ? make("svg:circle", { cx: x(p), cy: y(q), r: 5, class: "first" })
      : make("svg:rect", { x: x(p) - 4.5, y: y(q) - 4.5, width: 9, height: 9, class: "second" })));
}

/* Stripes of equal shade in each row of cells: a shade is the sign of ŷ and its magnitude, in three levels. */
function shadesOf(field, width, height) {
  const level = v => Math.sign(v) * (Math.abs(v) > 0.9 ? 3 : Math.abs(v) > 0.4 ? 2 : 1), paths = {};
  for (let i = 0; i + 1 < field.length; i++)
    for (let j = 0, from = 0; j + 1 < field[i].length; j++) {
      const shade = k => level((field[i][k] + field[i][k + 1] + field[i + 1][k] + field[i + 1][k + 1]) / 4);
      if (j + 2 < field[i].length && shade(j) === shade(j + 1)) continue;
      paths[shade(j)] = (paths[shade(j)] || "") + `M${(from * width).toFixed(1)} ${(i * height).toFixed(1)}h${((j + 1 - from) * width).toFixed(1)}v${height.toFixed(1)}h${((from - j - 1) * width).toFixed(1)}z`;
      from = j + 1;
    }
  return make("svg:g", { class: "shades" }, Object.entries(paths).map(([shade, d]) => make("svg:path", { d, class: shade > 0 ? "first" : "second", "fill-opacity": Math.abs(shade) * 0.1 })));
}

/* The line through the zeros on the edges of each cell, by linear interpolation (marching squares). */
function zeroLine(field, width, height) {
  const parts = [];
  for (let i = 0; i + 1 < field.length; i++)
    for (let j = 0; j + 1 < field[i].length; j++) {
      const corners = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]], cuts = [];
      corners.forEach(([r, c], k) => {
        const [s, d] = corners[(k + 1) % 4], v = field[r][c], w = field[s][d];
        if (v > 0 === w > 0) return;
        const t = v / (v - w);
        cuts.push(`${((c + t * (d - c)) * width).toFixed(1)} ${((r + t * (s - r)) * height).toFixed(1)}`);
      });
      for (let k = 0; k + 1 < cuts.length; k += 2) parts.push(`M${cuts[k]}L${cuts[k + 1]}`);
    }
  return parts.join("");
}
