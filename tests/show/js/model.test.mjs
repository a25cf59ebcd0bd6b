// The page's data: states from lines, words for numbers. Run by node --test.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Run, insideWords, leftOut, mappers, patched, savedRegisters } from "../../../toykernel/show/page/model.js";
import {
  entryWords, flagsText, hex, placeAt, placeName, plural, selectorText, statusText, symbolAt, taskWords, visible,
} from "../../../toykernel/show/page/words.js";

const HEADER = {
  format: "toykernel-events", version: 1, program: "p.S", options: {},
  names: {
    pt_regs: ["bx", "cx"], not_in_directory: 0x140, eflags: [[1, "CF"], [0x200, "IF"]], selectors: { 115: "__USER_CS" },
    entry_bits: [[1, "present", "not present"], [2, "writable", "read-only"], [0x40, "dirty", "clean"]],
  },
};
const IMAGE = {
  image: "program", labels: [[100, "_start"], [100, "begin"], [120, "work"]], spans: [[100, 140, true]],
  files: ["/x/p.S", "m.inc"], sources: { "/x/p.S": ["first # one", "second"] },
  lines: [[100, 2, 0, 1], [102, 3, 1, 9, 0, 2]],
};

function lines(...more) {
  return [HEADER, ...more].map(one => JSON.stringify(one)).join("\n") + "\n";
}

function counted(count) {
  const found = [];
  for (let n = 0; n < count; n++) {
    found.push(n % 100 === 0
      ? { number: n, kind: "call", pid: 1, cycles: n, state: { n, tasks: {}, ["k" + n]: 1 } }
      : { number: n, kind: "trap", pid: 2, cycles: n, delta: { n, ["k" + n]: 1, ["k" + (n - 1)]: n % 2 ? null : undefined } });
  }
  return found;
}

test("a patch adds, replaces, removes, and leaves the old object alone", () => {
  const old = { a: 1, b: { c: 2, d: 3 }, e: [1] };
  const made = patched(old, { a: null, b: { c: 5, x: { y: 1 } }, e: [2], f: { g: null, h: 1 } });
  assert.deepEqual(made, { b: { c: 5, d: 3, x: { y: 1 } }, e: [2], f: { h: 1 } });
  assert.deepEqual(old, { a: 1, b: { c: 2, d: 3 }, e: [1] });
});

test("a state is the same whichever way one comes to it", () => {
  const text = lines(...counted(450), { end: "finished", left_out: 0, steps_left_out: 0 });
  const forward = new Run(text), random = new Run(text);
  const states = Array.from({ length: 450 }, (_, n) => forward.state(n));
  for (const n of [449, 3, 250, 249, 251, 0, 100, 99, 448, 101]) assert.deepEqual(random.state(n), states[n]);
  for (let n = 449; n >= 0; n--) assert.deepEqual(random.state(n), states[n]);
  assert.equal(states[321].n, 321);
});

test("steps of a trap begin at its state", () => {
  const run = new Run(lines({ number: 0, kind: "trap", cycles: 1, state: { a: 1, b: 1 }, steps: [{ a: 2 }, { b: null }] }));
  assert.equal(run.stepCount(0), 2);
  assert.deepEqual(run.stepState(0, 2), { a: 2 });
  assert.deepEqual(run.stepState(0, 1), { a: 2, b: 1 });
  assert.deepEqual(run.stepState(0, 0), { a: 1, b: 1 });
});

test("another format is refused", () => {
  assert.throws(() => new Run(JSON.stringify({ format: "other", version: 1 })), /cannot read/);
  assert.throws(() => new Run(JSON.stringify({ ...HEADER, version: 2 })), /cannot read/);
});

test("output belongs to the event by which it is there", () => {
  const run = new Run(lines(
    { number: 0, kind: "call", state: {}, output: [[2, 1, "a"]] }, { number: 1, kind: "trap", delta: {} },
    { number: 2, kind: "call", delta: {}, output: [[3, 1, "b"], [3, 2, "c"]] }));
  assert.deepEqual([-1, 0, 1, 2].map(n => run.outputAt(n)), [0, 1, 1, 3]);
  assert.equal(leftOut(run), "The data are cut off.");
});

test("what is left out is said", () => {
  const run = new Run(lines({ number: 0, kind: "call", state: {} }, { end: "finished", left_out: 7, steps_left_out: 3 }));
  assert.match(leftOut(run), /^7 more events are left out/);
});

test("numbers and names are the debugger's", () => {
  const run = new Run(lines(IMAGE));
  const image = run.images.get("program");
  assert.equal(hex(-1), "0xffffffff");
  assert.deepEqual(entryWords(run, 0x43), ["present", "writable", "dirty"]);
  assert.deepEqual(entryWords(run, 0x43, true), ["present", "writable"]);
  assert.deepEqual(entryWords(run, 0x1000), ["not present", "software 0x00001000"]);
  assert.equal(flagsText(run, 0x3201), "CF IF IOPL=3");
  assert.equal(selectorText(run, 115), "__USER_CS, RPL 3");
  assert.equal(selectorText(run, 0x4c), "LDT entry 9, RPL 0");
  assert.equal(selectorText(run, 3), "null");
  assert.deepEqual([99, 100, 119, 120, 139, 140].map(at => symbolAt(image, at)), ["", "_start", "_start+19", "work", "work+19", ""]);
  assert.equal(placeName(placeAt(image, 101)), "p.S:1");
  assert.equal(placeName(placeAt(image, 104)), "p.S:2");
  assert.deepEqual(placeAt(image, 104).inner, { file: "m.inc", line: 9 });
  assert.equal(placeAt(image, 105), null);
  assert.equal(statusText(0x0500), "exit status 5");
  assert.equal(statusText(9), "killed by signal 9");
  assert.equal(taskWords({ lane: "asleep", waits_on: "wait4" }), "sleeps in wait4");
  assert.equal(visible("a\n\t\x00\\é"), "a\n\\t\\x00\\\\\\xe9");
  assert.equal(plural(1, "word"), "1 word");
  assert.equal(plural(2000, "word"), "2,000 words");
});

test("saved registers are words of the stack, mappers are entries", () => {
  const run = new Run(lines());
  const task = { stack_base: 0xc0020000, frames: { c0021fb4: { user: true } }, stack: { c0021fb4: 5, c0021fb8: 6 } };
  assert.deepEqual(savedRegisters(run, task), { bx: 5, cx: 6 });
  assert.equal(savedRegisters(run, {}), null);
  const spaces = { 2: { entries: { "08048000": 0x2b005 } }, 3: { entries: { "0804b000": 0x2b007 } } };
  assert.deepEqual(mappers({ spaces }), { "0002b": [["2", "08048000", 0x2b005], ["3", "0804b000", 0x2b007]] });
});

test("a page says where instructions are, and how to get others", () => {
  const trap = (number, more) => ({ number, kind: "trap", cycles: 1, state: {}, ...more });
  const steps = [{ a: 1 }, { a: 2 }];
  const events = [trap(0), trap(1, { steps }), { number: 2, kind: "cow", cycles: 1, state: {} }, trap(3, { steps }), trap(4),
    trap(5, { steps }), trap(6, { steps, cut: true })];
  const run = new Run(lines(...events, { end: "finished", left_out: 0, steps_left_out: 3 }));
  assert.equal(leftOut(run),
    "single instructions are here: those of events 1 to 3, event 5 and the first of event 6; others by show --trap EVENT");
  assert.equal(insideWords(run.events[0]), "no single instructions here: show --trap 0");
  assert.equal(insideWords(run.events[1]), "2 instructions inside: i");
  assert.equal(insideWords(run.events[2]), "");
  assert.match(insideWords(run.events[6]), /2 instructions inside: i \(cut off; all: show --trap 6 --instructions N\)/);
});
