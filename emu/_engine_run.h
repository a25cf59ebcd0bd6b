/* One run of the engine: registers in, until something happens, registers out. Part of _native.c. */

/* How far _engine_inside.h has come: the registers are in s->regs, and the run ends with its event, or goes on
 * in the engine anew, or Python has raised. */
enum { NOT_SETTLED, SETTLED, GO_ON, RAISED };

static void scatter(struct engine_state *s)
{
    const struct field *f = (const struct field *)(uintptr_t)s->fields;
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint8_t *data = (uint8_t *)(uintptr_t)(s->env ? s->env : s->context);
    int32_t none = -1;
    uint32_t i;

    for (i = 0; i < s->field_count; i++) {
        if (!f[i].writable)
            continue;
        memcpy(data + f[i].offset, &regs[i], 4);
        if (f[i].width == 8)
            memset(data + f[i].offset + 4, 0, 4);
    }
    memcpy(data + s->old_exception_offset, &none, 4);
    if (!s->env)
        ((context_fn)(uintptr_t)s->fn_restore)((uc_engine *)(uintptr_t)s->engine,
                                               (uc_context *)(uintptr_t)s->context);
    write_reg(s, s->reg_eflags, regs[FIELD_EFLAGS]);
}

static void gather(struct engine_state *s)
{
    const struct field *f = (const struct field *)(uintptr_t)s->fields;
    uint32_t *regs = (uint32_t *)(uintptr_t)s->regs;
    const uint8_t *data = (const uint8_t *)(uintptr_t)(s->env ? s->env : s->context);
    uint32_t i;

    if (!s->env)
        ((context_fn)(uintptr_t)s->fn_save)((uc_engine *)(uintptr_t)s->engine,
                                            (uc_context *)(uintptr_t)s->context);
    for (i = 0; i < s->field_count; i++)
        memcpy(&regs[i], data + f[i].offset, 4);
    regs[FIELD_EFLAGS] = read_reg(s, s->reg_eflags);
}

/* What did not complete is not counted; RF lasts for one completed instruction. */
static void settle(struct engine_state *s)
{
    uint32_t *regs = (uint32_t *)(uintptr_t)s->regs;
    uint32_t kind = s->in_flight_kind;
    int here = s->in_flight_valid && s->in_flight == regs[FIELD_EIP] + regs[FIELD_CS_BASE];
    int refused = (s->event == EV_INVALID && !s->value) || (s->event == EV_NONE && s->error) ||
        (s->event == EV_TRAP && s->vector != VECTOR_DB && !regs[s->is_int_field]);
    int unfinished = kind & KIND_REP &&
        ((s->event == EV_TRAP && s->vector == VECTOR_DB) || s->event == EV_DEBUG);

    x87_settle(s, !(here && refused));
    if (here && (refused || unfinished)) {
        s->retired--;
        kind = s->previous_kind;
        regs[FIELD_EFLAGS] |= s->resume;
        if (s->timing)
            timing_abandon(s);
        if (refused && s->flags_known) {
            put_back_flags(s);
            regs[FIELD_EFLAGS] = (regs[FIELD_EFLAGS] & ~(uint32_t)ARITHMETIC) |
                (read_reg(s, s->reg_eflags) & ARITHMETIC);
        }
    } else if (s->in_flight_valid) {
        s->completed = 1;
        if (s->timing && s->event == EV_INVALID && !s->value)
            timing_abandon(s); /* SYSENTER, noticed behind itself */
        if (s->timing)
            timing_finish(s, regs[FIELD_EIP] + regs[FIELD_CS_BASE]);
        if (kind & KIND_SYSTEM) {
            s->system_changed = 1;
            s->code_page_valid = 0;
        }
    }
    if (s->completed && !(kind & KIND_IRET))
        regs[FIELD_EFLAGS] &= ~(uint32_t)EFLAGS_RF;
}

/* The engine aborts on a few guest instructions (emu/untranslatable.py): get out alive. */
static __thread sigjmp_buf *way_out;
static struct sigaction unguarded;

static void on_abort(int number)
{
    sigjmp_buf *out = way_out;

    if (out) {
        way_out = NULL;
        siglongjmp(*out, 1);
    }
    sigaction(SIGABRT, &unguarded, NULL);
    raise(number);
}

static void guard_abort(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_abort;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGABRT, &action, &unguarded);
}

static void start_engine(struct engine_state *s, uint32_t eip)
{
    sigjmp_buf here;

    if (sigsetjmp(here, 0)) {
        s->event = EV_ABORT;
        return;
    }
    way_out = &here;
    s->error = (uint32_t)((start_fn)(uintptr_t)s->fn_start)(
        (uc_engine *)(uintptr_t)s->engine, eip, 0, 0, 0);
    way_out = NULL;
}

/* Among whole blocks and exactly, by turns. */
static void run_blocks(struct engine_state *s)
{
    struct blocks *b = blocks_of(s);
    uint32_t eip = ((const uint32_t *)(uintptr_t)s->regs)[FIELD_EIP];

    begin_blocks(s, b);
    start_engine(s, eip);
    while (s->event == EV_MODE)
        start_engine(s, other_mode(s, b));
}

/* What the engine has come to, in s->regs. */
static void end_run(struct engine_state *s)
{
    struct blocks *b = blocks_of(s);

    if (b)
        leave_blocks(b);
    gather(s);
    if (b && b->mode == MODE_WHOLE)
        settle_blocks(s, b);
    else
        settle(s);
}

/* The engine has the registers that are in s->regs, and nothing has happened yet. */
static void begin_run(struct engine_state *s)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;

    s->event = EV_NONE;
    s->settled = NOT_SETTLED;
    s->in_flight_valid = 0;
    s->in_flight_kind = s->previous_kind = 0;
    s->completed = s->debug_hits = s->debug_pending = 0;
    s->resume = regs[FIELD_EFLAGS] & EFLAGS_RF;
    s->careful = s->break_count || s->watch_if || regs[FIELD_DR7] & 0xff;
}

/* Run from the registers in s->regs until an event; leave the registers there. */
static void run_once(struct engine_state *s)
{
    begin_run(s);
    scatter(s);
    if (s->blocks)
        run_blocks(s);
    else
        start_engine(s, ((const uint32_t *)(uintptr_t)s->regs)[FIELD_EIP]);
    if (!s->settled)
        end_run(s);
}

/* What is left of the run's instructions, and of the time until its deadline; 0 when nothing is. */
static int set_limits(struct engine_state *s)
{
    uint64_t left = s->deadline > s->extra ? s->deadline - s->extra : 0;

    s->limit = s->instructions;
    s->cycle_limit = NO_LIMIT;
    if (s->deadline != NO_LIMIT) {
        if (s->timing)
            s->cycle_limit = left;
        else if (left < s->instructions)
            s->limit = left;
    }
    return s->retired < s->limit && s->deliveries < s->delivery_limit &&
        !(s->timing && s->cycles >= s->cycle_limit);
}

/* The guest's call through the gate; whether the run goes on behind it. -1: Python has raised. */
static int call_gate(struct engine_state *s)
{
    PyObject *result;
    int stays;

    if (!s->gate || s->port != s->gate_port || s->debug_pending || s->system_changed)
        return 0;
    s->event = EV_GATE;
    result = PyObject_CallNoArgs((PyObject *)(uintptr_t)s->gate);
    if (!result)
        return -1;
    stays = result == Py_True && !s->system_changed;
    Py_DECREF(result);
    return stays;
}

/* The same, through gates, and traps that go the way that they went before. -1: Python has raised. */
static int engine_run(struct engine_state *s, uint64_t instructions)
{
    int done = 1;

    s->instructions = instructions;
    set_limits(s);
    for (;;) {
        run_once(s);
        if (raise_kept() || s->settled == RAISED)
            return -1;
        if (s->settled == SETTLED)
            return 0;
        if (s->settled == GO_ON)
            done = 1;
        else if (s->event == EV_TRAP && s->traps)
            done = take_trap(s);
        else if (s->event == EV_OUT)
            done = call_gate(s);
        else
            return 0;
        if (done <= 0)
            return done;
        if (!set_limits(s)) {
            s->event = EV_LIMIT;
            return 0;
        }
    }
}

/* run(address of the state, limit) -> event: the one call from Python, a run at a time. */
static PyObject *run(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct engine_state *s;
    uint64_t limit;

    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "run(state, limit)");
        return NULL;
    }
    s = PyLong_AsVoidPtr(args[0]);
    if (!s)
        return NULL;
    limit = PyLong_AsUnsignedLongLong(args[1]);
    if (PyErr_Occurred() || engine_run(s, limit) < 0)
        return NULL;
    return PyLong_FromLong((long)s->event);
}
