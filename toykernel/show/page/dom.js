// Making elements.

/** An element: attributes (`class`, `data-…`, `onclick` as a function), then children, text or elements. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const name in attributes || {}) {
    const value = attributes[name];
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
  }
}

/** A table; `rows` are arrays of cells, each text, an element or { text, was, class }. */
export function table(caption, head, rows, attributes) {
  const body = rows.map(({ cells, ...rest }) => h("tr", rest, cells.map((value, at) =>
    at === 0 ? h("th", { scope: "row" }, value) : h("td", null, value))));
  return h("table", attributes || null,
    h("caption", null, caption),
    head ? h("thead", null, h("tr", null, head.map(text => h("th", { scope: "col" }, text)))) : null,
    h("tbody", null, body));
}

/** A value that this event has changed, with what it was before. */
export function changed(now, before) {
  if (before === undefined || before === null) return [now, " ", h("span", { class: "was" }, "new")];
  return [now, " ", h("span", { class: "was" }, `was ${before}`)];
}

/** One part of the page, with a heading; `inputs` says what it is made from, `fill` makes its contents. */
export class Panel {
  constructor(view, name, title) {
    this.view = view;
    this.name = name;
    this.last = null;
    const id = `${view.prefix}${name}`, names = view.prefix ? `${id}-title ${view.prefix}side` : `${id}-title`;
    this.heading = h("h2", { id: `${id}-title` }, title);
    this.body = h("div", { class: "body", tabindex: "0", role: "group", "aria-labelledby": names });
    this.section = h("section", { id, class: `panel ${name}`, "aria-labelledby": names }, this.heading, this.body);
  }

  /** Whether something that it is made from is another object than the last time. */
  isStale(moment) {
    const inputs = this.inputs(moment);
    if (this.last && inputs.length === this.last.length && inputs.every((one, at) => one === this.last[at])) return false;
    this.last = inputs;
    return true;
  }

  set(...children) {
    this.body.replaceChildren();
    append(this.body, children);
  }

  /** Where it is to be scrolled to, once all panels are filled: before that, asking costs a layout each time. */
  settle(top) {
    this.body.scrollTop = top;
  }

  /** Scroll to the first thing that the event has changed, when it is out of sight. */
  toChange() {
    const first = this.body.querySelector(".changed");
    if (!first) return;
    const box = this.body.getBoundingClientRect(), at = first.getBoundingClientRect();
    if (at.top < box.top || at.bottom > box.bottom) this.body.scrollTop += at.top - box.top - box.height / 3;
  }
}

/** A panel that shows first what has changed. */
export class ChangePanel extends Panel {
  settle(top) {
    super.settle(top);
    this.toChange();
  }
}
