/* What an SSE instruction computes, and its flags in MXCSR: emu/x87/sse.py. Part of _sse_trap.h. */
#ifndef EMU_SSE_UNIT_H
#define EMU_SSE_UNIT_H

#include "_x87_unit.h"

/* The operations that round or compare: 0F xx, with a mandatory prefix. */
static int is_sse(int op)
{
    return op == 0x2a || (op >= 0x2c && op <= 0x2f) || op == 0x51 || (op >= 0x58 && op <= 0x5f) || op == 0x7c ||
        op == 0x7d || op == 0xc2 || op == 0xd0 || op == 0xe6;
}

enum { MXCSR_DAZ = 0x40, MXCSR_FTZ = 0x8000, MXCSR_FLAGS = 0x3f };
enum sse_form { SSE_PS, SSE_PD, SSE_SS, SSE_SD };   /* no prefix, 66, F3, F2 */

struct sse_insn {
    uint8_t op, form, predicate;    /* 0F xx; enum sse_form; of CMP */
    uint8_t whole;                  /* the result is a whole register, or a part of it: not EFLAGS or a general one */
    uint32_t mxcsr;
    uint8_t a[16], b[16], r[16];    /* target, source, result */
};

struct sse {                        /* one element at work */
    const struct sse_insn *i;
    uint32_t before, after;         /* flags that come before the result, and with it */
};

static const struct small *format_of(int wide)
{
    return wide ? &DOUBLE : &SINGLE;
}

/* An element as an 80-bit number; *denormal, where it is one and counts. */
static struct x80 element(const struct sse_insn *i, int wide, uint64_t raw, uint32_t *denormal)
{
    struct x87_mode m = {RC_NEAREST, 64, 0x3f, 0, 0};
    struct x80 a = x80_from_small(&m, *format_of(wide), raw);

    if (!m.denormal)
        return a;
    if (i->mxcsr & MXCSR_DAZ)
        return x80_zero(x80_sign(a));
    *denormal = 1;
    return a;
}

static struct x87_mode sse_mode(const struct sse_insn *i)
{
    return (struct x87_mode){i->mxcsr >> 13 & 3, 64, 0x3f, 0, 0};
}

/* Round to the element's format. */
static uint64_t deliver_element(struct sse *s, int wide, struct x80 r)
{
    const struct small *f = format_of(wide);
    struct x87_mode m = sse_mode(s->i);
    uint64_t raw;

    if (x80_class(r) == XC_NORMAL) {
        uint32_t masks = s->i->mxcsr >> 7;
        struct x87_num x = x80_unpack(r);
        struct rounded rounded = round_bits((u128)x.sig << 64, (uint32_t)f->frac + 1, m.rounding, x.sign);
        int32_t exp = x.exp + f->bias - X_BIAS + rounded.carry;
        uint32_t limit = exp <= 0 ? X_UE : exp >= f->top ? X_OE : 0;

        if (limit & ~masks) {
            s->after |= limit | (rounded.inexact ? X_PE : 0);
            return 0;
        }
        if (limit == X_UE && s->i->mxcsr & MXCSR_FTZ) {
            s->after |= X_UE | X_PE;
            return small_make(*f, x.sign, 0, 0);
        }
    }
    raw = x80_to_small(&m, *f, r);
    s->after |= m.flags & (X_OE | X_UE | X_PE);
    return raw;
}

static uint64_t sse_arithmetic(struct sse *s, uint8_t op, int wide, uint64_t raw_a, uint64_t raw_b)
{
    struct x87_mode m = sse_mode(s->i);
    struct x80 a, b, r;

    m.rounding = m.rounding == RC_DOWN ? RC_ODD_DOWN : RC_ODD;
    m.masks = 0x3f;
    a = element(s->i, wide, op == 0x51 ? raw_b : raw_a, &m.denormal);
    b = element(s->i, wide, raw_b, &m.denormal);
    if (x80_is_nan(a) || x80_is_nan(b)) {
        if (x80_class(a) == XC_SNAN || x80_class(b) == XC_SNAN)
            s->before |= X_IE;
        return deliver_element(s, wide, x80_quiet(x80_is_nan(a) ? a : b));
    }
    switch (op) {
    case 0x51: r = x80_sqrt(&m, b); break;
    case 0x58: r = x80_add(&m, a, b); break;
    case 0x59: r = x80_mul(&m, a, b); break;
    case 0x5c: r = x80_sub(&m, a, b); break;
    default: r = x80_div(&m, a, b); break;
    }
    s->before |= m.flags & (X_IE | X_DE | X_ZE);
    return deliver_element(s, wide, r);
}

/* C3, C2, C0 as for FCOM, with the flags of a comparison. */
static uint32_t sse_compare(struct sse *s, int wide, uint64_t raw_a, uint64_t raw_b, int quiet)
{
    struct x87 x = {0};
    struct x80 a = element(s->i, wide, raw_a, &x.m.denormal), b = element(s->i, wide, raw_b, &x.m.denormal);
    uint32_t bits = compare(&x, a, b, quiet);

    s->before |= x.m.flags & (X_IE | X_DE);
    return bits;
}

static uint64_t sse_predicate(struct sse *s, int wide, uint64_t a, uint64_t b)
{
    uint32_t predicate = s->i->predicate & 7, bits;
    int holds;

    bits = sse_compare(s, wide, a, b, (predicate & 3) == 0 || (predicate & 3) == 3);
    switch (predicate & 3) {
    case 0: holds = bits == X_C3; break;
    case 1: holds = bits == X_C0; break;
    case 2: holds = bits == X_C3 || bits == X_C0; break;
    default: holds = bits == (X_C3 | X_C2 | X_C0); break;
    }
    return holds != (int)(predicate >> 2) ? ~0ull : 0;
}

static uint64_t flushed(const struct sse_insn *i, int wide, uint64_t raw)
{
    uint32_t denormal = 0;
    struct x80 a = element(i, wide, raw, &denormal);

    return x80_class(a) == XC_ZERO ? small_make(*format_of(wide), x80_sign(a), 0, 0) : raw;
}

static uint64_t sse_extreme(struct sse *s, int wide, uint64_t a, uint64_t b)
{
    uint32_t bits = sse_compare(s, wide, a, b, 0);

    return flushed(s->i, wide, bits == (s->i->op == 0x5d ? X_C0 : 0u) ? a : b);
}

static uint64_t sse_to_integer(struct sse *s, int wide, uint64_t raw, uint32_t rounding)
{
    struct x87_mode m = sse_mode(s->i);
    uint32_t denormal = 0;
    uint64_t value = x80_to_integer(&m, element(s->i, wide, raw, &denormal), 32, rounding);

    s->before |= m.flags & X_IE;
    s->after |= m.flags & X_PE;
    return value;
}

static uint64_t sse_resize(struct sse *s, int wide, uint64_t raw)
{
    uint32_t denormal = 0;
    struct x80 a = element(s->i, wide, raw, &denormal);

    if (x80_class(a) == XC_SNAN)
        s->before |= X_IE;
    if (denormal)
        s->before |= X_DE;
    return deliver_element(s, !wide, x80_is_nan(a) ? x80_quiet(a) : a);
}

static uint64_t from_int32(struct sse *s, int wide, uint64_t raw)
{
    int32_t value = (int32_t)raw;

    return deliver_element(s, wide, x80_from_integer(value < 0, value < 0 ? 0 - (uint64_t)(int64_t)value : (uint64_t)value));
}

static uint64_t lane(const uint8_t *at, uint32_t size, uint32_t n)
{
    return word(at + size * n, size);
}

static void set_lane(uint8_t *at, uint32_t size, uint32_t n, uint64_t value)
{
    memcpy(at + size * n, &value, size);
}

/* Conversions between packed forms of other sizes; the rest of the target is 0. */
static void convert_packed(struct sse *s, struct sse_insn *i)
{
    uint32_t truncates = i->form == SSE_PD ? RC_ZERO : i->mxcsr >> 13 & 3, n;
    int wide = i->form == SSE_PD;

    memset(i->r, 0, 16);
    for (n = 0; n < 2; n++)
        if (i->op == 0x5a)
            set_lane(i->r, wide ? 4 : 8, n, sse_resize(s, wide, lane(i->b, wide ? 8 : 4, n)));
        else if (i->form == SSE_SS)
            set_lane(i->r, 8, n, from_int32(s, 1, lane(i->b, 4, n)));
        else
            set_lane(i->r, 4, n, sse_to_integer(s, 1, lane(i->b, 8, n), truncates));
}

/* HADD, HSUB, ADDSUB. */
static void across(struct sse *s, struct sse_insn *i, int wide)
{
    uint32_t size = wide ? 8 : 4, half = wide ? 1 : 2, n;

    for (n = 0; n < 2 * half; n++) {
        const uint8_t *from = n < half ? i->a : i->b;
        uint32_t at = n % half * 2;

        if (i->op == 0xd0)
            set_lane(i->r, size, n, sse_arithmetic(s, n & 1 ? 0x58 : 0x5c, wide, lane(i->a, size, n), lane(i->b, size, n)));
        else
            set_lane(i->r, size, n, sse_arithmetic(s, i->op == 0x7c ? 0x58 : 0x5c, wide, lane(from, size, at),
                                                   lane(from, size, at + 1)));
    }
}

static uint64_t one_element(struct sse *s, const struct sse_insn *i, int wide, uint64_t a, uint64_t b)
{
    switch (i->op) {
    case 0x5d: case 0x5f: return sse_extreme(s, wide, a, b);
    case 0xc2: return sse_predicate(s, wide, a, b);
    case 0x2e: case 0x2f: sse_compare(s, wide, a, b, i->op == 0x2e); return a;
    case 0x5b: return i->form == SSE_PS ? from_int32(s, 0, b)
        : sse_to_integer(s, 0, b, i->form == SSE_SS ? RC_ZERO : i->mxcsr >> 13 & 3);
    default: return sse_arithmetic(s, i->op, wide, a, b);
    }
}

/* Bytes of the source in memory; 0 where there is no such instruction. */
static uint32_t sse_source_size(uint8_t op, uint8_t form)
{
    uint32_t one = form == SSE_SS ? 4 : form == SSE_SD ? 8 : 16;

    switch (op) {
    case 0x2a: return form >= SSE_SS ? 4 : 8;
    case 0x2c: case 0x2d: return form == SSE_PS ? 8 : one;
    case 0x2e: case 0x2f: return form == SSE_PS ? 4 : form == SSE_PD ? 8 : 0;
    case 0x5a: return form == SSE_PS ? 8 : one;
    case 0x5b: return form == SSE_SD ? 0 : 16;
    case 0x7c: case 0x7d: case 0xd0: return form == SSE_PD || form == SSE_SD ? 16 : 0;
    case 0xe6: return form == SSE_PS ? 0 : form == SSE_SS ? 8 : 16;
    default: return one;
    }
}

/* The instruction's flags. The result is in i->r, where it has one. */
static uint32_t sse_execute(struct sse_insn *i)
{
    struct sse s = {i, 0, 0};
    int wide = i->form == SSE_PD || i->form == SSE_SD, scalar = i->form >= SSE_SS;
    uint32_t size = wide ? 8 : 4, masks = i->mxcsr >> 7 & MXCSR_FLAGS, n;

    memcpy(i->r, i->a, 16);
    i->whole = 1;
    if (i->op == 0x2a || i->op == 0x2c || i->op == 0x2d || i->op == 0x2e || i->op == 0x2f) {
        if (i->op < 0x2e) /* from or to general registers, or two elements of an MMX register */
            for (n = 0; n < (scalar ? 1 : 2); n++)
                if (i->op == 0x2a)
                    set_lane(i->r, size, n, from_int32(&s, wide, lane(i->b, 4, n)));
                else
                    sse_to_integer(&s, wide, lane(i->b, size, n), i->op == 0x2c ? RC_ZERO : i->mxcsr >> 13 & 3);
        else
            one_element(&s, i, wide, lane(i->a, size, 0), lane(i->b, size, 0));
        i->whole = i->op == 0x2a;
    } else if (i->op == 0x7c || i->op == 0x7d || i->op == 0xd0)
        across(&s, i, i->form == SSE_PD);
    else if (i->op == 0xe6 || (i->op == 0x5a && !scalar))
        convert_packed(&s, i);
    else if (i->op == 0x5a)
        set_lane(i->r, wide ? 4 : 8, 0, sse_resize(&s, wide, lane(i->b, size, 0)));
    else if (i->op == 0x5b)
        for (n = 0; n < 4; n++)
            set_lane(i->r, 4, n, one_element(&s, i, 0, 0, lane(i->b, 4, n)));
    else
        for (n = 0; n < (scalar ? 1 : 16 / size); n++)
            set_lane(i->r, size, n, one_element(&s, i, wide, lane(i->a, size, n), lane(i->b, size, n)));
    return s.before & ~masks ? s.before : s.before | s.after;
}

#endif
