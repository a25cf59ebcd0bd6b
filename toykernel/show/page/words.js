// Numbers and names as the debugger has them.

/** 0x0804b000. */
export function hex(value, digits = 8) {
  return "0x" + (value >>> 0).toString(16).padStart(digits, "0");
}

export function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** The bits of a page-table entry in words; `directory`: an entry of the directory. */
export function entryWords(run, entry, directory = false) {
  const { entry_bits: bits, not_in_directory: without } = run.header.names;
  if (!(entry & 1)) return ["not present", ...(entry ? [`software ${hex(entry)}`] : [])];
  return bits
    .filter(([bit]) => !(directory && bit & without))
    .map(([bit, on, off]) => (entry & bit ? on : off))
    .filter(word => word);
}

/** The flags of EFLAGS that are set. */
export function flagsText(run, value) {
  const names = run.header.names.eflags.filter(([bit]) => value & bit).map(([, name]) => name);
  const level = (value >> 12) & 3;
  return [...names, ...(level ? [`IOPL=${level}`] : [])].join(" ");
}

/** A selector by what it selects. */
export function selectorText(run, value) {
  const selector = value & 0xffff;
  if (!(selector & 0xfffc)) return "null";
  const name = run.header.names.selectors[selector];
  return `${name || `${selector & 4 ? "LDT" : "GDT"} entry ${selector >> 3}`}, RPL ${selector & 3}`;
}

/** The executable behind an address of a task: the kernel's from 0xc0000000 on. */
export function imageAt(run, task, address) {
  return run.images.get(address >>> 0 >= 0xc0000000 ? "kernel" : task.image);
}

/** `label` or `label+offset` in the same section; empty without one. */
export function symbolAt(image, address) {
  if (!image) return "";
  const at = address >>> 0;
  const span = image.spans.find(([start, end]) => start <= at && at < end);
  if (!span) return "";
  let found = null;
  for (let low = 0, high = image.labels.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (image.labels[middle][0] <= at) {
      found = middle;
      low = middle + 1;
    } else high = middle;
  }
  if (found === null || image.labels[found][0] < span[0]) return "";
  while (found > 0 && image.labels[found - 1][0] === image.labels[found][0]) found--;
  const [value, label] = image.labels[found];
  return value === at ? label : `${label}+${at - value}`;
}

/** Where the code at an address was written: { file, line, inner }, null when nobody knows. */
export function placeAt(image, address) {
  if (!image) return null;
  const at = address >>> 0;
  let low = 0, high = image.lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (image.lines[middle][0] <= at) low = middle + 1;
    else high = middle;
  }
  const entry = image.lines[low - 1];
  if (!entry || at >= entry[0] + entry[1]) return null;
  const [, , file, line, callFile, callLine] = entry;
  if (callFile === undefined) return { file: image.files[file], line, inner: null };
  return {
    file: image.files[callFile],
    line: callLine,
    inner: { file: image.files[file], line },
  };
}

/** file:line without folders. */
export function placeName(place) {
  return place ? `${place.file.split("/").pop()}:${place.line}` : "";
}

/** One line of a source, without what is behind `#`; empty when it is not here. */
export function sourceLine(image, place) {
  const lines = image && place ? image.sources[place.file] : null;
  return lines && lines[place.line - 1] ? lines[place.line - 1].split("#")[0].trim() : "";
}

/** The instruction that a task is at: where its program is, or the call that led there. Of one that has ended: null. */
export function userPlace(run, task) {
  const at = task.called_from || task.user_eip;
  return at ? placeAt(imageAt(run, task, at), at) : null;
}

/** A wait status (wait4's word) in words. */
export function statusText(code) {
  const signal = code & 0x7f;
  return signal ? `killed by signal ${signal}` : `exit status ${(code >> 8) & 0xff}`;
}

const DOING = {
  user: "runs in user mode",
  kernel: "runs in the kernel",
  ready: "is ready, has no CPU",
  idle: "waits for work",
  new: "is being made",
  stopped: "is stopped",
  asleep: "sleeps",
  zombie: "zombie",
};

/** What a task does, in a few words. */
export function taskWords(task) {
  if (task.lane === "zombie") return `zombie, ${statusText(task.exit_code)}`;
  const doing = DOING[task.lane] || task.lane;
  return task.waits_on && task.lane === "asleep" ? `sleeps in ${task.waits_on}` : doing;
}

/** Bytes as text in which a person sees each of them. */
export function visible(text) {
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\xff\\]/g, one =>
    one === "\\" ? "\\\\" : one === "\t" ? "\\t" : "\\x" + one.charCodeAt(0).toString(16).padStart(2, "0"));
}
