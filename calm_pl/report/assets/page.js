"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);

/** An element; text children are text, never markup. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** A fraction in per cent. */
function percent(share) {
  return `${(100 * share).toFixed(0)}\u00a0%`;
}
