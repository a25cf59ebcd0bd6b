/*
 * Native halves of the engine's hooks.
 *
 * Everything here has a twin in emu/python_hooks.py that does the same in Python; the
 * twin is the specification, this file is the speed.  The hooks see one struct
 * engine_state, laid out as EngineState in emu/hooks.py; Python is asked only
 * for an instruction that was not met before (_decode_call.h).
 *
 * A hook records what happened and stops the engine, and Python does the rest when uc_emu_start() has
 * returned. Two do what is next themselves, where that leaves the engine nothing to be told: _engine_inside.h.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "_sse_unit.h"
#include "_sse_forms.h"
#include "_absent_forms.h"
#include "_engine_state.h"

#include "_timing.h"
#include "_blocks.h"
#include "_traps.h"
#include "_x87_decode.h"
#include "_x87_trap.h"
#include "_sse_trap.h"

/* CPL > IOPL, or virtual-8086 mode: the I/O bitmap decides. */
static int io_needs_leave(struct engine_state *s)
{
    uint32_t flags = read_reg(s, s->reg_eflags);

    return flags & EFLAGS_VM || (read_reg(s, s->reg_cs) & 3) > ((flags >> 12) & 3);
}

/* The engine would load VM there. */
static int iret_of_outer_ring(struct engine_state *s)
{
    return read_reg(s, s->reg_cs) & 3 && !(read_reg(s, s->reg_eflags) & EFLAGS_VM);
}

/* Whether an instruction can be its own successor: a jump, a call or a return. */
static int transfers(struct engine_state *s, uint32_t address)
{
    int i;

    for (i = 0; i < LONGEST; i++) {
        int b = code_byte(s, address + i);
        int second = code_byte(s, address + i + 1);

        if (b >= 0 && is_prefix(b))
            continue;
        return (b >= 0x70 && b <= 0x7f) || (b >= 0xe0 && b <= 0xe3) || b == 0x9a ||
               (b >= 0xe8 && b <= 0xeb) || (b >= 0xc2 && b <= 0xc3) || (b >= 0xca && b <= 0xcb) ||
               b == 0xcf || (b == 0x0f && second >= 0x80 && second <= 0x8f) ||
               (b == 0xff && second >= 0 && ((second >> 3) & 7) >= 2 && ((second >> 3) & 7) <= 5);
    }
    return 0;
}

/* Breakpoints, and the end of waiting for EFLAGS.IF. */
static int stops_here(struct engine_state *s, uint32_t address)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint32_t resume;

    if (s->break_count && !s->skip_break && is_break(s, address)) {
        stop(s, EV_BREAK);
        return 1;
    }
    if (s->watch_if && read_reg(s, s->reg_eflags) & EFLAGS_IF) {
        stop(s, EV_LIMIT);
        return 1;
    }
    resume = s->in_flight_valid
        ? s->in_flight_kind & KIND_IRET && read_reg(s, s->reg_eflags) & EFLAGS_RF
        : s->resume;
    if (!(regs[FIELD_DR7] & 0xff) || resume)
        return 0;
    s->debug_hits = execute_hits(s, address);
    if (!s->debug_hits)
        return 0;
    stop(s, EV_DEBUG);
    return 1;
}

/* RF has done its work when the instruction begins; PUSHF would show it, and the engine would keep it.
 * `resume` remembers it, for an attempt that comes to nothing. */
static void begin_resumed(struct engine_state *s)
{
    uint32_t flags = read_reg(s, s->reg_eflags);

    s->resume = flags & EFLAGS_RF;
    if (s->resume)
        write_reg(s, s->reg_eflags, flags & ~(uint32_t)EFLAGS_RF);
}

static void on_code(uc_engine *uc, uint64_t address64, uint32_t size, void *user)
{
    struct engine_state *s = user;
    uint32_t address = (uint32_t)address64;
    uint32_t kind = 0;

    (void)uc;
    (void)size;
    /* First of all: whatever happens now, this instruction has been translated. */
    if (s->in_flight_kind & KIND_SYSTEM)
        s->code_page_valid = 0;
    enter_code(s, address);
    if (s->event)
        return;
    if (s->debug_hits) {
        stop(s, EV_DEBUG);
        return;
    }
    /* A REP instruction calls this hook once an iteration, and one that stores into its own
     * translation a second time when it has been translated anew, with wrong flags. */
    if (s->in_flight_valid && s->in_flight == address && !transfers(s, address)) {
        if (!(s->in_flight_kind & KIND_REP))
            put_back_flags(s);
        else if (s->timing)
            timing_iterate(s);
        return;
    }
    if (s->in_flight_valid) {
        s->completed = 1;
        if (s->in_flight_kind & KIND_X87)
            x87_finish(s);
        if (s->timing)
            timing_finish(s, address);
    }
    if (s->in_flight_kind & KIND_SYSTEM || s->retired >= s->limit ||
        (s->timing && s->cycles >= s->cycle_limit)) {
        stop(s, EV_LIMIT);
        return;
    }
    if (s->careful && stops_here(s, address))
        return;
    if (s->code_frame == NO_FRAME ||
        SPECIAL[((const uint8_t *)(uintptr_t)s->ram)[s->code_frame + (address & 0xfff)]])
        kind = classify(s, address);
    if (kind & KIND_UNDEFINED) {
        s->value = REFUSED_UD;
        stop(s, EV_INVALID);
        return;
    }
    if (kind & KIND_EMULATED ||
        (kind & KIND_IO && !s->allow_io && io_needs_leave(s)) ||
        (kind & KIND_IRET && !s->allow_io && iret_of_outer_ring(s))) {
        stop(s, EV_IO);
        return;
    }
    if (kind & KIND_X87 && (s->value = (uint32_t)x87_begin(s, address)) != 0) {
        stop(s, EV_INVALID);
        return;
    }
    if (s->in_flight_valid ? s->in_flight_kind & KIND_IRET : s->resume)
        begin_resumed(s);
    else
        s->resume = 0;
    if (kind & KIND_READS_FLAGS) /* the engine would work from stale ones */
        write_reg(s, s->reg_eflags, read_reg(s, s->reg_eflags));
    keep_flags(s);
    if (kind & KIND_CLEARS_FLAGS) /* the engine keeps what an i386 clears: OF, SF and AF */
        write_reg(s, s->reg_eflags,
                  read_reg(s, s->reg_eflags) & ~(uint32_t)(ARITHMETIC & ~COMPARED));
    s->previous_kind = s->in_flight_kind;
    s->in_flight_kind = kind;
    s->allow_io = 0;
    s->skip_break = 0;
    if (s->timing) {
        timing_begin(s, address);
        if (!s->limit) {
            stop(s, EV_LIMIT);
            return;
        }
    }
    s->retired++;
    s->in_flight = address;
    s->in_flight_valid = 1;
}

/* Note an access to what is watched. */
static void note_access(struct engine_state *s, int type, uint32_t address, uint32_t size)
{
    struct watch *watch = (struct watch *)(uintptr_t)s->watches;
    uint64_t n;

    for (n = 0; n < s->watch_count; n++, watch++) {
        if (address >= watch->end || watch->start >= address + size ||
            !(type == MEM_WRITE ? watch->writes : watch->reads))
            continue;
        watch->last[0] = s->retired;
        watch->last[1] = s->deliveries;
        if (!watch->seen++)
            memcpy(watch->first, watch->last, sizeof watch->first);
    }
}

/* Write an access of user mode down. */
static void log_access(struct engine_state *s, int type, uint32_t address, uint32_t size)
{
    struct user_access *log = (struct user_access *)(uintptr_t)s->accesses;

    if ((read_reg(s, s->reg_cs) & 3) != 3)
        return;
    if (s->access_count < s->access_room) {
        log += s->access_count;
        log->retired = s->retired;
        log->code = s->in_flight;
        log->address = address;
        log->size = size;
        log->write = type == MEM_WRITE;
    }
    s->access_count++;
}

/* After a translated data access; only installed once DR7 or somebody who watches has asked for it. */
static void on_memory(uc_engine *uc, int type, uint64_t address64, int size, int64_t value,
                      void *user)
{
    struct engine_state *s = user;
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint32_t address = (uint32_t)address64;
    int n;

    (void)uc;
    (void)value;
    note_access(s, type, address, (uint32_t)size);
    if (s->accesses)
        log_access(s, type, address, (uint32_t)size);
    for (n = 0; n < 4; n++) {
        uint32_t kind = debug_kind(s, n);
        uint32_t length = ((regs[FIELD_DR7] >> (18 + 4 * n)) & 3) + 1;
        uint32_t linear = regs[FIELD_DR0 + n] & ~(length - 1);
        uint32_t frame;

        if (!armed(s, n) || (kind != DR_ACCESS && !(kind == DR_WRITE && type == MEM_WRITE)))
            continue;
        frame = frame_of(s, linear >> 12);
        if (frame == NO_FRAME)
            continue;
        frame |= linear & 0xfff;
        if (address < frame + length && frame < address + (uint32_t)size)
            s->debug_hits |= 1u << n;
    }
}

static int trap_taken(struct engine_state *s);
static int gate_called(struct engine_state *s);

static void on_trap(uc_engine *uc, uint32_t vector, void *user)
{
    struct engine_state *s = user;

    (void)uc;
    if (s->event) { /* TF, behind a port access that has stopped the run */
        s->debug_pending = 1;
        return;
    }
    s->vector = vector;
    if (!trap_taken(s))
        stop(s, EV_TRAP);
}

static int on_invalid(uc_engine *uc, void *user)
{
    (void)uc;
    ((struct engine_state *)user)->value = 0;
    stop(user, EV_INVALID);
    return 1;
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *user)
{
    struct engine_state *s = user;

    (void)uc;
    s->port = port;
    s->size = (uint32_t)size;
    stop(s, EV_IN);
    return read_reg(s, s->reg_eax);
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *user)
{
    struct engine_state *s = user;

    (void)uc;
    s->port = port;
    s->size = (uint32_t)size;
    s->value = value;
    if (!gate_called(s))
        stop(s, EV_OUT);
}

static void on_sysenter(uc_engine *uc, void *user)
{
    (void)uc;
    ((struct engine_state *)user)->value = 0;
    stop(user, EV_INVALID);
}

#include "_engine_run.h"
#include "_engine_inside.h"

#include "_layout.h"

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, "One run of the engine: its event."},
    {NULL, NULL, 0, NULL},
};

static int add_object(PyObject *module, const char *name, PyObject *value)
{
    if (!value)
        return -1;
    if (PyModule_AddObject(module, name, value) < 0) {
        Py_DECREF(value);
        return -1;
    }
    return 0;
}

static int add(PyObject *module, const char *name, uintptr_t function)
{
    return add_object(module, name, PyLong_FromUnsignedLongLong((unsigned long long)function));
}

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT, "_native", "Native engine hooks; see emu/hooks.py.", -1,
    methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&module_def);

    if (!module)
        return NULL;
    guard_abort();
    if (add(module, "on_code", (uintptr_t)on_code) < 0 ||
        add(module, "on_block", (uintptr_t)on_block) < 0 ||
        add(module, "on_trap", (uintptr_t)on_trap) < 0 ||
        add(module, "on_invalid", (uintptr_t)on_invalid) < 0 ||
        add(module, "on_in", (uintptr_t)on_in) < 0 ||
        add(module, "on_out", (uintptr_t)on_out) < 0 ||
        add(module, "on_sysenter", (uintptr_t)on_sysenter) < 0 ||
        add(module, "on_memory", (uintptr_t)on_memory) < 0 ||
        add(module, "timing_copy_lines", (uintptr_t)timing_copy_lines) < 0 ||
        add(module, "timing_gate", (uintptr_t)timing_gate) < 0 ||
        add(module, "x87_execute", (uintptr_t)x87_execute) < 0 ||
        add(module, "sse_execute", (uintptr_t)sse_execute) < 0 ||
        add(module, "blocks_fold", (uintptr_t)blocks_fold) < 0 ||
        add(module, "blocks_forget", (uintptr_t)blocks_forget) < 0 ||
        add_object(module, "layouts", layouts_dict()) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
