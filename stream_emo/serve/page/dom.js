// Building elements without inline style or markup strings, as the content security policy asks.

const SVG = "http://www.w3.org/2000/svg";

/** Returns a new HTML element; properties named on* are listeners, the others attributes. Null and false are left out, but false is
 * written for data-* and aria-*. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Returns a new SVG element. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || (value === false && !/^(data|aria)-/.test(name))) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true && !/^(data|aria)-/.test(name) ? "" : String(value));
  }
  element.append(...shown(children));
  return element;
}

/** Children without those that a condition left out. */
function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Replaces all children; null and false are left out. */
export function replace(parent, ...children) {
  parent.replaceChildren(...shown(children));
}

/** Sets the text of an element only where it changed, so that nothing is laid out again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute only where it changed; null removes it, and so does false, but not of data-*. */
export function setAttribute(element, name, value) {
  if (value === null || (value === false && !name.startsWith("data-"))) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Makes the children of `parent` those of `wanted`, in order, moving as few as possible. */
export function setChildren(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  let at = parent.firstChild;
  for (const child of wanted) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
}

/** Says something to screen readers, without moving the focus. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}
