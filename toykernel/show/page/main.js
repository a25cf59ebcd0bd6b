// The page: keys, buttons, the address, and time.
import { RunView } from "./view.js";
import { Run, leftOut } from "./model.js";
import { TimeBar, legend } from "./timebar.js";
import { h } from "./dom.js";

const HELP = [
  ["← →", "the event before, the next one"], ["↑ ↓ in the bar", "the same"],
  ["PageUp PageDown", "ten events"], ["Home End", "the first, the last"],
  ["k K", "the next event of the same kind, the one before"],
  ["p P", "the next event of this process, the one before"],
  ["i I", "an instruction on inside this trap, one back"],
  ["space", "play, and stop"], ["+ −", "the bar closer, farther"],
  ["0…9", "look at the process with this number; 0 follows the event"], ["?", "this help"],
];
const PLAY = 700; // milliseconds for an event

class Page {
  constructor(runs, pairs) {
    this.runs = runs;
    this.pairs = pairs || runs[0].events.map((_, number) => [number]);
    this.at = 0; // in pairs
    this.step = 0;
    this.playing = 0;
    this.views = runs.map((run, side) => new RunView(run, side ? "b-" : "", () => this.changed()));
    this.bars = runs.map((run, side) => new TimeBar(run, side ? "b-" : "", number => this.go(this.rowOf(side, number))));
    this.build();
    document.addEventListener("keydown", event => this.key(event));
    window.addEventListener("hashchange", () => this.fromAddress());
    this.fromAddress();
  }

  get count() {
    return this.pairs.length;
  }

  /** Of the first run that has something at this moment. */
  get side() {
    return this.views.find((one, side) => this.pairs[this.at][side] !== null);
  }

  get event() {
    return this.side.run.events[this.side.number];
  }

  /** What the clock shows in the state that is shown. */
  get clock() {
    return this.side.moment().state.cycles || 0;
  }

  // -- making --------------------------------------------------------------------------------------

  build() {
    const button = (label, text, does) => h("button", { type: "button", "aria-label": label, title: label, onclick: does }, text);
    this.play = button("play", "▶", () => this.toggle());
    this.where = h("output", { class: "where", "aria-live": "off" });
    this.field = h("input", { type: "number", min: "0", max: String(this.count - 1), "aria-label": "number of the event", onchange: () => this.go(+this.field.value) });
    const tools = h("div", { class: "tools", role: "toolbar", "aria-label": "moving in time" },
      button("first event (Home)", "⇤", () => this.go(0)),
      button("previous event (left arrow)", "←", () => this.go(this.at - 1)),
      this.play,
      button("next event (right arrow)", "→", () => this.go(this.at + 1)),
      button("last event (End)", "⇥", () => this.go(this.count - 1)),
      button("previous event of this kind (K)", "⇠ kind", () => this.same(-1, "kind")),
      button("next event of this kind (k)", "kind ⇢", () => this.same(1, "kind")),
      button("previous event of this process (P)", "⇠ process", () => this.same(-1, "pid")),
      button("next event of this process (p)", "process ⇢", () => this.same(1, "pid")),
      button("instruction back inside this trap (I)", "⇠ instruction", () => this.inside(-1)),
      button("instruction on inside this trap (i)", "instruction ⇢", () => this.inside(1)),
      button("the bar closer (+)", "+", () => this.zoom(2)),
      button("the bar farther (-)", "−", () => this.zoom(0.5)),
      button("help (?)", "?", () => this.help.showModal()),
      h("label", null, "event ", this.field), this.where);
    this.slider = h("div", {
      class: "time", role: "slider", tabindex: "0", "aria-label": "moment of the run",
      "aria-valuemin": "0", "aria-valuemax": String(this.count - 1),
    }, this.bars.map(bar => bar.element));
    this.help = h("dialog", { "aria-label": "help" },
      h("h2", null, "Keys"),
      h("dl", null, HELP.map(([keys, what]) => [h("dt", null, keys), h("dd", null, what)])),
      h("p", null, "◆ marks what the event has changed; “was” says what it was before. A link to a moment ends in #event=42."),
      h("p", null, legend()),
      h("form", { method: "dialog" }, h("button", null, "close")));
    const run = this.runs[0];
    const titles = this.runs.map(one => describe(one)).join(" — against — ");
    const left = this.runs.map(leftOut).filter(text => text).join(" ");
    document.title = `${run.header.program}: a run`;
    document.body.classList.toggle("two", this.runs.length > 1);
    document.body.append(
      h("header", null, h("h1", null, run.header.program), h("p", { class: "options" }, titles), left ? h("p", { class: "left-out" }, left) : null, tools),
      h("main", null, this.views.map(view => view.element)),
      h("footer", null, this.slider, h("p", { class: "legend" }, legend())), this.help,
      this.live = h("div", { class: "spoken", role: "status" }));
    if (this.runs.length > 1) this.views.forEach((view, side) => { view.title.textContent = totals(this.runs[side]); });
    this.bars.forEach(bar => bar.draw());
  }

  // -- moving --------------------------------------------------------------------------------------

  go(at, step = 0) {
    if (!Number.isFinite(at)) return;
    this.at = Math.min(Math.max(Math.trunc(at), 0), this.count - 1);
    this.step = step;
    this.changed();
  }

  changed() {
    this.pairs[this.at].forEach((number, side) => {
      const view = this.views[side];
      view.element.classList.toggle("none", number === null);
      const missing = number === null ? " Nothing corresponds: this is how it stands." : "";
      if (this.runs.length > 1) view.title.textContent = totals(this.runs[side]) + missing;
      const shown = number === null ? this.before(side) : number;
      view.go(shown, number === null ? 0 : this.step);
      this.bars[side].move(shown);
    });
    this.step = Math.max(...this.views.map((view, side) => this.pairs[this.at][side] === null ? 0 : view.step));
    this.field.value = String(this.at);
    this.where.textContent = `of ${this.count - 1}, cycle ${this.clock.toLocaleString("en")}`;
    const said = this.views.map((view, side) => this.pairs[this.at][side] === null ? "" : view.spoken()).join(" ");
    this.slider.setAttribute("aria-valuenow", String(this.at));
    this.slider.setAttribute("aria-valuetext", said);
    if (document.activeElement !== this.slider && !this.playing) this.live.textContent = said;
    clearTimeout(this.telling); // browsers refuse hundreds of new addresses in a row
    this.telling = setTimeout(() => this.tellAddress(), 60);
  }

  tellAddress() {
    const address = this.address();
    if (location.protocol === "about:") return; // in a notebook's frame: it has no address
    if (location.hash !== address) history.replaceState(null, "", address);
  }

  /** The last event of one side up to here. */
  before(side) {
    for (let at = this.at; at >= 0; at--) if (this.pairs[at][side] !== null) return this.pairs[at][side];
    return 0;
  }

  address() {
    const look = this.views[0].chosen;
    return `#event=${this.at}${this.step ? `&instruction=${this.step}` : ""}${look !== null ? `&pid=${look}` : ""}`;
  }

  fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (wanted.has("pid")) this.views.forEach(view => { view.chosen = +wanted.get("pid"); });
    this.go(+(wanted.get("event") || 0), +(wanted.get("instruction") || 0));
  }

  rowOf(side, number) {
    return this.pairs.findIndex(pair => pair[side] === number);
  }

  same(direction, name) {
    const wanted = this.event[name];
    for (let at = this.at + direction; at >= 0 && at < this.count; at += direction) {
      const [number, other] = this.pairs[at];
      const event = number !== null ? this.runs[0].events[number] : this.runs[1].events[other];
      if (event[name] === wanted) return this.go(at);
    }
  }

  inside(direction) {
    const most = Math.max(...this.views.map((view, side) => this.pairs[this.at][side] === null ? 0 : view.run.stepCount(view.number)));
    const step = this.step + direction;
    if (step >= 0 && step <= most) this.go(this.at, step);
  }

  zoom(factor) {
    this.bars.forEach(bar => bar.scale(factor));
  }

  toggle() {
    clearInterval(this.playing);
    this.playing = this.playing ? 0 : setInterval(() => (this.at + 1 < this.count ? this.go(this.at + 1) : this.toggle()), PLAY);
    this.play.textContent = this.playing ? "⏸" : "▶";
    this.play.setAttribute("aria-label", this.playing ? "stop" : "play");
    this.play.setAttribute("title", this.playing ? "stop" : "play");
  }

  key(event) {
    const typing = event.target.closest("input, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const inBar = event.target === this.slider;
    const scrolls = event.target.closest(".body");
    const does = {
      ArrowRight: () => this.go(this.at + 1), ArrowLeft: () => this.go(this.at - 1),
      ArrowUp: inBar && (() => this.go(this.at + 1)), ArrowDown: inBar && (() => this.go(this.at - 1)),
      PageDown: !scrolls && (() => this.go(this.at + 10)), PageUp: !scrolls && (() => this.go(this.at - 10)),
      Home: !scrolls && (() => this.go(0)), End: !scrolls && (() => this.go(this.count - 1)),
      k: () => this.same(1, "kind"), K: () => this.same(-1, "kind"),
      p: () => this.same(1, "pid"), P: () => this.same(-1, "pid"),
      i: () => this.inside(1), I: () => this.inside(-1),
      " ": !event.target.closest("button") && (() => this.toggle()),
      "+": () => this.zoom(2), "-": () => this.zoom(0.5), "?": () => this.help.showModal(),
    }[event.key] || (/^[0-9]$/.test(event.key) && (() => this.pick(+event.key)));
    if (!does) return;
    does();
    event.preventDefault();
  }

  pick(pid) {
    this.views.forEach(view => { view.chosen = pid || null; });
    this.changed();
  }
}

function describe(run) {
  const options = Object.entries(run.header.options).map(([name, value]) => `${name} ${value}`);
  return options.join(", ");
}

function totals(run) {
  const end = run.end || {};
  return `${describe(run)}: ${run.events.length} events, ${(end.cycles || 0).toLocaleString("en")} cycles.`;
}

async function unpack(id) {
  const element = document.getElementById(id);
  if (!element) return null;
  const bytes = Uint8Array.from(atob(element.textContent.trim()), one => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function start() {
  const began = performance.now();
  const texts = (await Promise.all([unpack("run"), unpack("other")])).filter(text => text !== null);
  const pairs = document.getElementById("pairs");
  const page = new Page(texts.map(text => new Run(text)), pairs ? JSON.parse(pairs.textContent) : null);
  page.opened = performance.now() - began;
  window.toykernel = page;
  document.documentElement.dataset.ready = "true";
}

start();
