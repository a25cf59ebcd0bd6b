/*
 * One x87 instruction, from the state before it to the state behind it: emu/x87/unit.py.
 *
 * The engine does what touches memory, EFLAGS and AX; what it stores is decided here.
 */
#ifndef EMU_X87_UNIT_H
#define EMU_X87_UNIT_H

#include <string.h>

#include "_x87_convert.h"

enum { X_ES = 0x80, X_C0 = 0x100, X_C2 = 0x400, X_C3 = 0x4000, X_BUSY = 0x8000, X_CONDITIONS = 0x4700 };

struct fpu {                /* the x87's part of the engine's registers, in its order: FPU_SIZE in emu/x87/state.py */
    uint32_t before;        /* the engine's, left alone */
    uint32_t top;
    uint16_t status;        /* without TOP */
    uint16_t control;
    uint8_t empty[8];       /* by physical register */
    struct { uint64_t sig; uint16_t se, unused[3]; } reg[8];
    uint16_t opcode, cs, ds, unused;
    uint64_t ip, dp;
};

struct x87_insn {
    uint8_t op, modrm;      /* D8 to DF or 9B, and what follows */
    uint16_t cs, ds;        /* selectors of the instruction and of its operand */
    uint32_t ip, dp;
    uint32_t eflags;        /* for FCMOV */
    uint8_t operand[16];    /* in memory */
};

/* What is left to do when the unit has done its part. */
enum x87_outcome {
    XO_ENGINE,              /* all of it: a control instruction, or none that is known */
    XO_DONE,                /* nothing, but what the engine does besides */
    XO_STORE,               /* the operand becomes `stored` */
    XO_KEEP,                /* the operand must stay as it was */
};

struct x87_result {
    struct x80 carrier;     /* in ST(0), what makes the engine store the right bytes */
    uint8_t stored[16], size;
    uint8_t carries;        /* there is a carrier */
    uint8_t fixes;          /* no number makes the engine store this: write it behind it */
};

struct x87 {                /* an instruction at work */
    struct fpu *f;
    const struct x87_insn *i;
    struct x87_result *out;
    struct x87_mode m;
    uint16_t kept;          /* condition bits that it leaves alone */
};

static uint32_t st(const struct fpu *f, uint32_t n)
{
    return (f->top + n) & 7;
}

static struct x80 get(const struct fpu *f, uint32_t n)
{
    return (struct x80){f->reg[st(f, n)].sig, f->reg[st(f, n)].se};
}

static void put(struct fpu *f, uint32_t n, struct x80 a)
{
    f->reg[st(f, n)].sig = a.sig;
    f->reg[st(f, n)].se = a.se;
    f->empty[st(f, n)] = 0;
}

static void pop(struct fpu *f)
{
    f->empty[f->top] = 1;
    f->top = (f->top + 1) & 7;
}

static void push(struct fpu *f, struct x80 a)
{
    f->top = (f->top - 1) & 7;
    put(f, 0, a);
}

static void summarise(struct fpu *f)
{
    f->status &= (uint16_t)~(X_ES | X_BUSY);
    if (f->status & ~f->control & 0x3f)
        f->status |= X_ES | X_BUSY;
}

/* The operation's flags become the unit's. */
static void settle_flags(struct x87 *x)
{
    uint32_t kept = x->m.flags & X_SF ? 0 : x->kept;

    if (x87_refused(&x->m) && !(x->m.flags & X_SF)) /* there is no result that could be too large, or rounded */
        x->m.flags &= X_IE | X_DE | X_ZE;
    x->f->status = (uint16_t)((x->f->status & ~(X_C1 & ~kept)) | x->m.flags);
    summarise(x->f);
}

static void set_conditions(struct fpu *f, uint32_t bits)
{
    f->status = (uint16_t)((f->status & ~X_CONDITIONS) | bits);
}

/* A register that should hold something does not. */
static int missing(struct x87 *x, uint32_t n)
{
    if (!x->f->empty[st(x->f, n)])
        return 0;
    x->m.flags |= X_IE | X_SF;
    return 1;
}

/* A register that should be free for a push is not. */
static int full(struct x87 *x)
{
    if (x->f->empty[(x->f->top - 1) & 7])
        return 0;
    x->m.flags |= X_IE | X_SF | X_C1;
    return 1;
}

static void load(struct x87 *x, struct x80 a)
{
    if (full(x))
        a = X_INDEFINITE;
    if (!x87_refused(&x->m))
        push(x->f, a);
}

static uint64_t word(const uint8_t *at, uint32_t size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

static struct x80 integer_operand(const struct x87 *x, uint32_t size)
{
    uint64_t raw = word(x->i->operand, size);
    int64_t value = size == 2 ? (int16_t)raw : size == 4 ? (int32_t)raw : (int64_t)raw;

    return x80_from_integer(value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static struct x80 float_operand(struct x87 *x, uint32_t size)
{
    return x80_from_small(&x->m, size == 4 ? SINGLE : DOUBLE, word(x->i->operand, size));
}

/* C3, C2 and C0 of a comparison, and of nothing that can be compared. */
static uint32_t compare(struct x87 *x, struct x80 a, struct x80 b, int quiet)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    struct x87_num p, q;
    int less;

    if (ca >= XC_QNAN || cb >= XC_QNAN) {
        if (!quiet || ca > XC_QNAN || cb > XC_QNAN)
            x->m.flags |= X_IE;
        return X_C3 | X_C2 | X_C0;
    }
    note_denormal(&x->m, a);
    note_denormal(&x->m, b);
    if (ca == XC_ZERO && cb == XC_ZERO)
        return X_C3;
    if (ca == XC_ZERO || cb == XC_ZERO || x80_sign(a) != x80_sign(b)) {
        less = ca == XC_ZERO ? !x80_sign(b) : x80_sign(a);
        return less ? X_C0 : 0;
    }
    if (ca == XC_INFINITY || cb == XC_INFINITY) {
        if (ca == cb)
            return X_C3;
        less = (ca != XC_INFINITY) != x80_sign(a);
        return less ? X_C0 : 0;
    }
    p = x80_unpack(a);
    q = x80_unpack(b);
    if (p.exp == q.exp && p.sig == q.sig)
        return X_C3;
    less = p.exp < q.exp || (p.exp == q.exp && p.sig < q.sig);
    return less != x80_sign(a) ? X_C0 : 0;
}

static struct x80 arithmetic(struct x87_mode *m, uint32_t operation, struct x80 a, struct x80 b)
{
    switch (operation) {
    case 0: return x80_add(m, a, b);
    case 1: return x80_mul(m, a, b);
    case 4: return x80_sub(m, a, b);
    case 5: return x80_sub(m, b, a);
    case 6: return x80_div(m, a, b);
    default: return x80_div(m, b, a);
    }
}

/* FCOM and its relatives with a second operand. */
static void compare_with(struct x87 *x, struct x80 b, int absent, int quiet, int pops)
{
    uint32_t bits = X_C3 | X_C2 | X_C0;

    if (absent || missing(x, 0)) {
        x->m.flags |= X_IE | X_SF;
        x->m.flags &= X_IE | X_SF;
    } else
        bits = compare(x, get(x->f, 0), b, quiet);
    set_conditions(x->f, bits);
    if (x87_refused(&x->m))
        return;
    while (pops--)
        pop(x->f);
}

/* FADD and its relatives between ST(0) and an operand in memory. */
static void with_memory(struct x87 *x, struct x80 b)
{
    uint32_t operation = x->i->modrm >> 3 & 7;
    struct x80 r;

    if (operation == 2 || operation == 3) {
        compare_with(x, b, 0, 0, operation == 3);
        return;
    }
    r = missing(x, 0) ? X_INDEFINITE : arithmetic(&x->m, operation, get(x->f, 0), b);
    if (!x87_refused(&x->m))
        put(x->f, 0, r);
}

/* The same between registers; the result goes to ST(target). */
static void with_register(struct x87 *x, uint32_t n, uint32_t target, int pops)
{
    struct x80 r;
    int gone = missing(x, 0) | missing(x, n);

    if (gone)
        r = X_INDEFINITE;
    else
        r = arithmetic(&x->m, x->i->modrm >> 3 & 7, get(x->f, 0), get(x->f, n));
    if (x87_refused(&x->m))
        return;
    put(x->f, target, r);
    if (pops)
        pop(x->f);
}

#include "_x87_register.h"
#include "_x87_memory.h"

static int is_control(uint8_t op, uint8_t modrm)
{
    uint32_t digit = modrm >> 3 & 7;

    if (op == 0x9b)
        return 1;
    if (modrm < 0xc0)
        return (op == 0xd9 && digit >= 4) || (op == 0xdd && (digit == 4 || digit >= 6));
    return (op == 0xdb && modrm >= 0xe0 && modrm <= 0xe7) || (op == 0xdf && modrm >= 0xe0 && modrm <= 0xe7);
}

/* *f is of no use any more when the outcome is XO_ENGINE. */
static enum x87_outcome x87_execute(struct fpu *f, const struct x87_insn *i, struct x87_result *out)
{
    struct x87 x = {f, i, out, {0, 64, 0, 0, 0}, 0};
    enum x87_outcome outcome;
    static const uint8_t BITS[4] = {24, 64, 53, 64};

    if (is_control(i->op, i->modrm))
        return XO_ENGINE;
    x.m.rounding = f->control >> 10 & 3;
    x.m.masks = f->control & 0x3f;
    x.m.bits = BITS[f->control >> 8 & 3];
    memset(out, 0, sizeof *out);
    outcome = i->modrm < 0xc0 ? memory_insn(&x) : register_insn(&x);
    if (outcome == XO_ENGINE)
        return outcome;
    settle_flags(&x);
    f->ip = i->ip;
    f->cs = i->cs;
    f->opcode = (uint16_t)((i->op & 7) << 8 | i->modrm);
    if (i->modrm < 0xc0) {
        f->dp = i->dp;
        f->ds = i->ds;
    }
    return outcome;
}

#endif
