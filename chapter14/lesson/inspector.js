/* The sentence below the matrices: how the chosen entry was made; and if it is given, what its gradient says of it. */

const LIMIT = 1000, NUDGE = 0.01;

function inspect(entry, all) {
  const box = document.getElementById("made"), { given, made } = all[entry.name];
  const name = math(nameOf(entry, all)), value = make("b", { class: "value" }, long(valueOf(entry, all)));
  if (given) return box.replaceChildren(make("p", {}, name, " = ", value, ": given."), nudgeSentence(entry));
  const tokens = made(entry.i, entry.j, entry.long);
  const constant = tokens.every(token => typeof token === "string");
  const copied = tokens.length === 1 && tokens[0].name;
  const product = constant ? [" = ", value, ", whatever goes in"] : [" = ", make("span", { class: "made" }, formula(tokens, all)), !copied && [" = ", value]];
  box.replaceChildren(make("p", {}, name, ...product.flat().filter(Boolean)));
}

/* What the gradient foretells of a small change, beside what it does. */
function nudgeSentence(entry) {
  const told = foretold(entry);
  if (!told) return make("p", { class: "soft" }, prose("Go on to its gradient, and it says here how `J` moves with it."));
  const more = told.by * told.slope;
  return make("p", { class: "soft" }, prose(`Its gradient, ${long(told.slope)}, foretells: ${long(told.by)} more here is ${long(Math.abs(more))} ${more < 0 ? "less" : "more"} \`J\`. Tried: ${signed(told.moved)}.`));
}

const signed = a => (a > 0 ? "+" : "") + long(a);

/* The slider and the field by which a given entry is changed; they stay while it is dragged. */
function editor(entry, all, onChange) {
  const value = valueOf(entry, all), name = spoken(nameOf(entry, all));
  const slider = make("input", { type: "range", min: -3, max: 3, step: 0.05, value, "aria-label": `${name}, by a slider` });
  const field = make("input", { type: "number", min: -LIMIT, max: LIMIT, step: 0.1, value: Number(value.toFixed(4)), "aria-label": `${name}, as a number` });
  let before = value;
  slider.addEventListener("input", () => { field.value = slider.value; onChange(Number(slider.value)); });
  field.addEventListener("input", () => { if (isNumber(field)) { slider.value = field.value; onChange(Number(field.value)); } });
  field.addEventListener("focus", () => { before = Number(field.value); });
  field.addEventListener("keydown", event => {
    if (event.key === "Escape") onChange(before);
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault();
    document.querySelector(`#rows [data-entry="${keyOf(entry)}"]`)?.focus();
  });
  return [slider, field];
}

const isNumber = field => field.value !== "" && Number.isFinite(Number(field.value)) && Math.abs(Number(field.value)) <= LIMIT;
