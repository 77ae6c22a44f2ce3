/* An equation as a chip: its number, and in its bubble the equation and a link to its code. */

function chip(n) {
  const { text, file, name } = EQUATIONS[n];
  const button = make("button", { type: "button", "aria-label": `equation ${n}: ${spoken(text)}` }, `(${n})`);
  return bubbled(button, make("span", { class: "equation" }, prose(text)),
    make("a", { href: `${LINKS.package}/${file}${LINKS.suffix}`, target: "_blank", rel: "noopener" }, make("code", {}, name), ` in ${file}`));
}
