/* Questions that a step asks before it shows its numbers. The answers are computed from the numbers of the page. */

/* { ask, kind, options, answer, why } of a step, or null. The answer is a list of options, or with kind "number" a number. */
function questionOf(step, k) {
  const { line, layer } = step, isFirst = steps.findIndex(other => other.line === line) === k;
  if (line === 9) return signQuestion(step.makes[0]);
  if (line === 11 && layer.f === "linear" && isFirst) return shapeQuestion(layer, step.makes[step.makes.length - 1]);
  if (line === 12 && layer.f === "h") return slopeQuestion(layer);
  if (line === 12 && layer.f === "branch") return sumQuestion(step.makes[0], layer.writes.map(gradientOf));
  if (line === "sum") return sumQuestion(step.makes[0], example.layers[0].writes.map(gradientOf));
  return line === "update" ? moveQuestion(example.free[0]) : null;
}

const entryOf = (name, i, j) => `\`${nameOf({ name, i, j }, all)}\``;
const largestOf = numbers => numbers.reduce((at, a, i) => Math.abs(a) > Math.abs(numbers[at]) ? i : at, 0);

function signQuestion(g) {
  const loss = example.layers[example.layers.length - 1], [x, y] = loss.reads;
  const row = all[g].numbers[0], i = loss.i ?? largestOf(row), name = entryOf(g, 0, i), prediction = entryOf(x, i, 0);
  const given = loss.f === "l2" ? `${prediction} is ${long(all[x].numbers[i][0])}, and its target ${entryOf(y, i, 0)} is ${long(all[y].numbers[i][0])}` : `\`J\` is minus ${prediction}`;
  const moves = { "negative": `\`J\` falls when ${prediction} rises`, "zero": "the prediction is right", "positive": `\`J\` rises with ${prediction}` };
  const sign = Object.keys(moves)[Math.sign(row[i]) + 1];
  return { ask: `${given}. What is the sign of ${name}?`, kind: "one", options: Object.keys(moves), answer: [sign],
    why: `${name} is ${long(row[i])}: ${moves[sign]}.` };
}

function shapeQuestion(layer, L) {
  const [x, W] = layer.reads, { numbers } = all[W], m = numbers.length, n = numbers[0].length, by = (a, b) => `${a} × ${b}`;
  const columns = all[L].numbers[0].length, of = columns === n ? x : W;
  return { ask: `\`${layer.writes[0]}\` has ${m} entries, \`${x}\` ${n}, and \`${W}\` ${m * n}. What is the shape of \`${L}\`?`, kind: "one",
    options: [by(m, n), by(m * n, m), by(1, m * n), by(m, m * n), by(n, m)], answer: [by(all[L].numbers.length, columns)],
    why: `\`${L}\` has a row for each of the ${m} outputs and a column for each of the ${columns} entries of \`${of}\`.` };
}

function slopeQuestion(layer) {
  const x = layer.reads[0], [g_out, g_in] = [gradientOf(layer.writes[0]), gradientOf(x)], { h_prime } = NONLINEARITIES[state.h];
  const slopes = all[x].numbers.map(([a]) => h_prime(a)), i = slopes.indexOf(Math.min(...slopes));
  const slope = state.h === "relu" ? `\`h′\` is 1 where \`${x}\` is 0 or more, and 0 elsewhere` : `\`h′\` is ${long(slopes[i])} there`;
  const [a, g, found] = [all[x].numbers[i][0], all[g_out].numbers[0][i], all[g_in].numbers[0][i]];
  return { ask: `${entryOf(x, i, 0)} is ${long(a)}; ${slope}. ${entryOf(g_out, 0, i)} is ${long(g)}. What is ${entryOf(g_in, 0, i)}?`, kind: "number",
    answer: found, why: `${entryOf(g_in, 0, i)} is ${long(g)} times the slope ${long(slopes[i])}.` };
}

function sumQuestion(g, parts) {
  const terms = parts.map(name => long(all[name].numbers[0][0]));
  return { ask: `${parts.map((name, k) => `${entryOf(name, 0, 0)} is ${terms[k]}`).join(" and ")}. What is ${entryOf(g, 0, 0)}?`, kind: "number",
    answer: all[g].numbers[0][0], why: `Gradients of copies are summed: ${terms.map(term => term.startsWith("−") ? `(${term})` : term).join(" + ")}.` };
}

/* Which rows of a free input move: those whose gradient is not all zeros. */
function moveQuestion(name) {
  const { numbers } = all[name], moved = all[`${name}′`].numbers, one = numbers[0].length === 1, what = one ? "entries" : "rows";
  const options = numbers.map((_, i) => one ? entryOf(name, i, 0) : `row ${i}`);
  const answer = options.filter((_, i) => numbers[i].some((a, j) => a !== moved[i][j])), still = options.filter(option => !answer.includes(option));
  const reason = still.length ? `The gradient of ${still.join(", ")} is 0 at these inputs, so the step leaves it as it is.` : `No gradient is 0, so all ${what} move.`;
  return { ask: `Which ${what} of \`${name}\` does the step move?`, kind: "some", options, answer, why: reason };
}
