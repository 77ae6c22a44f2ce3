/* The terms of the chapter: the first use of each in a step is marked, and its bubble has the definition. */

/* By a term's pattern, longer ones before the shorter ones in them. A symbol is between backquotes, as in prose. */
const GLOSSARY = {
  "forward pass": "Each layer computes its output from its input and its parameters, from the data to the cost.",
  "backward pass": "Each layer computes the gradient of its inputs from that of its outputs, from the cost back to the data.",
  "gradient descent": "Small steps of the free inputs against their gradient, so that `J` decreases.",
  "outer product": "All products of an entry of one vector and an entry of another, as a matrix.",
  "row vector": "A matrix with one row. In the chapter, values are columns and gradients are rows.",
  "Jacobian": "The matrix of all partial derivatives of a function: a row for each output, a column for each input.",
  "gradient": "The partial derivatives of one number, here `J`, with respect to all entries of a variable.",
  "nonlinearity": "A function `h` of one number that a layer applies to each entry. Without one, linear layers in a row are one linear layer.",
  "parameter": "An input that is learned, and not data: `θ`, here the weights.",
  "prediction": "The output of the network, `ŷ`.",
  "target": "The output that the network should have, `y`.",
  "cost": "The number that gradient descent decreases, `J`.",
  "loss": "The last layer, which computes the cost from the prediction and the target.",
  "branch": "A layer that copies its input, for several readers. On the backward pass it sums their gradients.",
  "merge": "A layer that concatenates its inputs. On the backward pass it splits the gradient again.",
  "share": "A shared (or tied) parameter is read by several layers. Its gradient is the sum of those of its copies.",
  "fixed": "Not updated by gradient descent.",
  "`g(_.*)?`": "`g_l = ∂J/∂x_l`: a row with an entry for each of `x_l`. Elsewhere it is called the error, or delta.",
  "`L([_^].*)?`": "The Jacobian of a layer: `L^x` with respect to its input, `L^θ` with respect to its parameters.",
  "`h′`": "The derivative of `h`: the slope of its curve.",
};

/* Prose with the first use of each term marked. */
function glossed(text) {
  const unused = new Set(Object.keys(GLOSSARY)), found = [];
  let rest = text;
  while (rest) {
    const uses = [...unused].map(term => ({ term, use: rest.match(patternOf(term)) })).filter(({ use }) => use);
    if (!uses.length) break;
    const { term, use } = uses.reduce((first, next) => next.use.index < first.use.index ? next : first);
    found.push(...prose(rest.slice(0, use.index)), marked(use[0], GLOSSARY[term]));
    unused.delete(term);
    rest = rest.slice(use.index + use[0].length);
  }
  return [...found, ...prose(rest)];
}

/* Not inside a word, and of a symbol the whole formula. */
const patternOf = term => term.startsWith("`") ? new RegExp(term.replace(".*", "[^`]*")) : new RegExp(`\\b${term}(s|d|es|ed)?\\b`, "i");

function marked(words, definition) {
  const text = make("span", { class: "definition", id: `definition-${++marks}` }, prose(definition));
  return bubbled(make("button", { type: "button", class: "defined", "aria-describedby": text.id }, prose(words)), text);
}

let marks = 0;
