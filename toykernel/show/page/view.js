// Everything that is shown of one run at one moment.
import { CyclesPanel, FilesPanel, OutputPanel, ProcessesPanel, SourcePanel, chip } from "./task_panels.js";
import { FramesPanel, SpacesPanel } from "./memory_panels.js";
import { RegistersPanel, StackPanel } from "./cpu_panels.js";
import { h } from "./dom.js";
import { insideWords } from "./model.js";
import { hex, imageAt, placeAt, placeName, sourceLine, symbolAt } from "./words.js";

const PANELS = [SourcePanel, RegistersPanel, ProcessesPanel, SpacesPanel, OutputPanel, StackPanel, FilesPanel, FramesPanel, CyclesPanel];

export class RunView {
  /** `picked` is called when somebody picks a process. */
  constructor(run, prefix, picked) {
    this.run = run;
    this.prefix = prefix;
    this.picked = picked;
    this.number = 0;
    this.step = 0;
    this.chosen = null; // a process to look at; null: whom the event is about
    this.panels = PANELS.map(Kind => new Kind(this));
    this.sentence = h("p", { class: "words", tabindex: "0", role: "group", "aria-label": "the event in words" });
    this.title = h("p", { class: "title" });
    this.grid = h("div", { class: "grid" }, this.panels.map(panel => panel.section));
    const side = prefix ? h("span", { class: "spoken", id: `${prefix}side` }, "of the second run") : null;
    this.element = h("div", { class: "view" }, side, this.title, this.sentence, this.grid);
  }

  look(pid) {
    this.chosen = this.chosen === pid ? null : pid;
    this.picked();
  }

  /** What is shown: the state, that of the event or instruction before, the process that is looked at. */
  moment() {
    const { run, number, step } = this;
    const event = run.events[number];
    const state = step ? run.stepState(number, step) : run.state(number);
    const before = step ? run.stepState(number, step - 1) : run.state(number - 1);
    const about = event.pid !== undefined && event.pid in state.tasks && !step ? event.pid : state.current;
    const pid = this.chosen !== null && this.chosen in state.tasks ? this.chosen : about;
    return { run, number, event, state, before, pid, inside: step };
  }

  go(number, step) {
    this.number = number;
    this.step = Math.min(step, this.run.stepCount(number));
    this.refresh();
  }

  refresh() {
    const moment = this.moment();
    this.say(moment);
    const stale = this.panels.filter(panel => panel.isStale(moment));
    const tops = stale.map(panel => panel.body.scrollTop);
    stale.forEach(panel => panel.fill(moment));
    requestAnimationFrame(() => stale.forEach((panel, at) => panel.settle(tops[at])));
  }

  say({ run, event, state, number, inside }) {
    const many = run.stepCount(number);
    const text = inside ? this.stepWords(run, state, inside, many) : event.words || event.kind;
    const where = event.source && !inside ? ` ${event.source}` : "";
    this.sentence.replaceChildren(
      h("b", null, `${event.kind}${inside ? `, instruction ${inside} of ${many}` : ""}`), " ",
      event.pid !== undefined ? chip(event.pid) : "", " ", text, h("span", { class: "place" }, where),
      h("span", { class: "place" }, inside ? "" : ` ${insideWords(event)}`));
  }

  stepWords(run, state, inside, many) {
    const { eip } = state.cpu;
    const task = state.tasks[state.current];
    const image = imageAt(run, task, eip), place = placeAt(image, eip);
    const source = sourceLine(image, place);
    const left = inside === many ? "the trap is over; next " : "next ";
    return `${left}${hex(eip)} ${symbolAt(image, eip)} ${placeName(place)}${source ? `: ${source}` : ""}`;
  }

  /** The moment in a sentence, for who hears the page. */
  spoken() {
    return `event ${this.number}: ${this.sentence.textContent}`;
  }
}
