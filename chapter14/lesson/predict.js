/* Asks the question of a step, and then shows the answer. */

const asked = new Set();  // the steps of this example whose question was answered or skipped
let question = null;

const isAsking = () => Boolean(question) && !asked.has(state.step) && $("asks").checked;

function ask(k) {
  question = questionOf(steps[k], k);
  $("verdict").replaceChildren();
  if (!isAsking()) return;
  const { kind, options } = question;
  const field = (type, more) => make("input", { type, name: "prediction", ...more });
  $("options").replaceChildren(make("legend", {}, prose(question.ask)), ...(kind === "number"
    ? [make("label", {}, "Your answer ", field("text", { inputmode: "decimal", autocomplete: "off", size: 8 }))]
    : options.map(value => make("label", {}, field(kind === "one" ? "radio" : "checkbox", { value }), prose(value)))));
  if (kind === "some") tabStop.options();
}

/* After a change of the inputs, the question or the answer is about the new numbers. */
function askAgain() {
  question = questionOf(steps[state.step], state.step);
  if (isAsking()) $("options").querySelector("legend").replaceChildren(...prose(question.ask));
  else if ($("verdict").hasChildNodes()) answerIs("");
}

/* What was answered: options, or a number; null where there is no answer yet. */
function answered({ kind }) {
  const inputs = [...$("options").querySelectorAll("input")], chosen = inputs.filter(input => input.checked).map(input => input.value);
  if (kind === "some") return chosen;
  if (kind === "one") return chosen.length ? chosen : null;
  const text = inputs[0].value.trim().replace("−", "-").replace(",", ".");
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

const isRight = (said, { kind, answer }) => kind === "number" ? Math.abs(said - answer) < 0.0051 : said.join() === answer.join();
const sayAnswer = ({ kind, answer }) => kind === "number" ? long(answer) : answer.length ? answer.join(", ") : "none";

function answerIs(verdict) {
  $("verdict").replaceChildren(make("b", {}, verdict), ...prose(`The answer is ${sayAnswer(question)}. ${question.why}`));
}

/* Shows the numbers of the step, the answer, and whether what was answered is right. */
function reveal(said) {
  asked.add(state.step);
  show();
  answerIs(said === undefined ? "" : isRight(said, question) ? "Right. " : "Not quite. ");
  $("verdict").focus();
}

function listenToPredictions() {
  $("predict").addEventListener("submit", event => {
    event.preventDefault();
    const said = answered(question);
    if (said === null) return $("predict").querySelector("input").focus();
    reveal(said);
  });
  $("skip").addEventListener("click", () => reveal());
  $("asks").addEventListener("change", () => { ask(state.step); show(); });
}
