/* An equation as a chip: its number, and in its bubble the equation, the line that computes it, and a link there. */

function chip(n) {
  const { text, file, name, line, code } = EQUATIONS[n];
  const button = make("button", { type: "button", "aria-label": `equation ${n}: ${spoken(text)}` }, `(${n})`);
  const href = `${LINKS.package}/${file}${LINKS.suffix}#L${line}`;
  return bubbled(button, make("span", { class: "equation" }, prose(text)), make("code", { class: "line" }, code),
    make("a", { href: `${href}${textFragment(code)}`, target: "_blank", rel: "noopener" }, make("code", {}, name), ` in ${file}:${line}`));
}

/* #L12 is for repositories on the web; in a file of plain text, browsers scroll to a text that is cited like this. */
function textFragment(text) {
  return `:~:text=${encodeURIComponent(text).replaceAll("-", "%2D")}`;
}
