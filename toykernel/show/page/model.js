// A run in memory: lines of docs/events.md, and the state at any of its events.

/** What a JSON Merge Patch (RFC 7386) makes of an object; the object stays as it is, its parts are shared. */
export function patched(old, patch) {
  const made = { ...old };
  for (const name in patch) {
    const value = patch[name];
    if (value === null) delete made[name];
    else if (typeof value === "object" && !Array.isArray(value)) {
      const before = made[name];
      const isObject = before && typeof before === "object" && !Array.isArray(before);
      made[name] = patched(isObject ? before : {}, value);
    } else made[name] = value;
  }
  return made;
}

/** States between two kept ones are made again; so many of them at most. */
const KEEP_EVERY = 32;

export class Run {
  /** `text`: the lines. Throws an Error for another format. */
  constructor(text) {
    this.events = [];
    this.images = new Map();
    this.end = null;
    const lines = text.split("\n");
    this.header = JSON.parse(lines[0]);
    if (this.header.format !== "toykernel-events" || this.header.version !== 1)
      throw new Error("this page cannot read these data");
    for (let at = 1; at < lines.length; at++) {
      if (!lines[at]) continue;
      const data = JSON.parse(lines[at]);
      if ("image" in data) this.images.set(data.image, data);
      else if ("end" in data) this.end = data;
      else this.events.push(data);
    }
    if (this.end && (this.end.state || this.end.delta))
      this.events.push({ ...this.end, kind: "end", words: endWords(this.end) });
    this.kept = new Map();
    this.steps = { at: -1, states: [] };
    this.collect();
  }

  get count() {
    return this.events.length;
  }

  /** Output and lanes of all events, each with the number of the event by which it is there. */
  collect() {
    this.output = [];
    this.lanes = [];
    this.events.forEach((event, number) => {
      for (const [pid, fd, text] of event.output || []) this.output.push({ number, pid, fd, text });
      for (const [cycles, pid, lane, why] of event.lanes || [])
        this.lanes.push({ cycles, pid, lane, why: why || "" });
    });
  }

  /** The state right after an event. */
  state(number) {
    if (number < 0) return EMPTY;
    const known = this.kept.get(number);
    if (known) return known;
    let from = number;
    while (from > 0 && !this.events[from].state && !this.kept.has(from)) from--;
    let state = this.kept.get(from) || this.events[from].state || EMPTY;
    for (let at = from + 1; at <= number; at++) {
      state = this.events[at].state || patched(state, this.events[at].delta);
      if (at % KEEP_EVERY === 0 || at >= number - 1) this.kept.set(at, state);
    }
    if (this.kept.size > 2000) this.kept.clear();
    this.kept.set(number, state);
    return state;
  }

  /** How many instructions after a trap are known one by one. */
  stepCount(number) {
    return (this.events[number].steps || []).length;
  }

  /** The state so many instructions after a trap; 0 is the trap's own. */
  stepState(number, step) {
    if (this.steps.at !== number) this.steps = { at: number, states: [this.state(number)] };
    const { states } = this.steps;
    while (states.length <= step)
      states.push(patched(states[states.length - 1], this.events[number].steps[states.length - 1]));
    return states[step];
  }

  /** The next event from `number` in a direction (1 or -1) that `wanted` holds for; -1: none. */
  next(number, direction, wanted) {
    for (let at = number + direction; at >= 0 && at < this.count; at += direction)
      if (wanted(this.events[at])) return at;
    return -1;
  }

  /** Pieces of output up to an event. */
  outputAt(number) {
    let low = 0, high = this.output.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.output[middle].number <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const EMPTY = Object.freeze({ tasks: {}, spaces: {}, frames: {}, cpu: {}, files: {}, open: {}, pipes: {}, ledger: {} });

function endWords(end) {
  const how = end.end === "finished" ? "The run is over." : `The run ends here: ${end.end}.`;
  return how;
}

/** What a run's data leave out, in words; empty when nothing is. */
export function leftOut(run) {
  const end = run.end;
  if (!end) return "The data are cut off.";
  const said = [];
  if (end.left_out) said.push(`${end.left_out} more events are left out: the run is longer than what a page shows`);
  if (end.steps_left_out) {
    const known = [], cut = [];
    run.events.forEach((event, number) => {
      if (event.steps) (event.cut ? cut : known).push(number);
    });
    const here = [
      known.length ? `those of ${traps(run, known)}` : "",
      cut.length ? `the first of event ${cut.join(", ")}` : "",
    ].filter(text => text).join(" and ");
    said.push(`single instructions are here: ${here || "none"}; others by show --trap EVENT`);
  }
  return said.join("; ");
}

/** Numbers of traps in words; several in a row, with no other trap between them, by the first and last. */
function traps(run, numbers) {
  const rows = [];
  for (const number of numbers) {
    const row = rows[rows.length - 1];
    const between = row && run.events.slice(row[1] + 1, number).some(event => event.kind === "trap");
    if (row && !between) row[1] = number;
    else rows.push([number, number]);
  }
  const texts = rows.slice(0, 12).map(([first, last]) => first === last ? `event ${first}` : `events ${first} to ${last}`);
  if (rows.length > 12) texts.push(`${rows.length - 12} more`);
  return texts.join(", ");
}

/** What can be seen inside a trap, in words; empty for another event. */
export function insideWords(event) {
  if (event.kind !== "trap") return "";
  if (!event.steps) return `no single instructions here: show --trap ${event.number}`;
  const many = `${event.steps.length} instructions inside: i`;
  return event.cut ? `${many} (cut off; all: show --trap ${event.number} --instructions N)` : many;
}

/** The user registers that a trap has saved: by name, from the words of the kernel stack; null: none are. */
export function savedRegisters(run, task) {
  const base = userFrame(task);
  if (base === null || !task.stack) return null;
  const found = {};
  run.header.names.pt_regs.forEach((name, index) => {
    found[name] = task.stack[hexKey(base + 4 * index)];
  });
  return found;
}

/** The address of pt_regs of a task's last trap from user mode; null for a task that has ended. */
export function userFrame(task) {
  if (!("stack_base" in task)) return null;
  for (const base in task.frames || {}) if (task.frames[base].user) return parseInt(base, 16);
  return null;
}

export function hexKey(value) {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/** By frame number in hex: [address space, address in hex, entry] of each user entry that leads there. */
export function mappers(state) {
  const found = {};
  for (const ident in state.spaces) {
    const entries = state.spaces[ident].entries;
    for (const address in entries) {
      const key = (entries[address] >>> 12).toString(16).padStart(5, "0");
      (found[key] ||= []).push([ident, address, entries[address]]);
    }
  }
  return found;
}
