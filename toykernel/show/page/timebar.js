// The bar of time: a lane for each task, a mark for each event, and where we are.
import { h } from "./dom.js";

export const MARKS = { trap: "│", call: "┐", fault: "f", cow: "C", switch: "⇄", fork: "Y", exec: "x", exit: "†", signal: "!", end: "■" };
const LANES = { user: "in user mode", kernel: "in the kernel", ready: "ready, without the CPU", asleep: "asleep", stopped: "stopped", zombie: "zombie", idle: "idle", new: "being made" };
const LABEL = 78, LANE = 17, HEAD = 20, MOST = 400;

export class TimeBar {
  /** `go(number)` is called when somebody points at an event. */
  constructor(run, prefix, go) {
    this.run = run;
    this.go = go;
    this.zoom = 1;
    this.first = 0;
    this.number = 0;
    this.marks = h("canvas", { class: "marks", "aria-hidden": "true" }); // stay where lanes are scrolled
    this.canvas = h("canvas", { class: "lanes", "aria-hidden": "true" });
    this.drawn = []; // whose lanes there are
    this.cursor = h("div", { class: "cursor", "aria-hidden": "true" });
    this.element = h("div", { class: "bar", id: `${prefix}bar` }, this.marks, this.canvas, this.cursor);
    this.element.addEventListener("pointerdown", event => this.point(event, true));
    this.element.addEventListener("pointermove", event => event.buttons & 1 && this.point(event, false));
    this.pids = [...new Set(run.lanes.map(one => one.pid))].sort((a, b) => a - b);
    this.pieces = this.intervals();
    if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Lanes as intervals on the scale of event numbers, by pid: [from, to, lane, why]. */
  intervals() {
    const { events, lanes } = this.run;
    const last = events.length - 1;
    const found = new Map(this.pids.map(pid => [pid, []]));
    let at = 0;
    const cycles = events.map(event => event.cycles);
    for (let n = 1; n < cycles.length; n++) cycles[n] = Math.max(cycles[n], cycles[n - 1]);
    const open = new Map();
    for (const lane of lanes) {
      while (at < last && cycles[at + 1] <= lane.cycles) at++;
      const next = cycles[Math.min(at + 1, last)], here = cycles[at];
      const x = lane.cycles <= here ? at : Math.min(at + (lane.cycles - here) / Math.max(next - here, 1), last);
      const before = open.get(lane.pid);
      if (before && x > before[0]) found.get(lane.pid).push([before[0], x, before[1], before[2]]);
      if (lane.lane === "gone") open.delete(lane.pid);
      else open.set(lane.pid, [x, lane.lane, lane.why]);
    }
    for (const [pid, [from, lane, why]] of open) found.get(pid).push([from, last + 1, lane, why]);
    return found;
  }

  get width() {
    return Math.max(this.element.clientWidth - LABEL - 8, 50);
  }

  get shown() {
    return Math.max(Math.ceil(this.run.count / this.zoom), 1);
  }

  x(at) {
    return LABEL + ((at - this.first) / this.shown) * this.width;
  }

  point(event, starts) {
    const box = this.element.getBoundingClientRect();
    const part = (event.clientX - box.left - LABEL) / this.width;
    if (starts && this.element.setPointerCapture) this.element.setPointerCapture(event.pointerId);
    const number = Math.floor(this.first + part * this.shown);
    this.go(Math.min(Math.max(number, 0), this.run.count - 1));
    event.preventDefault();
  }

  /** Show twice or half as many events. */
  scale(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), Math.max(this.run.count / 10, 1));
    this.first = Math.max(Math.min(Math.round(this.number - this.shown / 2), this.run.count - this.shown), 0);
    this.draw();
  }

  /** Put the cursor at an event. */
  move(number) {
    this.number = number;
    if (number < this.first || number >= this.first + this.shown) {
      this.first = Math.max(Math.min(Math.round(number - this.shown / 2), this.run.count - this.shown), 0);
      this.draw();
    }
    const wide = Math.max(this.width / this.shown, 2);
    this.cursor.style.transform = `translateX(${this.x(number)}px)`;
    this.cursor.style.width = `${wide}px`;
    this.follow();
  }

  /** Scroll to the lane of whom the event is about, where not all have room. */
  follow() {
    const box = this.element.parentElement, event = this.run.events[this.number];
    const row = event && this.tall ? this.drawn.indexOf(event.pid) : -1;
    if (row < 0) return;
    const top = this.element.offsetTop + row * LANE, bottom = top + HEAD + LANE;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  /** Tasks with a lane: those that do anything in what is shown. */
  rows() {
    const end = this.first + this.shown;
    return this.pids.filter(pid => this.pieces.get(pid).some(([from, to]) => to > this.first && from < end));
  }

  draw() {
    const rows = this.rows(), many = this.drawn = rows.slice(0, MOST), left = rows.length - many.length;
    const height = (many.length + (left ? 1 : 0)) * LANE + 4;
    const width = this.element.clientWidth;
    if (!width) return;
    const style = getComputedStyle(this.element);
    this.ink = style.getPropertyValue("--ink");
    const pen = this.pen(this.canvas, width, height), head = this.pen(this.marks, width, HEAD);
    this.cursor.style.height = `${HEAD + height}px`;
    many.forEach((pid, row) => this.drawLane(pen, pid, row * LANE, style));
    pen.fillStyle = this.ink;
    if (left) pen.fillText(`${left} more; the bar closer has room for them`, 4, many.length * LANE + LANE / 2);
    this.drawMarks(head, pen, many);
    const box = this.element.parentElement;
    this.tall = box !== null && box.scrollHeight > box.clientHeight;
    this.move(this.number);
  }

  /** What draws in a canvas of this size. */
  pen(canvas, width, height) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px sans-serif";
    pen.textBaseline = "middle";
    return pen;
  }

  drawLane(pen, pid, y, style) {
    pen.fillStyle = this.ink;
    pen.fillText(pid === 0 ? "pid 0, idle" : `pid ${pid}`, 4, y + LANE / 2, LABEL - 8);
    for (const [from, to, lane, why] of this.pieces.get(pid)) {
      const left = Math.max(this.x(from), LABEL), right = Math.min(this.x(to), LABEL + this.width);
      if (right <= left) continue;
      const wide = Math.max(right - left, 1);
      pen.fillStyle = pen.strokeStyle = style.getPropertyValue(`--pid${pid % 8}`);
      if (lane === "user") pen.fillRect(left, y + 2, wide, LANE - 5);
      else if (lane === "kernel") {
        pen.strokeRect(left + 0.5, y + 2.5, Math.max(wide - 1, 1), LANE - 6);
        pen.globalAlpha = 0.45;
        for (let x = left + 2; x < right; x += 4) pen.fillRect(x, y + 2, 1.5, LANE - 5);
        pen.globalAlpha = 1;
      } else if (lane === "ready") pen.fillRect(left, y + LANE / 2 - 2, wide, 3);
      else {
        for (let x = left; x < right; x += 5) pen.fillRect(x, y + LANE / 2 - 1, 2, 1.5);
        const said = lane === "asleep" ? why : lane;
        pen.fillStyle = this.ink;
        if (lane !== "idle" && pen.measureText(said).width + 8 < wide) {
          pen.clearRect(left + 3, y + 1, pen.measureText(said).width + 2, LANE - 2);
          pen.fillText(said, left + 4, y + LANE / 2);
        }
      }
    }
  }

  drawMarks(head, pen, rows) {
    const wide = this.width / this.shown;
    head.fillStyle = pen.fillStyle = this.ink;
    const end = Math.min(this.first + this.shown, this.run.count);
    const every = Math.max(Math.floor(10 / wide), 1);
    for (let number = this.first; number < end; number++) {
      const { kind, pid } = this.run.events[number];
      const plain = kind === "trap" || kind === "call" || kind === "switch";
      if (wide < 3 && plain && number % every) continue;
      const x = this.x(number) + wide / 2;
      if (wide >= 9) head.fillText(MARKS[kind] || "·", x - 3, HEAD / 2);
      else head.fillRect(x - 0.5, plain ? HEAD - 8 : 2, 1, plain ? 5 : HEAD - 5);
      const row = rows.indexOf(pid);
      if (row >= 0 && wide >= 3) pen.fillRect(x - 1, row * LANE + LANE - 3, 2, 2);
    }
  }
}

/** What the patterns and marks of the bar mean. */
export function legend() {
  const kinds = Object.keys(MARKS).map(kind => `${MARKS[kind]} ${kind}`).join("   ");
  return `Marks: ${kinds}. Lanes: solid ${LANES.user}, hatched ${LANES.kernel}, a line ${LANES.ready}, dots ${LANES.asleep} (on what), ${LANES.zombie} or ${LANES.stopped}.`;
}
