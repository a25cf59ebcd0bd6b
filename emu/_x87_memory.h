/* x87 instructions with an operand in memory: emu/x87/memory.py. Part of _x87_unit.h. */
#ifndef EMU_X87_MEMORY_H
#define EMU_X87_MEMORY_H

/* Store a number of `size` bytes, and pop. */
static enum x87_outcome store(struct x87 *x, uint64_t raw, uint32_t size, struct x80 carrier, int pops)
{
    struct x87_result *out = x->out;

    out->size = (uint8_t)size;
    out->carrier = carrier;
    memcpy(out->stored, &raw, 8);
    if (x->m.flags & ~x->m.masks & (X_IE | X_OE | X_UE)) {
        x->m.flags &= ~(uint32_t)X_C1;
        return XO_KEEP;
    }
    out->carries = 1;
    if (pops)
        pop(x->f);
    return XO_STORE;
}

static enum x87_outcome store_float(struct x87 *x, struct small f, uint32_t size, int pops)
{
    struct x87_mode exact = {0, 64, 0x3f, 0, 0};
    struct x80 a = missing(x, 0) ? X_INDEFINITE : get(x->f, 0);
    uint64_t raw = x80_to_small(&x->m, f, a);
    uint64_t below = raw & ((1ull << f.frac) - 1);

    x->out->fixes = below && !(raw >> f.frac & f.top); /* the engine lets MXCSR.FZ work on the x87, too */
    return store(x, raw, size, x80_from_small(&exact, f, raw), pops);
}

static enum x87_outcome store_integer(struct x87 *x, uint32_t size, uint32_t rounding, int pops)
{
    uint64_t limit = 1ull << (8 * size - 1), raw;
    int sign;

    if (missing(x, 0))
        raw = limit;
    else
        raw = x80_to_integer(&x->m, get(x->f, 0), 8 * size, rounding);
    sign = (int)(raw >> 63) || raw == limit;
    return store(x, raw, size, x80_from_integer(sign, raw >> 63 ? 0 - raw : raw), pops);
}

static enum x87_outcome store_digits(struct x87 *x)
{
    static const uint8_t INDEFINITE[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
    uint64_t value = 0;
    struct x80 a = get(x->f, 0);
    int none = missing(x, 0) || x80_to_digits(&x->m, a, &value);
    enum x87_outcome outcome = store(x, 0, 10, x80_from_integer(x80_sign(a), value), 1);

    put_digits(x->out->stored, x80_sign(a), value);
    if (none)
        memcpy(x->out->stored, INDEFINITE, 10);
    x->out->fixes = none || !value; /* the engine loses the sign of 0 */
    return outcome;
}

static enum x87_outcome store_extended(struct x87 *x)
{
    struct x80 a = missing(x, 0) ? X_INDEFINITE : get(x->f, 0);
    enum x87_outcome outcome = store(x, a.sig, 10, a, 1);

    memcpy(x->out->stored + 8, &a.se, 2);
    return outcome;
}

static enum x87_outcome load_or_store_integer(struct x87 *x, uint32_t digit, uint32_t size)
{
    switch (digit) {
    case 0: load(x, integer_operand(x, size)); return XO_DONE;
    case 1: return store_integer(x, size, RC_ZERO, 1);
    default: return store_integer(x, size, x->m.rounding, digit == 3);
    }
}

static enum x87_outcome load_or_store_float(struct x87 *x, uint32_t digit, uint32_t size)
{
    if (digit == 0) {
        struct x80 a = float_operand(x, size);

        if (!full(x)) {
            if (x80_class(a) == XC_SNAN)
                x->m.flags |= X_IE;
            if (!x87_refused(&x->m))
                push(x->f, x80_is_nan(a) ? x80_quiet(a) : a);
            if (x->m.denormal) /* which is loaded, masked or not */
                x->m.flags |= X_DE;
        } else if (!x87_refused(&x->m))
            push(x->f, X_INDEFINITE);
        return XO_DONE;
    }
    return store_float(x, size == 4 ? SINGLE : DOUBLE, size, digit == 3);
}

/* How many bytes the operand has, as far as the unit reads or writes it; 0 where the engine does. */
static uint32_t x87_operand_size(uint8_t op, uint8_t modrm)
{
    static const uint8_t SIZES[8][8] = {
        {4, 4, 4, 4, 4, 4, 4, 4}, {4, 0, 4, 4, 0, 0, 0, 0}, {4, 4, 4, 4, 4, 4, 4, 4}, {4, 4, 4, 4, 0, 10, 0, 10},
        {8, 8, 8, 8, 8, 8, 8, 8}, {8, 8, 8, 8, 0, 0, 0, 0}, {2, 2, 2, 2, 2, 2, 2, 2}, {2, 2, 2, 2, 10, 8, 10, 8},
    };

    return SIZES[op & 7][modrm >> 3 & 7];
}

static enum x87_outcome memory_insn(struct x87 *x)
{
    uint32_t digit = x->i->modrm >> 3 & 7, size = x87_operand_size(x->i->op, x->i->modrm);

    if (!size)
        return XO_ENGINE;
    switch (x->i->op) {
    case 0xd8: case 0xdc:
        with_memory(x, float_operand(x, size));
        return XO_DONE;
    case 0xda: case 0xde:
        with_memory(x, integer_operand(x, size));
        return XO_DONE;
    case 0xd9: case 0xdd:
        return digit == 1 ? load_or_store_integer(x, 1, size) : load_or_store_float(x, digit, size);
    case 0xdb:
        if (digit == 5)
            load(x, (struct x80){word(x->i->operand, 8), (uint16_t)word(x->i->operand + 8, 2)});
        else if (digit == 7)
            return store_extended(x);
        else
            return load_or_store_integer(x, digit, size);
        return XO_DONE;
    default: /* DF */
        if (digit == 4)
            load(x, x80_from_digits(x->i->operand));
        else if (digit == 6)
            return store_digits(x);
        else if (digit == 5 || digit == 7)
            return load_or_store_integer(x, digit == 5 ? 0 : 3, size);
        else
            return load_or_store_integer(x, digit, size);
        return XO_DONE;
    }
}

#endif
