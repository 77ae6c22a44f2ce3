/* The explanation below the matrices: how the chosen entry is computed, or the effect of changing an input. */

const LIMIT = 1000, NUDGE = 0.01;

function inspect(entry, all) {
  const box = document.getElementById("made"), { given, made } = all[entry.name];
  const name = math(nameOf(entry, all)), value = make("b", { class: "value" }, long(valueOf(entry, all)));
  if (given) return box.replaceChildren(make("p", {}, name, " = ", value, " (input)"), nudgeSentence(entry));
  const tokens = made(entry.i, entry.j, entry.long);
  const constant = tokens.every(token => typeof token === "string");
  const copied = tokens.length === 1 && tokens[0].name;
  const product = constant ? [" = ", value, ", a constant"] : [" = ", make("span", { class: "made" }, formula(tokens, all)), !copied && [" = ", value]];
  box.replaceChildren(make("p", {}, name, ...product.flat().filter(Boolean)));
}

/* The change of J that the gradient predicts for a small change, and the actual one. */
function nudgeSentence(entry) {
  const nudge = nudged(entry);
  if (!nudge) return make("p", { class: "soft" }, prose("Go to the step of its gradient to see how `J` changes with it."));
  const { slope, by, moved } = nudge;
  return make("p", { class: "soft" }, prose(`Its gradient is ${long(slope)}: adding ${long(by)} should change \`J\` by ${signed(by * slope)}. It changes \`J\` by ${signed(moved)}.`));
}

const signed = a => (a > 0 ? "+" : "") + long(a);

/* A slider and a number field that edit an input's entry. */
function editor(entry, all, onChange) {
  const value = valueOf(entry, all), name = spoken(nameOf(entry, all));
  const slider = make("input", { type: "range", min: -3, max: 3, step: 0.05, value, "aria-label": `${name}, slider` });
  const field = make("input", { type: "number", min: -LIMIT, max: LIMIT, step: 0.1, value: Number(value.toFixed(4)), "aria-label": `${name}, number` });
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
