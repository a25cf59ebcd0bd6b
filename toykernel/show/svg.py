"""One moment as a picture, for a slide or a paper: processes, what they map, and the frames behind it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from emu.paging import PTE_RW
from emu.ram import PAGE_SHIFT

Data = dict[str, Any]
_ROW, _BOX, _LEFT, _FRAMES, _WIDTH = 18, 40, 20, 560, 940
_FONT = 'font-family="DejaVu Sans Mono, Consolas, monospace"'
#: Entries that are drawn at most; the picture says how many are not.
MOST = 60
#: Lines of the event in words, at most.
MOST_LINES = 5


def picture(
    header: Data, images: Mapping[str, Data], event: Data, state: Data, before: Data
) -> str:
    """The moment right after an event; `before` is the state before it, empty for none."""
    parts, y = _head(header, event)
    tree, y = _tree(state, before, y)
    parts += tree
    memory, y = _memory(state, before, y + 14)
    parts += memory
    title = escape(
        f"{header['program']}, event {event.get('number', '')}: {event.get('words', '')}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 10}" '
        f'viewBox="0 0 {_WIDTH} {y + 10}" role="img" aria-label="{title}">\n<title>{title}</title>\n'
        f'<rect width="{_WIDTH}" height="{y + 10}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, size: int = 12, **more: str) -> str:
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    fill = "" if "fill" in more else ' fill="#1a1a1a"'
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {_FONT}{fill}{rest}>{escape(text)}</text>'


def _head(header: Data, event: Data) -> tuple[list[str], int]:
    options = ", ".join(f"{name} {value}" for name, value in header["options"].items())
    number, kind = event.get("number", ""), event.get("kind", "")
    first = f"{header['program']}  event {number}: {kind}, cycle {event.get('cycles', 0):,}"
    words = str(event.get("words", ""))
    lines = _wrapped(words, 122)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} …"]
    found = [
        _text(_LEFT, 24, first, 15, font_weight="bold"),
        _text(_WIDTH - 20, 24, options, 10, text_anchor="end"),
    ]
    found += [_text(_LEFT, 44 + 16 * n, text) for n, text in enumerate(lines)]
    return found, 52 + 16 * len(lines)


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _tree(state: Data, before: Data, y: int) -> tuple[list[str], int]:
    """Every process in the order of the tree, indented; ◆ where its state has changed."""
    children: dict[int, list[str]] = {}
    for pid, task in state["tasks"].items():
        children.setdefault(-1 if pid == "0" else task["ppid"], []).append(pid)
    parts: list[str] = []

    def branch(parent: int, depth: int) -> None:
        nonlocal y
        for pid in children.get(parent, ()):
            task = state["tasks"][pid]
            old = before.get("tasks", {}).get(pid)
            mark = "◆ " if before and (old is None or _doing(old) != _doing(task)) else ""
            weight = "bold" if int(pid) == state["current"] else "normal"
            text = f"{mark}pid {pid} {task['comm']}: {_doing(task)}"
            parts.append(_text(_LEFT + 24 * depth, y + 14, text, 12, font_weight=weight))
            y += _ROW
            if pid != "0":
                branch(int(pid), depth + 1)
            else:
                branch(0, depth + 1)

    branch(-1, 0)
    return parts, y


def _doing(task: Data) -> str:
    if task["lane"] == "zombie":
        code = task["exit_code"]
        return f"zombie, {'killed' if code & 0x7F else f'exit status {code >> 8 & 0xFF}'}"
    if "waits_on" in task:
        return f"sleeps in {task['waits_on']}"
    words = {"user": "in user mode", "kernel": "in the kernel", "ready": "ready"}
    lane = str(task["lane"])
    return words.get(lane, lane)


def _memory(state: Data, before: Data, y: int) -> tuple[list[str], int]:
    """What every process maps on the left, frames on the right, lines between them."""
    top = y
    rows: list[tuple[float, str, str]] = []  # y, frame, label
    parts: list[str] = []
    left_out = 0
    for ident, space in state["spaces"].items():
        who = ", ".join(f"pid {pid}" for pid in space["users"]) or "nobody"
        parts.append(_text(_LEFT, y + 13, who, 12, font_weight="bold"))
        y += _ROW
        old = before.get("spaces", {}).get(ident, {}).get("entries", {})
        for address, pte in sorted(space["entries"].items()):
            if len(rows) >= MOST:
                left_out += 1
                continue
            mark = "◆ " if before and old.get(address) != pte else "  "
            access = "writable" if pte & PTE_RW else "read-only"
            parts.append(
                _text(
                    _LEFT + 12, y + 13, f"{mark}0x{address} {_area(space, address):<10.10} {access}"
                )
            )
            rows.append((y + 9, f"{pte >> PAGE_SHIFT:05x}", address))
            y += _ROW
    frames = sorted({frame for _, frame, _ in rows})
    step = max(_BOX, (y - top) / max(len(frames), 1))
    place = {frame: top + step * number for number, frame in enumerate(frames)}
    uses = {frame: sum(1 for _, one, _ in rows if one == frame) for frame in frames}
    for at, frame, _ in rows:
        shared = uses[frame] > 1
        colour, width = ("#0b57d0", 2) if shared else ("#777777", 1)
        parts.append(
            f'<line x1="330" y1="{at:g}" x2="{_FRAMES}" y2="{place[frame] + 16:g}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )
    for frame in frames:
        parts += _frame(state, before, frame, place[frame])
    bottom = max(y, top + step * len(frames))
    if left_out:
        parts.append(_text(_LEFT, bottom + 14, f"{left_out} more entries are not drawn"))
        bottom += _ROW
    return parts, round(bottom)


def _area(space: Data, address: str) -> str:
    at = int(address, 16)
    for start, (end, _, _, name) in space["areas"].items():
        if int(start, 16) <= at < end:
            return str(name)
    return ""


def _frame(state: Data, before: Data, frame: str, y: float) -> list[str]:
    one = state["frames"][frame]
    old = before.get("frames", {}).get(frame)
    changed = bool(before) and (old is None or old["count"] != one["count"])
    fill, width = ("#fff0c2", 2) if changed else ("#f4f4f4", 1)
    was = "" if not changed else ", new" if old is None else f", was {old['count']}"
    count = one["count"]
    text = f"{'◆ ' if changed else ''}frame {int(frame, 16):#x}: {count} reference{'s' * (count != 1)}{was}"
    held = "; ".join([one["kind"], *one["held"]])
    dash = "" if one["kind"] == "user page" else ' stroke-dasharray="5 3"'
    return [
        f'<rect x="{_FRAMES}" y="{y:g}" width="{_WIDTH - _FRAMES - 20}" height="32" rx="3" '
        f'fill="{fill}" stroke="#444444" stroke-width="{width}"{dash}/>',
        _text(_FRAMES + 8, y + 13, text, 12, font_weight="bold" if changed else "normal"),
        _text(_FRAMES + 8, y + 26, held[:52], 10, fill="#444444"),
    ]
