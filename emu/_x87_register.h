/* x87 instructions without an operand in memory: emu/x87/register.py. Part of _x87_unit.h. */
#ifndef EMU_X87_REGISTER_H
#define EMU_X87_REGISTER_H

#include "_x87_functions.h"

/* FLD1 to FLDZ: each with what is below its last bit, in eighths: 5 stands for anything above a half. */
static const struct { uint16_t se; uint64_t sig; uint8_t below; } CONSTANTS[7] = {
    {0x3fff, 0x8000000000000000u, 0}, {0x4000, 0xd49a784bcd1b8afeu, 2}, {0x3fff, 0xb8aa3b295c17f0bbu, 5},
    {0x4000, 0xc90fdaa22168c234u, 5}, {0x3ffd, 0x9a209a84fbcff798u, 5}, {0x3ffe, 0xb17217f7d1cf79abu, 5},
    {0, 0, 0},
};

static void load_constant(struct x87 *x, uint32_t n)
{
    struct x80 a = {CONSTANTS[n].sig, CONSTANTS[n].se};

    a.sig += (uint64_t)rounds_up(x->m.rounding, 0, a.sig & 1, CONSTANTS[n].below, 4);
    load(x, a);
}

static uint32_t kind_bits(struct x80 a)
{
    switch (x80_class(a)) {
    case XC_ZERO: return X_C3;
    case XC_DENORMAL: return X_C3 | X_C2;
    case XC_NORMAL: return X_C2;
    case XC_INFINITY: return X_C2 | X_C0;
    case XC_UNSUPPORTED: return 0;
    default: return X_C0;
    }
}

static void examine(struct x87 *x)
{
    struct x80 a = get(x->f, 0);
    uint32_t bits = x->f->empty[x->f->top] ? X_C3 | X_C0 : kind_bits(a);

    set_conditions(x->f, bits);
    if (x80_sign(a))
        x->m.flags |= X_C1;
}

static void exchange(struct x87 *x, uint32_t n)
{
    struct x80 a = missing(x, 0) ? X_INDEFINITE : get(x->f, 0);
    struct x80 b = missing(x, n) ? X_INDEFINITE : get(x->f, n);

    if (x87_refused(&x->m))
        return;
    put(x->f, 0, b);
    put(x->f, n, a);
}

static void load_register(struct x87 *x, uint32_t n)
{
    if (!missing(x, n))
        load(x, get(x->f, n));
    else if (!x87_refused(&x->m))
        push(x->f, X_INDEFINITE);
}

static void copy_to(struct x87 *x, uint32_t n, int pops)
{
    struct x80 a = missing(x, 0) ? X_INDEFINITE : get(x->f, 0);

    if (x87_refused(&x->m))
        return;
    put(x->f, n, a);
    if (pops)
        pop(x->f);
}

static void move_if(struct x87 *x, uint32_t n)
{
    static const uint32_t TESTED[4] = {1, 0x40, 0x41, 4}; /* CF, ZF, CF or ZF, PF */
    int holds = (x->i->eflags & TESTED[x->i->modrm >> 3 & 3]) != 0;
    int gone = missing(x, 0) | missing(x, n);

    x->kept = X_C1;
    if (x87_refused(&x->m))
        return;
    if (holds == (x->i->op == 0xda))
        put(x->f, 0, gone ? X_INDEFINITE : get(x->f, n));
    else if (gone)
        put(x->f, 0, X_INDEFINITE);
}

static void change_sign(struct x87 *x, uint16_t and, uint16_t flip)
{
    struct x80 a = missing(x, 0) ? X_INDEFINITE : get(x->f, 0);

    if (x87_refused(&x->m))
        return;
    if (!(x->m.flags & X_SF))
        a.se = (uint16_t)((a.se & and) ^ flip);
    put(x->f, 0, a);
}

/* FPREM and FPREM1. */
static void remainder_insn(struct x87 *x, int nearest)
{
    uint64_t quotient = 0;
    int partial = 0;
    struct x80 r = X_INDEFINITE;

    if (!(missing(x, 0) | missing(x, 1)))
        r = x80_remainder(&x->m, get(x->f, 0), get(x->f, 1), nearest, &quotient, &partial);
    x->m.flags &= ~(uint32_t)X_C1;
    x->f->status &= (uint16_t)~X_C2;
    if (x87_refused(&x->m))
        return;
    put(x->f, 0, r);
    if (x80_is_nan(r))
        return;
    set_conditions(x->f, (partial ? X_C2 : 0) | (quotient & 4 ? X_C0 : 0) | (quotient & 2 ? X_C3 : 0));
    if (quotient & 1)
        x->m.flags |= X_C1;
}

static void extract_insn(struct x87 *x)
{
    struct x80 a = X_INDEFINITE, exponent = X_INDEFINITE;

    if (!missing(x, 0) && !full(x)) {
        a = get(x->f, 0);
        exponent = x80_extract(&x->m, &a);
    }
    if (x87_refused(&x->m))
        return;
    put(x->f, 0, exponent);
    push(x->f, a);
}

static struct x80 one_operand(struct x87 *x, uint32_t modrm, struct x80 a)
{
    if (modrm == 0xfa)
        return x80_sqrt(&x->m, a);
    x->m.bits = 64;
    return x80_round_to_integer(&x->m, a);
}

/* D9 E0 to D9 FF. */
static enum x87_outcome group_d9(struct x87 *x)
{
    uint32_t modrm = x->i->modrm;
    struct x80 r = X_INDEFINITE;

    switch (modrm) {
    case 0xe0: change_sign(x, 0xffff, 0x8000); return XO_DONE;
    case 0xe1: change_sign(x, 0x7fff, 0); return XO_DONE;
    case 0xe4: compare_with(x, x80_zero(0), 0, 0, 0); return XO_DONE;
    case 0xe5: examine(x); return XO_DONE;
    case 0xe8: case 0xe9: case 0xea: case 0xeb: case 0xec: case 0xed: case 0xee:
        load_constant(x, modrm - 0xe8);
        return XO_DONE;
    case 0xf4: extract_insn(x); return XO_DONE;
    case 0xf5: x->m.bits = 64; remainder_insn(x, 1); return XO_DONE;
    case 0xf8: x->m.bits = 64; remainder_insn(x, 0); return XO_DONE;
    case 0xf6: x->f->top = (x->f->top - 1) & 7; return XO_DONE;
    case 0xf7: x->f->top = (x->f->top + 1) & 7; return XO_DONE;
    case 0xfa: case 0xfc:
        if (!missing(x, 0))
            r = one_operand(x, modrm, get(x->f, 0));
        if (!x87_refused(&x->m))
            put(x->f, 0, r);
        return XO_DONE;
    case 0xfd:
        x->m.bits = 64;
        if (!(missing(x, 0) | missing(x, 1)))
            r = x80_scale(&x->m, get(x->f, 0), get(x->f, 1));
        if (!x87_refused(&x->m))
            put(x->f, 0, r);
        return XO_DONE;
    default:
        return function_insn(x);
    }
}

static enum x87_outcome register_insn(struct x87 *x)
{
    uint32_t digit = x->i->modrm >> 3 & 7, n = x->i->modrm & 7, op = x->i->op;
    int compares = digit == 2 || digit == 3;

    switch (op) {
    case 0xd8: case 0xdc:
        if (compares)
            compare_with(x, get(x->f, n), missing(x, n), 0, digit == 3);
        else
            with_register(x, n, op == 0xd8 ? 0 : n, 0);
        return XO_DONE;
    case 0xd9:
        if (digit >= 4)
            return group_d9(x);
        if (digit == 0)
            load_register(x, n);
        else if (digit == 1)
            exchange(x, n);
        else if (digit == 3 && x->f->empty[x->f->top])
            pop(x->f);
        else if (digit == 3)
            copy_to(x, n, 1);
        else if (n)
            return XO_ENGINE;
        else /* FNOP */
            x->kept = X_C1;
        return XO_DONE;
    case 0xda:
        if (x->i->modrm == 0xe9)
            compare_with(x, get(x->f, 1), missing(x, 1), 1, 2);
        else if (digit < 4)
            move_if(x, n);
        else
            return XO_ENGINE;
        return XO_DONE;
    case 0xdb: case 0xdf:
        if (digit == 5 || digit == 6) { /* FUCOMI, FCOMI: EFLAGS are the engine's */
            uint32_t before = x->f->status & X_CONDITIONS;

            compare_with(x, get(x->f, n), missing(x, n), digit == 5, op == 0xdf);
            x->out->carries = (x->f->status & X_CONDITIONS & ~X_C1) == (X_C3 | X_C2 | X_C0);
            x->out->carrier = X_INDEFINITE;
            set_conditions(x->f, before);
            x->kept = X_C1;
            return XO_DONE;
        }
        if (digit > 3)
            return XO_ENGINE;
        if (op == 0xdb)
            move_if(x, n);
        else if (digit == 0) {
            x->f->empty[st(x->f, n)] = 1;
            pop(x->f);
        } else if (digit == 1)
            exchange(x, n);
        else
            copy_to(x, n, 1);
        return XO_DONE;
    case 0xdd:
        if (digit == 0)
            x->f->empty[st(x->f, n)] = 1;
        else if (digit == 1)
            exchange(x, n);
        else if (digit < 4)
            copy_to(x, n, digit == 3);
        else if (digit < 6)
            compare_with(x, get(x->f, n), missing(x, n), 1, digit == 5);
        else
            return XO_ENGINE;
        return XO_DONE;
    default: /* DE */
        if (digit == 3) {
            if (n != 1)
                return XO_ENGINE;
            compare_with(x, get(x->f, 1), missing(x, 1), 0, 2);
        } else if (compares)
            compare_with(x, get(x->f, n), missing(x, n), 0, 1);
        else
            with_register(x, n, n, 1);
        return XO_DONE;
    }
}

#endif
