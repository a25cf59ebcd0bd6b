// Sources with every process's place, the tree of processes, files and signals, output, cycles.
import { Panel, h, table } from "./dom.js";
import {
  imageAt, placeAt, placeName, plural, sourceLine, symbolAt, taskWords, userPlace, visible,
} from "./words.js";

/** A process's mark: its number, and a colour that says the same. */
export function chip(pid) {
  return h("span", { class: `pid c${pid % 8}` }, `pid ${pid}`);
}

export class SourcePanel extends Panel {
  constructor(view) {
    super(view, "source", "Source");
    this.shown = "";
    this.chosen = "";
    this.marked = [];
    this.select = h("select", { "aria-label": "File of the source", onchange: () => this.choose() });
    this.list = h("ol", { class: "lines" });
    this.heading.after(this.select);
  }

  inputs({ state, pid, event, inside }) {
    return [state.tasks, state.cpu, pid, event, inside, this.chosen];
  }

  choose() {
    this.chosen = this.select.value;
    this.view.refresh();
  }

  fill({ run, state, pid, event, inside }) {
    const places = this.places(run, state);
    const here = this.here(run, state, pid, event, inside);
    const file = this.chosen || (here ? here.file : this.shown || (places.length ? places[0].place.file : ""));
    this.offer(run);
    if (file !== this.shown) this.show(run, file);
    for (const line of this.marked) {
      line.classList.remove("here", "at");
      line.querySelector(".who").replaceChildren();
    }
    this.marked = [];
    for (const { place, one, what } of places)
      if (place.file === file) this.mark(place.line, "at", chip(one), what);
    if (here && here.file === file) {
      this.mark(here.line, "here", here.what ? h("span", { class: "now" }, here.what) : "");
      this.line = this.list.children[here.line - 1];
    }
  }

  settle() {
    if (this.line) this.body.scrollTop = this.line.offsetTop - this.body.clientHeight / 2;
  }

  /** Where each process is: of its program, and, for whom the CPU runs in the kernel, of the kernel's text. */
  places(run, state) {
    const found = [];
    for (const one in state.tasks) {
      const task = state.tasks[one];
      const place = userPlace(run, task);
      if (place) found.push({ place, one: +one, what: "" });
      if (+one === state.current && state.ring === 0) {
        const inKernel = placeAt(run.images.get("kernel"), state.cpu.eip);
        if (inKernel) found.push({ place: inKernel, one: +one, what: " in the kernel" });
      }
    }
    return found;
  }

  here(run, state, pid, event, inside) {
    if (inside) {
      const place = placeAt(run.images.get("kernel"), state.cpu.eip);
      return place && { ...place, what: "next instruction" };
    }
    if (event && event.eip !== undefined && pid === event.pid) {
      const image = run.images.get(event.eip >>> 0 >= 0xc0000000 ? "kernel" : event.image);
      const place = placeAt(image, event.eip);
      if (place) return { ...place, what: `event: ${event.kind}` };
    }
    const task = state.tasks[pid];
    const place = task && userPlace(run, task);
    return place && { ...place, what: "" };
  }

  mark(number, kind, ...what) {
    const line = this.list.children[number - 1];
    if (!line) return;
    line.classList.add(kind);
    line.querySelector(".who").append(...what);
    this.marked.push(line);
  }

  offer(run) {
    const files = [];
    for (const image of run.images.values())
      for (const file of image.files) if (image.sources[file]) files.push([file, `${file.split("/").pop()} (${image.image})`]);
    if (this.select.options.length === files.length + 1) return;
    this.select.replaceChildren(
      h("option", { value: "" }, "follow the event"),
      ...files.map(([file, label]) => h("option", { value: file }, label)));
    this.select.value = this.chosen;
  }

  show(run, file) {
    this.shown = file;
    let lines = null;
    for (const image of run.images.values()) lines = lines || image.sources[file];
    this.list = h("ol", { class: "lines" }, (lines || []).map(text =>
      h("li", null, h("code", null, text || " "), h("span", { class: "who" }))));
    this.marked = [];
    this.set(lines ? this.list : h("p", null, file ? `The source ${file} was not there.` : "Nobody knows the source."));
    this.heading.textContent = file ? `Source: ${file.split("/").pop()}` : "Source";
  }
}

export class ProcessesPanel extends Panel {
  constructor(view) {
    super(view, "processes", "Processes");
  }

  inputs({ state, before, pid }) {
    return [state.tasks, before.tasks, pid, state.current];
  }

  fill({ run, state, before, pid }) {
    const children = {};
    for (const one in state.tasks) {
      const task = state.tasks[one];
      const parent = +one === 0 || !(task.ppid in state.tasks) ? -1 : task.ppid;
      (children[parent === +one ? -1 : parent] ||= []).push(+one);
    }
    const gone = Object.keys(before.tasks || {}).filter(one => !(one in state.tasks));
    const branch = parent => (children[parent] || []).length
      ? h("ul", null, children[parent].map(one => h("li", null, this.line(run, state, before, one, pid), branch(one))))
      : null;
    this.set(branch(-1), gone.map(one =>
      h("p", { class: "changed" }, chip(+one), h("span", { class: "was" }, ` is gone (was ${taskWords(before.tasks[one])})`))));
  }

  line(run, state, before, one, pid) {
    const task = state.tasks[one], old = before.tasks && before.tasks[one];
    const words = taskWords(task), past = old ? taskWords(old) : null;
    const isNew = before.tasks && words !== past;
    const place = userPlace(run, task);
    const image = imageAt(run, task, task.user_eip || 0), inside = task.called_from ? symbolAt(image, task.user_eip) : "";
    const signals = signalWords(task.signals);
    return h("span", { class: isNew ? "task changed" : "task", "data-task": one, "data-place": placeName(place), "data-lane": task.lane },
      h("button", {
        type: "button", class: "pick", "aria-pressed": String(one === pid), title: `look at pid ${one}`,
        onclick: () => this.view.look(one),
      }, chip(one), ` ${task.comm}`),
      " ", words, isNew ? [" ", h("span", { class: "was" }, past ? `was: ${past}` : "new")] : null,
      place ? h("span", { class: "place" }, ` ${placeName(place)} `, h("code", null, sourceLine(image, place)), inside ? ` (in ${inside})` : null) : null,
      task.call ? ` in ${task.call}` : null,
      signals ? h("span", { class: "signals" }, ` ${signals}`) : null);
  }
}

function signalWords(signals) {
  const pending = [...(signals.pending || []), ...(signals.shared_pending || []).map(one => `${one} (for the group)`)];
  return pending.length ? `pending: ${pending.join(", ")}` : "";
}

export class FilesPanel extends Panel {
  constructor(view) {
    super(view, "files", "Files, pipes, signals");
  }

  inputs({ state, before, pid }) {
    return [state.files, state.open, state.pipes, state.tasks[pid], before.open, before.pipes, before.files, pid];
  }

  fill({ run, state, before, pid }) {
    const task = state.tasks[pid];
    if (!task) return this.set();
    const files = state.files[task.files], past = (before.files || {})[task.files];
    const rows = files ? Object.keys(files.fd).map(fd => this.row(state, before, files, past, fd)) : [];
    const pipes = Object.keys(state.pipes).map(name => this.pipe(state.pipes[name], (before.pipes || {})[name], name));
    this.set(
      files
        ? table(`Descriptors of pid ${pid}${files.count > 1 ? `, a table that ${files.count} tasks share` : ""}`,
            ["fd", "leads to", "access", "pos", "refs"], rows)
        : h("p", null, `pid ${pid} has no files.`),
      pipes.length ? pipes : h("p", null, "There is no pipe."),
      this.signals(run, task, pid));
  }

  row(state, before, files, past, fd) {
    const name = files.fd[fd], file = state.open[name], old = (before.open || {})[name];
    const isNew = before.open && (!past || past.fd[fd] !== name || !old || old.pos !== file.pos || old.count !== file.count);
    const leads = file.pipe ? `${file.path} (pipe ${file.pipe})` : file.path;
    const closes = (files.close_on_exec || []).includes(+fd) ? ", closes on exec" : "";
    const was = value => (isNew && old && old[value] !== file[value] ? h("span", { class: "was" }, ` was ${old[value]}`) : null);
    return {
      class: isNew ? "changed" : null, "data-fd": fd,
      cells: [fd, leads, file.access + closes, [file.pos, was("pos")], [file.count, was("count")]],
    };
  }

  pipe(pipe, old, name) {
    const isNew = old && (old.data !== pipe.data || old.size !== pipe.size);
    const more = pipe.size > pipe.data.length ? ` and ${plural(pipe.size - pipe.data.length, "byte")} more` : "";
    return h("p", { class: old && !isNew ? null : "changed", "data-pipe": name },
      `Pipe ${name}: ${plural(pipe.readers, "reader")}, ${plural(pipe.writers, "writer")}, ${plural(pipe.size, "byte")}: `,
      h("code", null, `"${visible(pipe.data)}"`), more,
      isNew ? h("span", { class: "was" }, ` was "${visible(old.data)}"`) : null);
  }

  signals(run, task, pid) {
    const { pending = [], shared_pending: shared = [], blocked = [], handlers = {} } = task.signals;
    const names = Object.keys(handlers).map(one => {
      const address = parseInt(handlers[one], 16);
      return `${one}: ${handlers[one]} ${Number.isNaN(address) ? "" : symbolAt(imageAt(run, task, address), address)}`.trim();
    });
    return h("p", { "data-signals": pid },
      `Signals of pid ${pid}: pending ${pending.join(" ") || "none"}; for the whole group ${shared.join(" ") || "none"}; `,
      `blocked ${blocked.join(" ") || "none"}; handlers ${names.join(", ") || "none"}.`);
  }
}

export class OutputPanel extends Panel {
  constructor(view) {
    super(view, "output", "Output so far");
  }

  inputs({ run, number }) {
    return [run.outputAt(number), run.outputAt(number - 1)];
  }

  fill({ run, number }) {
    const until = run.outputAt(number), from = run.outputAt(number - 1);
    const first = Math.max(0, until - 400);
    let last = -1;
    const pieces = run.output.slice(first, until).map((piece, at) => {
      const label = piece.pid !== last ? chip(piece.pid) : null;
      last = piece.pid;
      const isNew = first + at >= from;
      return h("span", { class: `said c${piece.pid % 8}${isNew ? " changed" : ""}`, "data-pid": piece.pid },
        label, h("span", { class: "text" }, visible(piece.text)));
    });
    this.set(
      first ? h("p", null, `${first} earlier pieces are not shown.`) : null,
      until ? h("pre", null, pieces) : h("p", null, "Nothing has been written yet."));
  }

  settle() {
    this.body.scrollTop = this.body.scrollHeight;
  }
}

export class CyclesPanel extends Panel {
  constructor(view) {
    super(view, "cycles", "Cycles of this event");
  }

  inputs({ state, before }) {
    return [state.ledger, before.ledger];
  }

  fill({ state, before }) {
    const old = before.ledger || {};
    const rules = Object.keys(state.ledger)
      .map(rule => [rule, state.ledger[rule] - (old[rule] || 0)])
      .filter(([, spent]) => spent)
      .sort((a, b) => b[1] - a[1]);
    const total = rules.reduce((sum, [, spent]) => sum + spent, 0);
    const rows = rules.map(([rule, spent]) => ({ "data-rule": rule, cells: [rule, spent.toLocaleString("en")] }));
    this.set(
      h("p", null, `${total.toLocaleString("en")} since the event before; the clock shows ${(state.cycles || 0).toLocaleString("en")}.`),
      rows.length ? table("By rule", ["rule", "cycles"], rows) : null);
  }
}

