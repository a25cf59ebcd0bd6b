// Registers, and the kernel stack word by word.
import { ChangePanel, changed, h, table } from "./dom.js";
import { savedRegisters } from "./model.js";
import { flagsText, hex, imageAt, placeAt, placeName, plural, selectorText, symbolAt } from "./words.js";

const GENERAL = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags"];
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs"];
const CONTROL = ["cr0", "cr2", "cr3", "cr4"];
const BY_CPU = ["ss", "sp", "flags", "cs", "ip"];

function meaning(run, task, name, value) {
  if (name === "eflags" || name === "flags") return flagsText(run, value);
  if (SEGMENTS.includes(name)) return selectorText(run, value);
  if (name === "eip" || name === "ip") {
    const image = imageAt(run, task, value);
    return [symbolAt(image, value), placeName(placeAt(image, value))].filter(text => text).join(", ");
  }
  return "";
}

export class RegistersPanel extends ChangePanel {
  constructor(view) {
    super(view, "registers", "Registers");
  }

  inputs({ state, before, pid }) {
    return [state.cpu, before.cpu, pid, state.current, before.current, state.tasks[pid], before.tasks[pid]];
  }

  fill({ run, state, before, pid }) {
    const task = state.tasks[pid];
    if (!task) return this.set(h("p", null, "There is no such process now."));
    if (pid !== state.current) return this.fillSaved(run, task, before.tasks[pid], pid);
    const names = [...GENERAL, ...SEGMENTS, ...CONTROL];
    const rows = names.map(name => {
      const value = state.cpu[name], old = before.cpu[name];
      const digits = SEGMENTS.includes(name) ? 4 : 8;
      const isNew = old !== undefined && old !== value;
      const text = hex(value, digits);
      return {
        class: isNew ? "changed" : null, "data-register": name, "data-value": value,
        cells: [name, isNew ? changed(text, hex(old, digits)) : text, meaning(run, task, name, value)],
      };
    });
    const other = before.current !== undefined && before.current !== state.current;
    this.set(
      h("p", null, `The CPU runs pid ${pid} (${task.comm}) in ring ${state.ring}.`,
        other ? ` Before, it ran pid ${before.current}.` : ""),
      table("Registers of the CPU", ["name", "value", "meaning"], rows));
  }

  fillSaved(run, task, old, pid) {
    const saved = savedRegisters(run, task);
    if (!saved) return this.set(h("p", null, `pid ${pid} (${task.comm}) has ended: it has no registers any more.`));
    const past = old ? savedRegisters(run, old) : null;
    const rows = [...run.header.names.pt_regs].map(name => {
      const value = saved[name], isNew = past && past[name] !== value;
      return {
        class: isNew ? "changed" : null, "data-register": name, "data-value": value,
        cells: [name, isNew ? changed(hex(value), hex(past[name])) : hex(value), meaning(run, task, name, value)],
      };
    });
    this.set(
      h("p", null, `pid ${pid} (${task.comm}) has no CPU; its pt_regs have the user registers. In the kernel it goes on at `,
        `${hex(task.goes_on || 0)} ${symbolAt(run.images.get("kernel"), task.goes_on || 0)}.`),
      table("User registers in pt_regs", ["name", "value", "meaning"], rows));
  }
}

/** Words of a kernel stack from the highest address down to the stack pointer, with what they are. */
export function stackWords(run, task) {
  if (!("sp" in task)) return [];
  const bases = Object.keys(task.frames || {});
  return Object.keys(task.stack)
    .filter(key => parseInt(key, 16) >= task.sp)
    .sort().reverse()
    .map(key => {
      const address = parseInt(key, 16);
      const base = bases.find(one => {
        const offset = address - parseInt(one, 16);
        return offset >= 0 && offset < (task.frames[one].user ? 68 : 60);
      });
      if (base === undefined) return { address, key, value: task.stack[key], name: "", by: "" };
      const frame = task.frames[base];
      const name = run.header.names.pt_regs[(address - parseInt(base, 16)) / 4];
      const cpu = BY_CPU.includes(name) || (name === "orig_ax" && frame.error);
      const by = !("vector" in frame) ? "" : cpu ? "CPU" : "entry.S";
      return { address, key, value: task.stack[key], name, by, frame };
    });
}

function wordMeaning(run, task, word) {
  const { name, value, frame } = word;
  if (name === "orig_ax") {
    if (value >>> 0 === 0xffffffff) return "-1: not a system call";
    if (frame.error) return `error code ${value}`;
    return frame.vector === 128 || frame.vector === undefined ? `system call ${value}` : "";
  }
  if (name) return meaning(run, task, name, value);
  const symbol = value >>> 0 >= 0xc0000000 ? symbolAt(run.images.get("kernel"), value) : "";
  return symbol ? `into ${symbol}` : "";
}

export class StackPanel extends ChangePanel {
  constructor(view) {
    super(view, "stack", "Kernel stack");
  }

  inputs({ state, before, pid }) {
    return [state.tasks[pid], before.tasks[pid], pid];
  }

  fill({ run, state, before, pid }) {
    const task = state.tasks[pid];
    if (!task || !("stack_base" in task)) return this.set(h("p", null, `pid ${pid} has no kernel stack any more.`));
    const top = task.stack_base + 8192;
    if (!("sp" in task)) {
      return this.set(h("p", null,
        `pid ${pid} (${task.comm}) is in user mode: nothing is on its kernel stack ${hex(task.stack_base)}–${hex(top)}. `,
        "The next trap pushes its frame at the top."));
    }
    const old = before.tasks[pid];
    const onIt = old && "sp" in old ? old.sp : Infinity;
    const words = stackWords(run, task);
    const rows = words.map(word => {
      const was = old && old.stack && word.address >= onIt ? old.stack[word.key] : undefined;
      const isNew = was !== word.value;
      const pushed = isNew && was === undefined;
      const value = isNew ? changed(hex(word.value), pushed ? null : hex(was)) : hex(word.value);
      return {
        class: isNew ? "changed" : null, "data-word": word.key, "data-value": word.value,
        cells: [hex(word.address), word.name, value, word.by,
          [word.address === (task.sp & ~3) >>> 0 ? "← esp " : "", wordMeaning(run, task, word)]],
      };
    });
    const frames = Object.keys(task.frames || {}).map(base => frameTitle(task.frames[base], base));
    this.set(
      h("p", null, `pid ${pid}: ${hex(task.stack_base)}–${hex(top)}, esp ${hex(task.sp)}, ${plural(words.length, "word")} on it. `,
        frames.join("; ")),
      table("From the top down, in the order of pushing", ["address", "name", "word", "pushed by", "meaning"], rows));
  }
}

function frameTitle(frame, base) {
  const where = `pt_regs at 0x${base}`;
  if (!("vector" in frame)) return `frame ${frame.origin || "of a trap"}, ${where}`;
  return `frame of trap ${frame.vector} from ring ${frame.user ? 3 : 0}, ${where}`;
}

