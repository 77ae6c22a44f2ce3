/* Numbers and formulas as text, as elements, and for screen readers. */

const SVG = "http://www.w3.org/2000/svg";

/* make("p", {class: "soft"}, "text", element, ...), or of SVG: make("svg:rect", {x: 0}) */
function make(tag, attributes = {}, ...inside) {
  const [name, svg] = tag.split(":").reverse();
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== false) element.setAttribute(key, value);
  element.append(...inside.flat().filter(part => part || part === 0));
  return element;
}

/* A number in few characters: 0.50, -1.25, 12.3. */
function short(a, digits = 2) {
  if (!Number.isFinite(a)) return Number.isNaN(a) ? "NaN" : a > 0 ? "∞" : "−∞";
  const size = Math.abs(a), left = Math.max(0, digits - (size >= 100 ? 2 : size >= 10 ? 1 : 0));
  const text = size >= 1e4 ? a.toExponential(0).replace("e+", "e") : a.toFixed(left);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/* A number with up to four decimals, without trailing zeros. */
function long(a) {
  if (!Number.isFinite(a) || Math.abs(a) >= 1e4) return short(a);
  const text = a !== 0 && Math.abs(a) < 1e-3 ? a.toPrecision(2) : String(Number(a.toFixed(4)));
  return text.replace(/^-0$/, "0").replace("-", "−").replace("e-", "e−");
}

/* A letter or a word with subscript and superscript: "x_1^a", "L_{l}^x", "relu". */
const SYMBOL = /([A-Za-zŷθηℒΣ]+|\)(?=[_^]))(′?)((?:[_^](?:\{[^}]*\}|[A-Za-z0-9θ]+))*)/gu;

function symbols(text) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(SYMBOL)) {
    const scripts = { _: "", "^": "" };
    for (const [, kind, braced, plain] of match[3].matchAll(/([_^])(?:\{([^}]*)\}|([A-Za-z0-9θ]+))/g))
      scripts[kind] = braced ?? plain;
    parts.push(text.slice(last, match.index), { base: match[1], prime: match[2], sub: scripts._, sup: scripts["^"] });
    last = match.index + match[0].length;
  }
  return [...parts, text.slice(last)].filter(Boolean);
}

const isLetter = base => [...base].length === 1;

/* A formula as elements: letters in italics, words upright. */
function math(text) {
  return make("span", { class: "math" }, symbols(text).map(part => {
    if (typeof part === "string") return part;
    const base = [make(isLetter(part.base) ? "i" : "span", {}, part.base), part.prime];
    if (part.sub && part.sup) return [...base, make("span", { class: "both" }, make("sup", {}, part.sup), make("sub", {}, part.sub))];
    return [...base, part.sub && make("sub", {}, part.sub), part.sup && make("sup", {}, part.sup)].filter(Boolean);
  }).flat());
}

/* A formula as an SVG text. */
function svgMath(text, attributes) {
  let off = 0;
  const span = (inside, dy, more = {}) => {
    const element = make("svg:tspan", { ...more, dy: dy - off }, inside);
    off = dy;
    return element;
  };
  return make("svg:text", attributes, symbols(text).flatMap(part => typeof part === "string" ? span(part, 0) : [
    span(part.base + part.prime, 0, isLetter(part.base) ? { class: "letter" } : {}),
    part.sub && span(part.sub, 4, { class: "script" }),
    part.sup && span(part.sup, -7, { class: "script", ...(part.sub ? { dx: -7 * part.sub.length } : {}) }),
  ]));
}

/* Prose with formulas between backquotes. */
function prose(text) {
  return text.split("`").map((part, i) => i % 2 ? math(part) : part);
}

/* "∂J/∂W_1" as "d J by d W 1". */
function spoken(text) {
  return text.replace(/∂(\S)\/∂/g, "d $1 by d ").replace(/\^T\b/g, " transposed").replace(/′/g, " prime")
    .replace(/[_^{}`]/g, " ").replace(/ +/g, " ").trim();
}

/* "x_1[0]", "W_1[0,2]", and for L^W, whose columns are weights, "L_1^W[0, 12]" as in the chapter. */
function nameOf({ name, i, j }, all) {
  const { numbers, across } = all[name];
  if (numbers.length === 1 && numbers[0].length === 1) return name;
  if (across) return `${name}[${i}, ${Math.floor(j / across)}${j % across}]`;
  if (numbers[0].length === 1) return `${name}[${i}]`;
  return numbers.length === 1 ? `${name}[${j}]` : `${name}[${i},${j}]`;
}
