// Elements from data. Text always becomes text: nothing in the page ever parses a string as markup.

const LINK = /^(?:https?:|mailto:|tel:|blob:|#)/i;

/**
 * An element. attributes: strings, booleans (true sets it, false and null leave it out), and functions for on… events.
 * children: nodes, strings, numbers, lists of these; null, undefined, false and "" are left out.
 * A link that is neither http(s), mailto, tel, blob nor within the page is left out, so that no stored URL runs script.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name !== "href" || LINK.test(value)) element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Words of people, in the direction in which they are written, whatever stands around them. */
export function written(words, attributes = {}) {
  return h("bdi", attributes, words);
}

/** The head of a column; one without a name is no heading. */
export function columnHead(name) {
  return name ? h("th", { scope: "col" }, name) : h("td");
}

/** A link out of the page: a new tab that learns nothing of this one; plain text where the URL is not http(s). */
export function outsideLink(url, shown = url) {
  if (!/^https?:/i.test(url)) return h("span", {}, shown);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer", class: "outside" }, shown);
}

/**
 * A button that copies what `content()` gives and says so, by ear too. name: what is copied, for those who can't see it; "Copy NAME"
 * begins with what is shown, so that whoever speaks to the browser can say what stands there.
 */
export function copyButton(shown, name, content) {
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${name}` }, shown);
  const told = h("span", { class: "offscreen", role: "status" });
  let resting = null;
  button.addEventListener("click", async () => {
    clearTimeout(resting);
    button.dataset.state = (await copy(content())) ? "copied" : "failed";
    told.textContent = button.dataset.state === "copied" ? "Copied" : "Not copied";
    resting = setTimeout(() => {
      delete button.dataset.state;
      told.textContent = "";
    }, 1500);
  });
  return h("span", { class: "copying" }, button, told);
}

async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    return copyBySelection(content);
  }
}

// The clipboard API is only there over https and on localhost.
function copyBySelection(content) {
  const area = h("textarea", { class: "offscreen", "aria-hidden": "true" });
  area.value = content;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Part of a page that opens on demand; `fill()` gives its content the first time. */
export function fold(summary, fill, attributes = {}) {
  const details = h("details", attributes, h("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(...[fill()].flat());
  });
  return details;
}
