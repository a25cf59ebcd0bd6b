/* What is done inside a hook, while the engine runs: remembered traps, and calls through the gate. To stop the
 * engine and to start it again costs as much as all the rest of a trap. Part of _native.c.
 *
 * It is what engine_run does between two runs of the engine; where it cannot go on from here, the engine
 * stops and `settled` says what is done already.
 */

enum { OUT_IMM8 = 0xe6, OUT_DX = 0xee, MOST_FIELDS = 64, HF_INHIBIT_IRQ = 8 };

static int settled(struct engine_state *s, uint32_t how, uint32_t event)
{
    s->settled = how;
    stop(s, event);
    return 1;
}

/* Registers into the engine, EIP too, which a start takes as its argument. */
static void put_registers(struct engine_state *s)
{
    const struct field *f = (const struct field *)(uintptr_t)s->fields + FIELD_EIP;
    uint64_t eip = ((const uint32_t *)(uintptr_t)s->regs)[FIELD_EIP];

    scatter(s);
    memcpy((uint8_t *)(uintptr_t)s->env + f->offset, &eip, f->width);
}

/* The engine is between two translations, and looks for the next one at the EIP that it finds. Whether
 * all is done here; else nothing is, and the engine is to be stopped. */
static int trap_taken(struct engine_state *s)
{
    if (!s->traps || !s->env)
        return 0;
    s->event = EV_TRAP;
    end_run(s);
    if (raised_type || !take_trap(s))
        return settled(s, SETTLED, EV_TRAP);
    if (!set_limits(s))
        return settled(s, SETTLED, EV_LIMIT);
    begin_run(s);
    put_registers(s);
    if (s->blocks)
        begin_blocks(s, blocks_of(s));
    return 1;
}

/* Bytes of the OUT in flight; 0 for one with a prefix. */
static uint32_t out_length(struct engine_state *s)
{
    int opcode = code_byte(s, s->in_flight);

    return (opcode & ~1) == OUT_IMM8 ? 2 : (opcode & ~1) == OUT_DX ? 1 : 0;
}

/* The same but for EAX. */
static int only_eax_differs(const uint32_t *a, const uint32_t *b, uint32_t count)
{
    return !memcmp(a + 1, b + 1, (count - 1) * sizeof *a);
}

/* The engine has all flags in its state where a translation begins, but not further on in it. */
static int flags_are_there(struct engine_state *s)
{
    const struct blocks *b = blocks_of(s);

    return b && b->mode == MODE_EXACT && b->begun == s->in_flight;
}

/* In the middle of a translation, which goes on behind the OUT when the function has changed no register but
 * EAX: the engine reads that one back. */
static int gate_called(struct engine_state *s)
{
    uint32_t *regs = (uint32_t *)(uintptr_t)s->regs, before[MOST_FIELDS], length;
    const struct field *eax_at = (const struct field *)(uintptr_t)s->fields;
    uint64_t eax;
    int done;

    if (!s->gate || s->port != s->gate_port || !s->env || !s->in_flight_valid ||
        s->field_count > MOST_FIELDS || !flags_are_there(s))
        return 0;
    length = out_length(s);
    gather(s);
    if (!length || regs[FIELD_EFLAGS] & EFLAGS_TF || regs[FIELD_HFLAGS] & HF_INHIBIT_IRQ || regs[FIELD_DR7] & 0xff)
        return 0; /* what the engine still has to do behind this OUT, the function must find done */
    s->event = EV_OUT;
    regs[FIELD_EIP] = s->in_flight + length - regs[FIELD_CS_BASE];
    settle(s);
    memcpy(before, regs, s->field_count * sizeof *regs);
    done = raised_type ? 0 : call_gate(s);
    if (done < 0)
        return settled(s, RAISED, EV_GATE);
    if (!done)
        return settled(s, SETTLED, s->event);
    if (!set_limits(s))
        return settled(s, SETTLED, EV_LIMIT);
    if (!only_eax_differs(regs, before, s->field_count))
        return settled(s, GO_ON, EV_GATE);
    begin_run(s);
    eax = regs[0];
    memcpy((uint8_t *)(uintptr_t)s->env + eax_at->offset, &eax, eax_at->width);
    stay_exact(s, blocks_of(s));
    return 1;
}
