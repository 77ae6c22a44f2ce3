/* The graph: each value with its g beside it, each layer as a box, θ above the box and dJ/dθ below. */

const CELL = { width: 40, height: 20 }, BOX = { width: 70, height: 34 }, GAP = 22, LANE = 92, AWAY = 20;
const PAIR = 2 * CELL.width + 4;

/* The centres of boxes and matrices, from left to right in the order of the layers. */
function layoutOf(example, all) {
  const rank = {}, lane = {}, at = {}, widths = [];
  const layers = example.layers.filter(layer => !isTheta(layer.writes[0]));
  const widen = (r, width) => widths[r] = Math.max(widths[r] || 0, width);
  const data = layer => layer.reads.filter(name => /^x/.test(name));
  for (const name of Object.keys(example.given)) if (/^x/.test(name)) { rank[name] = 0; lane[name] = 0; widen(0, PAIR); }
  for (const layer of layers) {
    const r = Math.max(...data(layer).map(name => rank[name])) + 1;
    rank[layer.writes[0] + " from"] = r;
    const aside = layer.reads.filter(name => !/^x/.test(name)).map(name => all[name].numbers[0].length * CELL.width);
    const bends = layer.f === "branch" || layer.f === "merge";
    widen(r, Math.max(BOX.width + (bends ? 2 * GAP : 0), ...aside));
    layer.writes.forEach((name, k) => {
      rank[name] = r + 1;
      lane[name] = layer.writes.length > 1 ? 2 * k - 1 : layer.lane;
      widen(r + 1, PAIR);
    });
  }
  const copies = example.layers.find(layer => isTheta(layer.writes[0]));
  if (copies) widen(3, all[copies.reads[0]].numbers[0].length * CELL.width);
  const starts = widths.map((_, r) => widths.slice(0, r).reduce((a, b) => a + b + GAP, 0));
  const x = r => starts[r] + widths[r] / 2;
  for (const name of Object.keys(lane)) at[name] = { x: x(rank[name]), y: lane[name] * LANE };
  for (const layer of layers) {
    const box = { x: x(rank[layer.writes[0] + " from"]), y: layer.lane * LANE };
    at[layer.writes[0] + " from"] = box;
    for (const name of layer.reads.filter(name => !/^x/.test(name))) {
      const off = BOX.height / 2 + AWAY + all[name].numbers.length * CELL.height / 2;
      at[name] = { x: box.x, y: box.y - off };
      at[gradientOf(name)] = { x: box.x, y: box.y + off };
    }
  }
  if (copies) for (const f of [name => name, gradientOf])  // between its two copies
    at[f(copies.reads[0])] = { x: x(3), y: at[f(copies.writes[0])].y };
  return { at, layers, copies };
}

/* The graph as an SVG; `cells` are its entries; `parts` are highlighted once the values they need are known. Its nodes,
   values and layers, are the parts with the name of a value to go to. */
function drawGraph(example, h, all) {
  const { at, layers, copies } = layoutOf(example, all), cells = [], parts = [];
  const edges = make("svg:g"), boxes = make("svg:g"), values = make("svg:g");
  const part = (element, needs, more) => { parts.push({ element, needs, ...more }); return element; };
  const node = { role: "button", tabindex: -1 };

  function grid(name, middle, t) {
    const { numbers, kind } = all[name], { m, n, at: entryAt } = places({ t }, numbers.length, numbers[0].length);
    const left = middle.x - n * CELL.width / 2, top = middle.y - m * CELL.height / 2;
    const group = part(make("svg:g", { class: "value node", "data-kind": kind, ...node }), name, { goal: name });
    matrix(m, n, (i, j) => {
      const entry = { name, ...entryAt(i, j) }, x = left + j * CELL.width, y = top + i * CELL.height;
      const cell = make("svg:g", { class: "cell", "data-entry": keyOf(entry) },
        make("svg:rect", { x: x + 1, y: y + 1, width: CELL.width - 2, height: CELL.height - 2, rx: 3 }),
        make("svg:text", { x: x + CELL.width / 2, y: y + CELL.height / 2 + 4 }));
      cell.entry = entry;
      cells.push(cell);
      group.append(cell);
    });
    const below = kind === "grad", y = below ? top + m * CELL.height + 13 : top - 6;
    group.append(svgMath(name, { x: middle.x, y, class: "name" }));
    values.append(group);
    return { left, right: left + n * CELL.width, top, bottom: top + m * CELL.height };
  }

  function arrow(from, to, kind, needs) {
    const bend = (to.x - from.x) / 2, straight = from.x === to.x;
    const d = straight ? `M${from.x} ${from.y}V${to.y}` : `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
    edges.append(part(make("svg:path", { d, class: "edge", "data-kind": kind, "marker-end": `url(#tip-${kind})` }), needs));
  }

  /* Forward and backward arrows between a value and a box: left and right are their facing sides. */
  function both(left, right, forward, backward) {
    arrow({ x: left.x, y: left.y - 6 }, { x: right.x - 3, y: right.y - 6 }, "data", forward);
    arrow({ x: right.x, y: right.y + 6 }, { x: left.x + 3, y: left.y + 6 }, "back", backward);
  }

  const vectors = new Set(layers.flatMap(layer => [...layer.reads.filter(name => /^x/.test(name)), ...layer.writes]));
  for (const name of vectors) {
    const { x, y } = at[name], half = PAIR / 4 + 1;
    grid(name, { x: x - half, y });
    if (name === "J") values.append(one(x + half, y));
    else grid(gradientOf(name), { x: x + half, y }, true);
  }
  for (const layer of layers) {
    const box = at[layer.writes[0] + " from"], forward = layer.writes[0], isLoss = forward === "J";
    const backward = gradientOf(layer.reads[0]), l = numberOf(layer);
    for (const name of layer.reads) {
      if (/^x/.test(name)) {
        both({ x: at[name].x + PAIR / 2, y: at[name].y }, { x: box.x - BOX.width / 2, y: box.y }, forward, gradientOf(name));
        continue;
      }
      const above = grid(name, at[name]);
      arrow({ x: box.x, y: above.bottom + 2 }, { x: box.x, y: box.y - BOX.height / 2 - 4 }, all[name].kind, forward);
      if (!all[gradientOf(name)] || !learns(name, example)) continue;
      const below = grid(gradientOf(name), at[gradientOf(name)]);
      arrow({ x: box.x, y: box.y + BOX.height / 2 + 1 }, { x: box.x, y: below.top - 4 }, "grad", gradientOf(name));
    }
    for (const name of layer.writes)
      both({ x: box.x + BOX.width / 2, y: box.y }, { x: at[name].x - PAIR / 2, y: at[name].y }, forward, isLoss ? backward : gradientOf(name));
    const known = namesOfL(layer)[0];
    boxes.append(part(make("svg:g", { class: "layer node", ...node },
      make("svg:rect", { x: box.x - BOX.width / 2, y: box.y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 6 }),
      make("svg:text", { x: box.x, y: box.y - (isLoss ? -4 : 2) }, titleOf(layer, h)),
      !isLoss && svgMath(`f_${l}`, { x: box.x, y: box.y + 11, class: "before" }),
      !isLoss && svgMath(`f_${l}, L_${l}`, { x: box.x, y: box.y + 11, class: "after" })), isLoss ? "never" : known, { layer, goal: forward }));
  }
  if (copies) for (const [f, kind] of [[name => name, "free"], [gradientOf, "grad"]]) {
    const middle = grid(f(copies.reads[0]), at[f(copies.reads[0])]);
    for (const name of copies.writes) {
      const { x, y } = at[f(name)], right = x > at[f(copies.reads[0])].x, half = all[name].numbers[0].length * CELL.width / 2;
      const near = { x: right ? middle.right + 2 : middle.left - 2, y }, far = { x: right ? x - half - 3 : x + half + 3, y };
      if (kind === "free") arrow(near, far, kind, name);
      else arrow({ x: far.x, y }, { x: near.x + (right ? 3 : -3), y }, kind, f(copies.reads[0]));
    }
  }

  function one(x, y) {  // the backward pass begins with ∂J/∂J = 1 (14.35)
    const g = gradientOf(layers[layers.length - 1].reads[0]);
    return part(make("svg:g", { class: "value", "data-kind": "back" }, make("svg:g", { class: "cell", style: "--strength: 25%" },
      make("svg:rect", { x: x - CELL.width / 2 + 1, y: y - 9, width: CELL.width - 2, height: 18, rx: 3 }),
      make("svg:text", { x, y: y + 4, class: "one" }, "1")), svgMath("∂J/∂J", { x: x + 2, y: y - 16, class: "name" })), g);
  }

  return { svg: framed(edges, boxes, values), cells, parts };
}

const titleOf = ({ f, i }, h) => f === "h" ? h : f === "l2" ? "L2 loss" : f === "neuron" ? `−x[${i}]` : f;
const learns = (name, example) => isTheta(name) && (example.free.includes(name) || example.free.includes(name.split("^")[0]));

function framed(...groups) {
  const tip = kind => make("svg:marker", { id: `tip-${kind}`, viewBox: "0 0 6 6", refX: 4, refY: 3, markerWidth: 5, markerHeight: 5, orient: "auto" },
    make("svg:path", { d: "M0 0L6 3L0 6Z", "data-kind": kind, class: "tip" }));
  return make("svg:svg", { role: "group", "aria-label": "The graph" }, make("svg:defs", {}, ["data", "back", "free", "grad", "held"].map(tip)), ...groups);
}

/* Crops the graph to its extent, which can be measured once it is on the page. */
function fitGraph(svg) {
  const { x, y, width, height } = svg.getBBox(), edge = 6;
  svg.setAttribute("viewBox", `${x - edge} ${y - edge} ${width + 2 * edge} ${height + 2 * edge}`);
  svg.style.setProperty("--width", `${Math.round(width + 2 * edge)}px`);
}

/* Shows the numbers known at this step, and leaves the others empty. */
function fillGraph({ cells, parts }, all, isKnown, step) {
  for (const cell of cells) {
    const { name, i, j } = cell.entry, known = isKnown(name);
    cell.style.setProperty("--strength", known ? strength(all[name].numbers, i, j) : "0%");
    cell.lastChild.textContent = known ? short(all[name].numbers[i][j]) : "";
  }
  for (const { element, needs, layer, goal } of parts) {
    const numbers = goal && !layer && (isKnown(goal) ? all[goal].numbers.flat().map(long).join(", ") : "not computed yet");
    if (goal) element.setAttribute("aria-label", layer ? `layer ${element.querySelector("text").textContent}, ${spoken(goal)}` : `${spoken(goal)}: ${numbers}`);
    element.classList.toggle("known", isKnown(needs));
    element.classList.toggle("now", step.makes.includes(needs) || Boolean(layer) && layer === step.layer);
  }
}
