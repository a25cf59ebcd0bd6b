// Address spaces with their page tables, and the frames behind them.
import { ChangePanel, Panel, changed, h, table } from "./dom.js";
import { mappers } from "./model.js";
import { entryWords, hex, plural } from "./words.js";

/** More entries than these are shown only when somebody asks. */
const MANY = 300;

function whose(space) {
  return space.users.length ? `pid ${space.users.join(", ")}` : "nobody";
}

export class SpacesPanel extends ChangePanel {
  constructor(view) {
    super(view, "spaces", "Address spaces and page tables");
    this.all = new Set();
    this.drawn = new Map(); // what was made of spaces that the event does not change
  }

  inputs({ state, before, pid }) {
    return [state.spaces, before.spaces, pid, this.all.size];
  }

  fill({ run, state, before, pid }) {
    const task = state.tasks[pid] || {};
    const order = Object.keys(state.spaces).sort((a, b) =>
      (+b === task.space) - (+a === task.space) || a - b);
    const gone = Object.keys(before.spaces || {}).filter(ident => !(ident in state.spaces));
    this.set(
      order.map(ident => this.space(run, ident, state.spaces[ident], (before.spaces || {})[ident], before.spaces)),
      gone.map(ident => h("p", { class: "changed" }, `Address space ${ident} `,
        h("span", { class: "was" }, `is gone (was ${whose(before.spaces[ident])}'s)`))));
  }

  space(run, ident, space, old, known) {
    const drawn = this.drawn.get(ident);
    if (space === old && drawn && drawn.space === space) return drawn.made;
    const made = h("div", { class: "space", "data-space": ident },
      h("h3", { class: known && !old ? "changed" : null },
        `${whose(space)}: address space ${ident}, directory at physical ${hex(space.pgd)}`,
        known && !old ? h("span", { class: "was" }, " new") : null),
      this.areas(space, old), this.entries(run, ident, space, old));
    if (space === old) this.drawn.set(ident, { space, made });
    return made;
  }

  areas(space, old) {
    const rows = Object.keys(space.areas).sort().map(start => {
      const [end, permissions, kind, name] = space.areas[start];
      const past = old && old.areas[start];
      const isNew = old && (!past || past[0] !== end || past[1] !== permissions);
      const range = `0x${start}–${hex(end)}`;
      return {
        class: isNew ? "changed" : null, "data-area": start,
        cells: [isNew ? changed(range, past ? `to ${hex(past[0])} ${past[1]}` : null) : range, permissions, name, kind],
      };
    });
    return table("Areas", ["range", "may", "name", "a write"], rows);
  }

  entries(run, ident, space, old) {
    const addresses = Object.keys(space.entries).sort();
    const gone = old ? Object.keys(old.entries).filter(one => !(one in space.entries)) : [];
    const isNew = address => old && old.entries[address] !== space.entries[address];
    const shown = addresses.length <= MANY || this.all.has(ident)
      ? addresses : addresses.filter((one, at) => at < MANY || isNew(one));
    const rows = [];
    let directory = "";
    for (const address of shown) {
      const base = ((parseInt(address, 16) >>> 22 << 22) >>> 0).toString(16).padStart(8, "0");
      if (base !== directory) {
        directory = base;
        rows.push(this.directoryRow(run, space, old, base));
      }
      rows.push(this.entryRow(run, space, old, address));
    }
    for (const address of gone)
      rows.push({ class: "changed gone", cells: [`0x${address}`, h("span", { class: "was" }, `cleared, was ${hex(old.entries[address])}`), ""] });
    const more = addresses.length - shown.length;
    return [
      table("Page tables", ["linear", "entry", "what it says"], rows),
      more ? h("button", { type: "button", onclick: () => { this.all.add(ident); this.drawn.clear(); this.view.refresh(); } },
        `show ${plural(more, "entry").replace("entrys", "entries")} more`) : null,
    ];
  }

  directoryRow(run, space, old, base) {
    const entry = space.directory[base];
    const past = old && old.directory[base];
    const isNew = old && past !== entry;
    const text = `directory[${parseInt(base, 16) >>> 22}]`;
    if (entry === undefined) return { cells: [text, "", ""] };
    const words = `table in frame ${hex(entry >>> 12, 1)}: ${entryWords(run, entry, true).join(", ")}`;
    return {
      class: isNew ? "directory changed" : "directory", "data-directory": base, "data-value": entry,
      cells: [text, isNew ? changed(hex(entry), past === undefined ? null : hex(past)) : hex(entry), words],
    };
  }

  entryRow(run, space, old, address) {
    const entry = space.entries[address], past = old && old.entries[address];
    const isNew = old && past !== entry;
    const frame = hex(entry >>> 12, 1);
    return {
      class: isNew ? "changed" : null, "data-entry": address, "data-value": entry,
      cells: [`0x${address}`, isNew ? changed(hex(entry), past === undefined ? null : hex(past)) : hex(entry),
        `frame ${frame}: ${entryWords(run, entry).join(", ")}`],
    };
  }
}

const KINDS = ["user page", "page cache", "zero page", "page table", "kernel stack", "slab", "held"];
const ROW = 19, BOX = 30, WIDTH = 560;

export class FramesPanel extends Panel {
  constructor(view) {
    super(view, "frames", "Frames");
  }

  inputs({ state, before }) {
    return [state.frames, state.spaces, before.frames, before.spaces];
  }

  fill({ state, before }) {
    const joined = mappers(state), past = mappers({ spaces: before.spaces || {} });
    const user = Object.keys(state.frames).filter(key => joined[key]).sort();
    const kernel = Object.keys(state.frames).filter(key => !joined[key]).sort();
    const gone = Object.keys(before.frames || {}).filter(key => !(key in state.frames));
    const notable = key => joined[key].length > 1 || this.isNew(state, before, key, joined, past);
    const drawn = user.length <= 90 ? user : user.filter(notable).slice(0, 90);
    this.set(
      h("p", null, `${plural(user.length, "frame")} mapped by processes, ${plural(kernel.length, "other")} in use.`,
        drawn.length < user.length ? ` Drawn are the ${drawn.length} that are shared or that this event changes.` : ""),
      drawing(state, before, drawn, joined, past, this),
      h("h3", null, "Frames of the kernel"),
      h("ul", { class: "boxes" }, kernel.map(key => this.box(state, before, key))),
      gone.length ? h("p", { class: "changed" }, h("span", { class: "was" },
        `freed: ${gone.map(key => `${number(key)} (was ${before.frames[key].kind})`).join(", ")}`)) : null);
  }

  isNew(state, before, key, joined, past) {
    const old = before.frames && before.frames[key];
    return before.frames && (!old || old.count !== state.frames[key].count
      || JSON.stringify(joined[key]) !== JSON.stringify(past[key]));
  }

  box(state, before, key) {
    const frame = state.frames[key], old = before.frames && before.frames[key];
    const isNew = before.frames && (!old || old.count !== frame.count || old.held.join() !== frame.held.join());
    const was = isNew ? h("span", { class: "was" }, old ? ` was ${old.count}` : " new") : null;
    return h("li", { class: `box k${KINDS.indexOf(frame.kind)}${isNew ? " changed" : ""}`, "data-frame": key, "data-count": frame.count },
      h("b", null, number(key)), ` ${frame.kind}, ${frame.count} ref`, frame.count === 1 ? "" : "s", was,
      h("small", null, frame.held.join(", ")));
  }
}

function number(key) {
  return `0x${key.replace(/^0+(?=.)/, "")}`;
}

function s(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) if (attributes[name] !== null) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
}

/** Entries on the left, frames on the right, a line from each entry to its frame. */
function drawing(state, before, frames, joined, past, panel) {
  const left = [];
  const wanted = new Set(frames);
  for (const ident in state.spaces) {
    const entries = state.spaces[ident].entries;
    left.push({ head: `${whose(state.spaces[ident])}` });
    for (const address of Object.keys(entries).sort()) {
      const key = (entries[address] >>> 12).toString(16).padStart(5, "0");
      if (wanted.has(key)) left.push({ ident, address, entry: entries[address], key });
    }
  }
  const height = Math.max(left.length * ROW, frames.length * BOX) + 8;
  const image = s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: "list", "aria-label": "Frames that processes map" });
  const top = {};
  frames.forEach((key, at) => { top[key] = 4 + at * Math.max(BOX, (height - 8) / frames.length); });
  const lines = s("g", { class: "lines", "aria-hidden": "true" });
  const texts = s("g", { "aria-hidden": "true" });
  left.forEach((row, at) => {
    const y = 4 + at * ROW + ROW / 2;
    if (row.head) return texts.append(s("text", { x: 2, y: y + 4, class: "head" }, row.head));
    const old = before.spaces && before.spaces[row.ident];
    const isNew = old && old.entries[row.address] !== row.entry;
    const access = row.entry & 2 ? "rw" : "ro";
    texts.append(s("text", { x: 10, y: y + 4, class: isNew ? "entry new" : "entry" }, `${isNew ? "◆ " : ""}0x${row.address} ${access}`));
    lines.append(s("line", {
      x1: 158, y1: y, x2: 268, y2: top[row.key] + 12,
      class: joined[row.key].length > 1 ? "shared" : "own",
    }));
  });
  image.append(lines, texts);
  for (const key of frames) image.append(frameBox(state, before, key, joined, past, top[key], panel));
  return image;
}

function frameBox(state, before, key, joined, past, y, panel) {
  const frame = state.frames[key], old = before.frames && before.frames[key];
  const isNew = panel.isNew(state, before, key, joined, past);
  const who = joined[key].map(([ident, address, entry]) =>
    `${whose(state.spaces[ident])} at 0x${address} ${entry & 2 ? "writable" : "read-only"}`);
  const label = [...frame.held, ...who].join("; ");
  const was = isNew && old && old.count !== frame.count ? `, was ${old.count}` : isNew && !old ? ", new" : "";
  const refs = `${frame.count} ref${frame.count === 1 ? "" : "s"}${was}`;
  const title = `frame ${number(key)}, ${frame.kind}, ${refs}: ${label}`;
  return s("g", { class: `frame k${KINDS.indexOf(frame.kind)}${isNew ? " new" : ""}`, role: "listitem", "aria-label": title, "data-frame": key, "data-count": frame.count },
    s("title", {}, title),
    s("rect", { x: 268, y, width: 286, height: 26, rx: 3 }),
    s("text", { x: 274, y: y + 11, class: "name" }, `${isNew ? "◆ " : ""}${number(key)} ${frame.kind}, ${refs}`),
    s("text", { x: 274, y: y + 22, class: "small" }, label.length > 49 ? `${label.slice(0, 48)}…` : label));
}
