/* A bubble beside a control. It opens on hover, focus and click; Escape closes it, and it stays while the mouse is in it. */

let openBubble = null;

function bubbled(control, ...inside) {
  const bubble = make("span", { class: "bubble", hidden: "" }, inside), both = make("span", { class: "bubbled" }, control, bubble);
  const open = () => {
    if (openBubble !== bubble) closeBubble();
    openBubble = bubble;
    bubble.hidden = false;
    bubble.style.left = "0";
    bubble.style.left = `${Math.min(0, document.documentElement.clientWidth - 12 - bubble.getBoundingClientRect().right)}px`;
  };
  const leave = () => setTimeout(() => !both.matches(":hover, :focus-within") && openBubble === bubble && closeBubble(), 150);
  control.addEventListener("click", open);
  control.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && open());
  both.addEventListener("focusin", ({ target }) => target.matches(":focus-visible") && open());
  both.addEventListener("pointerleave", leave);
  both.addEventListener("focusout", leave);
  return both;
}

function closeBubble() {
  if (openBubble) openBubble.hidden = true;
  openBubble = null;
}

function closeBubbles() {
  document.addEventListener("keydown", ({ key }) => key === "Escape" && closeBubble());
  document.addEventListener("pointerdown", ({ target }) => !target.closest(".bubbled") && closeBubble());
}
