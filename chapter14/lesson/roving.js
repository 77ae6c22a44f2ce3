/* A group of like controls is one tab stop: arrow keys, Home and End move inside it (ARIA Authoring Practices). */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* Makes controls() one tab stop; enter(control) follows each move. Returns the function that names the tab stop; it is
   the first control unless told otherwise, and is called when the controls are built again. */
function rove(group, controls, move = inLine, enter = () => {}) {
  const stopAt = (one = controls()[0]) => controls().forEach(control => { control.tabIndex = control === one ? 0 : -1; });
  group.addEventListener("focusin", ({ target }) => controls().includes(target) && stopAt(target));
  group.addEventListener("keydown", event => {
    const here = event.target, isMove = ARROWS[event.key] || event.key === "Home" || event.key === "End";
    if (!isMove || event.altKey || event.metaKey || here.dataset.editing || !controls().includes(here)) return;
    event.preventDefault();  // at an edge, too: the page does not scroll
    const to = move(event, here, controls());
    if (!to || to === here) return;
    to.focus();
    enter(to);
  });
  stopAt();
  return stopAt;
}

/* Along the order of the controls; from the last to the first. */
function inLine({ key }, here, controls) {
  const last = controls.length - 1, [dx, dy] = ARROWS[key] || [];
  if (key === "Home" || key === "End") return controls[key === "Home" ? 0 : last];
  return controls[(controls.indexOf(here) + dx + dy + controls.length) % controls.length];
}

/* To the nearest control in the arrow's direction. Home and End: the ends of a matrix's row; with Ctrl, of the group. */
function inPlane({ key, ctrlKey }, here, controls) {
  if (!ARROWS[key]) {
    const row = here.closest("[role=row]");
    const among = row && !ctrlKey ? controls.filter(control => row.contains(control)) : controls;
    return among[key === "Home" ? 0 : among.length - 1];
  }
  const [dx, dy] = ARROWS[key], from = here.getBoundingClientRect(), found = { cost: Infinity };
  for (const control of controls) {
    const box = control.getBoundingClientRect();
    const ahead = dx > 0 ? box.left - from.right : dx < 0 ? from.left - box.right : dy > 0 ? box.top - from.bottom : from.top - box.bottom;
    const [a, b, c, d] = dx ? [from.top, from.bottom, box.top, box.bottom] : [from.left, from.right, box.left, box.right];
    const aside = Math.max(0, c - b, a - d), cost = ahead + 3 * aside + Math.abs(a + b - c - d) / 2;
    if (control !== here && ahead > -2 && cost < found.cost) Object.assign(found, { control, cost });
  }
  return found.control;
}
