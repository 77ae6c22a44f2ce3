/* Drawing of digits, weights and the curve of J. */

const SIDE = 8;  // of a digit

/* Draws 8 x 8 pictures side by side on a canvas; color maps an entry to [r, g, b, a]. */
function tiles(canvas, pictures, columns, color) {
  const step = SIDE + 1, rows = Math.ceil(pictures.length / columns);
  canvas.width = columns * step - 1;
  canvas.height = rows * step - 1;
  const pen = canvas.getContext("2d");
  pictures.forEach((picture, n) => {
    const image = pen.createImageData(SIDE, SIDE);
    picture.forEach((v, k) => image.data.set(color(v), 4 * k));
    pen.putImageData(image, n % columns * step, Math.floor(n / columns) * step);
  });
}

/* Ink with transparency, for light and dark mode. */
const ink = dark => v => [...(dark ? [236, 236, 240] : [27, 27, 31]), 255 * v];
const RED = [214, 52, 40], BLUE = [30, 110, 214];
const signed = most => v => [...(v < 0 ? BLUE : RED), 255 * Math.min(1, Math.abs(v) / most)];

const WIDTH = 480, HEIGHT = 200, LEFT = 34, BOTTOM = 22, POINTS = 400;

/* J at each step, and its mean over one epoch in bold. */
function curve(box, J, round) {
  const top = Math.max(2.5, Math.min(10, ...[Math.max(...J.slice(-2000).filter(Number.isFinite))]));
  const x = i => LEFT + (WIDTH - LEFT - 6) * i / Math.max(J.length - 1, 100);
  const y = v => 6 + (HEIGHT - BOTTOM - 6) * (1 - Math.min(v, top) / top);
  const every = Math.max(1, Math.floor(J.length / POINTS));
  const line = f => J.map((_, i) => i).filter(i => i % every === 0 || i === J.length - 1)
    .filter(i => Number.isFinite(f(i))).map(i => `${x(i).toFixed(1)},${y(f(i)).toFixed(1)}`).join(" ");
  const sums = J.reduce((all, v) => (all.push(all.at(-1) + v), all), [0]);
  const mean = i => { const from = Math.max(0, i + 1 - round); return (sums[i + 1] - sums[from]) / (i + 1 - from); };
  const ticks = Array.from({ length: Math.floor(top) + 1 }, (_, v) => v);
  box.innerHTML = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="J, ${J.length} steps">
    ${ticks.map(v => `<path class="grid" d="M${LEFT} ${y(v)}H${WIDTH - 6}"/><text x="${LEFT - 8}" y="${y(v) + 4}" class="end">${v}</text>`).join("")}
    <text x="${LEFT}" y="${HEIGHT - 4}" class="start">0</text>
    <text x="${WIDTH - 6}" y="${HEIGHT - 4}" class="end">${Math.max(J.length, 101) - 1} steps</text>
    <polyline class="each" points="${line(i => J[i])}"/><polyline class="mean" points="${line(mean)}"/></svg>`;
}
