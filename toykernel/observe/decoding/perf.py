"""How strace writes what perf_event_open is asked to count."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.errno import E2BIG
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal, names
from toykernel.observe.decoding.text import address, struct_text

_TYPES = names(
    "PERF_TYPE_???",
    """PERF_TYPE_HARDWARE=0 PERF_TYPE_SOFTWARE=1 PERF_TYPE_TRACEPOINT=2 PERF_TYPE_HW_CACHE=3
    PERF_TYPE_RAW=4 PERF_TYPE_BREAKPOINT=5""",
)
_HARDWARE, _SOFTWARE, _TRACEPOINT, _HW_CACHE = range(4)
_SIZES = names(
    "PERF_ATTR_SIZE_???",
    """PERF_ATTR_SIZE_VER0=64 PERF_ATTR_SIZE_VER1=72 PERF_ATTR_SIZE_VER2=80 PERF_ATTR_SIZE_VER3=96
    PERF_ATTR_SIZE_VER4=104 PERF_ATTR_SIZE_VER5=112 PERF_ATTR_SIZE_VER6=120 PERF_ATTR_SIZE_VER7=128""",
)
_FIRST_SIZE = 64  # below it the kernel takes none
_HARDWARE_IDS = names(
    "PERF_COUNT_HW_???",
    """PERF_COUNT_HW_CPU_CYCLES=0 PERF_COUNT_HW_INSTRUCTIONS=1 PERF_COUNT_HW_CACHE_REFERENCES=2
    PERF_COUNT_HW_CACHE_MISSES=3 PERF_COUNT_HW_BRANCH_INSTRUCTIONS=4 PERF_COUNT_HW_BRANCH_MISSES=5
    PERF_COUNT_HW_BUS_CYCLES=6 PERF_COUNT_HW_STALLED_CYCLES_FRONTEND=7
    PERF_COUNT_HW_STALLED_CYCLES_BACKEND=8 PERF_COUNT_HW_REF_CPU_CYCLES=9""",
)
_SOFTWARE_IDS = names(
    "PERF_COUNT_SW_???",
    """PERF_COUNT_SW_CPU_CLOCK=0 PERF_COUNT_SW_TASK_CLOCK=1 PERF_COUNT_SW_PAGE_FAULTS=2
    PERF_COUNT_SW_CONTEXT_SWITCHES=3 PERF_COUNT_SW_CPU_MIGRATIONS=4 PERF_COUNT_SW_PAGE_FAULTS_MIN=5
    PERF_COUNT_SW_PAGE_FAULTS_MAJ=6 PERF_COUNT_SW_ALIGNMENT_FAULTS=7 PERF_COUNT_SW_EMULATION_FAULTS=8
    PERF_COUNT_SW_DUMMY=9 PERF_COUNT_SW_BPF_OUTPUT=10 PERF_COUNT_SW_CGROUP_SWITCHES=11""",
)
_CACHES = names(
    "PERF_COUNT_HW_CACHE_???",
    """PERF_COUNT_HW_CACHE_L1D=0 PERF_COUNT_HW_CACHE_L1I=1 PERF_COUNT_HW_CACHE_LL=2
    PERF_COUNT_HW_CACHE_DTLB=3 PERF_COUNT_HW_CACHE_ITLB=4 PERF_COUNT_HW_CACHE_BPU=5
    PERF_COUNT_HW_CACHE_NODE=6""",
)
_CACHE_OPS = names(
    "PERF_COUNT_HW_CACHE_OP_???",
    """PERF_COUNT_HW_CACHE_OP_READ=0 PERF_COUNT_HW_CACHE_OP_WRITE=1
    PERF_COUNT_HW_CACHE_OP_PREFETCH=2""",
)
_CACHE_RESULTS = names(
    "PERF_COUNT_HW_CACHE_RESULT_???",
    "PERF_COUNT_HW_CACHE_RESULT_ACCESS=0 PERF_COUNT_HW_CACHE_RESULT_MISS=1",
)
_SAMPLES = names(
    "PERF_SAMPLE_???",
    """PERF_SAMPLE_IP=1 PERF_SAMPLE_TID=2 PERF_SAMPLE_TIME=4 PERF_SAMPLE_ADDR=8 PERF_SAMPLE_READ=0x10
    PERF_SAMPLE_CALLCHAIN=0x20 PERF_SAMPLE_ID=0x40 PERF_SAMPLE_CPU=0x80 PERF_SAMPLE_PERIOD=0x100
    PERF_SAMPLE_STREAM_ID=0x200 PERF_SAMPLE_RAW=0x400 PERF_SAMPLE_BRANCH_STACK=0x800
    PERF_SAMPLE_REGS_USER=0x1000 PERF_SAMPLE_STACK_USER=0x2000 PERF_SAMPLE_WEIGHT=0x4000
    PERF_SAMPLE_DATA_SRC=0x8000 PERF_SAMPLE_IDENTIFIER=0x10000 PERF_SAMPLE_TRANSACTION=0x20000
    PERF_SAMPLE_REGS_INTR=0x40000 PERF_SAMPLE_PHYS_ADDR=0x80000 PERF_SAMPLE_AUX=0x100000
    PERF_SAMPLE_CGROUP=0x200000 PERF_SAMPLE_DATA_PAGE_SIZE=0x400000
    PERF_SAMPLE_CODE_PAGE_SIZE=0x800000 PERF_SAMPLE_WEIGHT_STRUCT=0x1000000""",
)
_READS = names(
    "PERF_FORMAT_???",
    """PERF_FORMAT_TOTAL_TIME_ENABLED=1 PERF_FORMAT_TOTAL_TIME_RUNNING=2 PERF_FORMAT_ID=4
    PERF_FORMAT_GROUP=8 PERF_FORMAT_LOST=0x10""",
)
#: Bits by their places; `precise_ip` has two.
_BITS = (
    *("disabled", "inherit", "pinned", "exclusive", "exclude_user", "exclude_kernel", "exclude_hv"),
    *("exclude_idle", "mmap", "comm", "freq", "inherit_stat", "enable_on_exec", "task"),
    *("watermark", "precise_ip", "", "mmap_data", "sample_id_all", "exclude_host", "exclude_guest"),
    *("exclude_callchain_kernel", "exclude_callchain_user", "mmap2", "comm_exec", "use_clockid"),
    *("context_switch", "write_backward", "namespaces", "ksymbol", "bpf_event", "aux_output"),
    *("cgroup", "text_poke", "build_id", "inherit_thread", "remove_on_exec", "sigtrap"),
)
_SKIDS = ("arbitrary skid", "constant skid", "requested to have 0 skid", "must have 0 skid")
_FREQ = 1 << _BITS.index("freq")
_LAYOUT = "<2I5Q"  # as far as it is shown


def _config(kind: int, config: int) -> str:
    """What is counted, by the kind of counter."""
    if kind == _SOFTWARE:
        return _SOFTWARE_IDS.one(config)
    if kind == _TRACEPOINT:
        return str(config)
    if kind not in (_HARDWARE, _HW_CACHE):
        return hexadecimal(config)
    parts = [f"{config >> 32:#x}<<32"] if config >> 32 else []
    low = config & 0xFFFFFFFF
    if kind == _HARDWARE:
        return "|".join([*parts, _HARDWARE_IDS.one(low)])
    parts += [f"{low >> 24:#x}<<24"] if low >> 24 else []
    parts.append(f"{_CACHE_RESULTS.one(low >> 16 & 0xFF)}<<16")
    parts.append(f"{_CACHE_OPS.one(low >> 8 & 0xFF)}<<8")
    return "|".join([*parts, _CACHES.one(low & 0xFF)])


def _bits(bits: int) -> list[str]:
    """The members that are set, and how exact the place of a sample must be."""
    fields = []
    for place, name in enumerate(_BITS):
        if name == "precise_ip":
            skid = bits >> place & 3
            fields.append(f"precise_ip={skid} /* {_SKIDS[skid]} */")
        elif name and bits >> place & 1:
            fields.append(f"{name}=1")
    if rest := bits >> len(_BITS):
        fields.append(f"__reserved_1={rest:#x} /* Bits 63..38 */")
    return fields


def _attr(c: Call, i: int) -> str:
    """struct perf_event_attr as it is at the entry; its first members, as long as nothing asks for more."""
    where = c.words[i]
    if c.result is None:
        data = c.peek(where, struct.calcsize(_LAYOUT))
        size = c.word(where + 4) if where else None
        shown = data is not None and (not size or size >= _FIRST_SIZE)
        members = struct.unpack(_LAYOUT, data) if data is not None and shown else ()
        c.saved.update((f"attr{n}", word) for n, word in enumerate(members))
    if "attr0" not in c.saved:
        return address(where)
    kind, size, config, period, sample, read, bits = (c.saved[f"attr{n}"] for n in range(7))
    size_text = _SIZES.one(size)
    if c.result == -E2BIG:  # the kernel tells which it knows
        new = c.word(where + 4)
        size_text += f" => {'???' if new is None else _SIZES.one(new)}"
    fields = [f"type={_TYPES.one(kind)}", f"size={size_text}", f"config={_config(kind, config)}"]
    fields.append(f"{'sample_freq' if bits & _FREQ else 'sample_period'}={period}")
    fields += [f"sample_type={_SAMPLES.flags(sample)}", f"read_format={_READS.flags(read)}"]
    return struct_text([*fields, *_bits(bits), "..."])


PRINTERS: Mapping[str, Printer] = {"perf_attr": _attr}
