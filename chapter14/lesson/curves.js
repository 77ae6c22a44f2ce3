/* Two plots: J at each step of gradient descent, and h with its slope. */

/* Points as the d attribute of a path in a box of the given size. */
function pathOf(points, [x0, x1], [y0, y1], width, height) {
  const x = a => (a - x0) / (x1 - x0 || 1) * width, y = b => height - (b - y0) / (y1 - y0 || 1) * height;
  return { d: "M" + points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L"), x, y };
}

function curveOfJ(history) {
  const width = 300, height = 110, n = history.length - 1;
  const low = Math.min(0, ...history), high = Math.max(...history, low + 1e-9);
  const { d, x, y } = pathOf(history.map((J, i) => [i, J]), [0, Math.max(n, 10)], [low, high], width, height);
  const label = `J, from ${long(history[0])} to ${long(history[n])} in ${n} ${n === 1 ? "step" : "steps"}`;
  return make("svg:svg", { class: "curve", viewBox: `-8 -8 ${width + 16} ${height + 30}`, role: "img", "aria-label": label },
    make("svg:path", { class: "axis", d: `M0 0V${height}H${width}` }),
    low < 0 && make("svg:path", { class: "grid", d: `M0 ${y(0)}H${width}` }),
    make("svg:path", { class: "line", d }),
    history.length <= 60 && history.map((J, i) => make("svg:circle", { cx: x(i), cy: y(J), r: i === n ? 4.5 : 2.5, class: i === n ? "last" : "dot" })),
    make("svg:text", { x: 4, y: 4 }, short(high)), make("svg:text", { x: width, y: height + 16, class: "end" }, `${Math.max(n, 10)} steps`),
    make("svg:text", { x: 0, y: height + 16 }, low < 0 ? short(low) : "0"));
}

/* The curve of h, with a dot and the slope h' at each entry of x_in. */
function plotOfH(name, x_in) {
  const { h, h_prime } = NONLINEARITIES[name], width = 210, height = 120;
  const entries = x_in.map(([a]) => a).filter(Number.isFinite);
  const reach = Math.max(2, ...entries.map(a => Math.abs(a) * 1.15)), over = [-reach, reach];
  const grid = Array.from({ length: 121 }, (_, i) => -reach + i * reach / 60);
  const heights = grid.map(h), span = [Math.min(0, ...heights), Math.max(1, ...heights)];
  const { d, x, y } = pathOf(grid.map((a, i) => [a, heights[i]]), over, span, width, height);
  const tangents = entries.map(a => { const r = reach / 6; return `M${x(a - r)} ${y(h(a) - r * h_prime(a))}L${x(a + r)} ${y(h(a) + r * h_prime(a))}`; });
  const label = `${name}: ${entries.map(a => `at ${long(a)}, value ${long(h(a))} and slope ${long(h_prime(a))}`).join("; ")}`;
  return make("figure", {},
    make("svg:svg", { class: "plot", viewBox: `-6 -8 ${width + 12} ${height + 16}`, role: "img", "aria-label": label },
      make("svg:path", { class: "axis", d: `M0 ${y(0)}H${width}M${x(0)} 0V${height}` }), make("svg:path", { class: "line", d }),
      make("svg:path", { class: "tangent", d: tangents.join("") }), entries.map(a => make("svg:circle", { cx: x(a), cy: y(h(a)), r: 4, class: "last" }))),
    make("figcaption", {}, prose(`\`h(x)\` = ${NONLINEARITIES[name].is}. The dots are the entries of \`x_{in}\`, the strokes the slopes \`h′\` there.`)));
}
