/* The x87's numbers from and to other formats, remainders, scaling: emu/x87/convert.py. Part of _x87_unit.h. */
#ifndef EMU_X87_CONVERT_H
#define EMU_X87_CONVERT_H

#include "_x87_float.h"

struct small { int32_t frac, bias, top; }; /* bits of the fraction; of the exponent: its bias and its largest value */

static const struct small SINGLE = {23, 127, 0xff}, DOUBLE = {52, 1023, 0x7ff};

#define BCD_LARGEST 999999999999999999u

/* Exactly; what a signalling NaN or a denormal number raises is left to the operation. */
static struct x80 x80_from_small(struct x87_mode *m, struct small f, uint64_t raw)
{
    int32_t exp = (int32_t)(raw >> f.frac) & f.top;
    uint64_t frac = raw & ((1ull << f.frac) - 1), sig = 1ull << 63 | frac << (63 - f.frac);
    int sign = (raw >> f.frac) > (uint64_t)f.top, shift;

    if (exp == f.top)
        return x80_make(sign, X_LARGEST, sig);
    if (exp)
        return x80_make(sign, (uint32_t)(exp - f.bias + X_BIAS), sig);
    if (!frac)
        return x80_zero(sign);
    m->denormal = 1;
    shift = __builtin_clzll(frac);
    return x80_make(sign, (uint32_t)(X_BIAS + 64 - shift - f.bias - f.frac), frac << shift);
}

static uint64_t small_make(struct small f, int sign, int32_t exp, uint64_t frac)
{
    return (uint64_t)((sign ? f.top + 1 : 0) | exp) << f.frac | (frac & ((1ull << f.frac) - 1));
}

/* The number as a float or a double. An exception that is not masked keeps it from being stored. */
static uint64_t x80_to_small(struct x87_mode *m, struct small f, struct x80 a)
{
    enum x87_class class = x80_class(a);
    int sign = x80_sign(a), tiny;
    struct x87_num x;
    struct rounded r;

    switch (class) {
    case XC_UNSUPPORTED:
        a = x80_invalid(m);
        return small_make(f, 1, f.top, a.sig >> (63 - f.frac));
    case XC_SNAN:
        m->flags |= X_IE;
        /* fall through */
    case XC_QNAN:
        return small_make(f, sign, f.top, x80_quiet(a).sig >> (63 - f.frac));
    case XC_INFINITY:
        return small_make(f, sign, f.top, 0);
    case XC_ZERO:
        return small_make(f, sign, 0, 0);
    default:
        break;
    }
    x = x80_unpack(a);
    x.exp += f.bias - X_BIAS;
    r = round_bits((u128)x.sig << 64, (uint32_t)f.frac + 1, m->rounding, sign);
    tiny = x.exp + r.carry <= 0;
    if (tiny && m->masks & X_UE) {
        r = round_bits(shift_jam((u128)x.sig << 64, (uint32_t)(1 - x.exp)), (uint32_t)f.frac + 1, m->rounding, sign);
        if (r.inexact)
            m->flags |= X_UE | X_PE;
        x.exp = (int32_t)(r.kept >> 63);
    } else {
        x.exp += r.carry;
        if (tiny) {
            m->flags |= X_UE;
            return 0;
        }
        if (x.exp >= f.top) {
            m->flags |= X_OE;
            if (!(m->masks & X_OE))
                return 0;
            m->flags |= X_PE;
            if (m->rounding == RC_ZERO || m->rounding == (uint32_t)(sign ? RC_UP : RC_DOWN))
                return small_make(f, sign, f.top - 1, ~0ull);
            m->flags |= X_C1;
            return small_make(f, sign, f.top, 0);
        }
        if (r.inexact)
            m->flags |= X_PE;
    }
    if (r.up)
        m->flags |= X_C1;
    return small_make(f, sign, x.exp, r.kept >> (63 - f.frac));
}

static struct x80 x80_from_integer(int sign, uint64_t magnitude)
{
    int shift;

    if (!magnitude)
        return x80_zero(sign);
    shift = __builtin_clzll(magnitude);
    return x80_make(sign, (uint32_t)(X_BIAS + 63 - shift), magnitude << shift);
}

/* The magnitude of a finite number as an integer, with PE and C1; 0 and *fits = 0 when it has more than 64 bits. */
static uint64_t x80_round_integer(struct x87_mode *m, struct x80 a, uint32_t rounding, int *fits)
{
    struct x87_num x;
    u128 value;
    uint64_t whole;

    *fits = 1;
    if (x80_class(a) == XC_ZERO)
        return 0;
    x = x80_unpack(a);
    if (x.exp > X_BIAS + 63) {
        *fits = 0;
        return 0;
    }
    value = shift_jam((u128)x.sig << 64, (uint32_t)(X_BIAS + 63 - x.exp));
    whole = (uint64_t)(value >> 64);
    if ((uint64_t)value)
        m->flags |= X_PE;
    if (rounds_up(rounding, x.sign, whole & 1, (uint64_t)value, 1ull << 63)) {
        m->flags |= X_C1;
        if (!++whole)
            *fits = 0;
    }
    return whole;
}

/* FIST and the like: two's complement of so many bits, or the integer indefinite. */
static uint64_t x80_to_integer(struct x87_mode *m, struct x80 a, uint32_t bits, uint32_t rounding)
{
    uint64_t limit = 1ull << (bits - 1), value;
    struct x87_mode mine = *m;
    int fits = x80_class(a) < XC_INFINITY;

    if (fits) {
        value = x80_round_integer(&mine, a, rounding, &fits);
        if (fits && value <= limit - !x80_sign(a)) {
            m->flags = mine.flags;
            return x80_sign(a) ? 0 - value : value;
        }
    }
    m->flags |= X_IE;
    return limit;
}

/* FBSTP: the 18 digits as a binary number; 1 for the packed indefinite. */
static int x80_to_digits(struct x87_mode *m, struct x80 a, uint64_t *value)
{
    struct x87_mode mine = *m;
    int fits = x80_class(a) < XC_INFINITY;

    if (fits) {
        *value = x80_round_integer(&mine, a, m->rounding, &fits);
        if (fits && *value <= BCD_LARGEST) {
            m->flags = mine.flags;
            return 0;
        }
    }
    m->flags |= X_IE;
    return 1;
}

static void put_digits(uint8_t *at, int sign, uint64_t value)
{
    int n;

    for (n = 0; n < 9; n++, value /= 100)
        at[n] = (uint8_t)(value % 10 | value / 10 % 10 << 4);
    at[9] = sign ? 0x80 : 0;
}

static struct x80 x80_from_digits(const uint8_t *at)
{
    uint64_t value = 0;
    int n;

    for (n = 8; n >= 0; n--)
        value = value * 100 + (uint64_t)(at[n] >> 4) * 10 + (at[n] & 15);
    return x80_from_integer(at[9] >> 7, value);
}

static struct x80 x80_round_to_integer(struct x87_mode *m, struct x80 a)
{
    struct x80 r;
    uint64_t whole;
    int fits;

    if (x80_special(m, a, a, &r))
        return r;
    note_denormal(m, a);
    if ((a.se & X_LARGEST) >= X_BIAS + 63)
        return a;
    whole = x80_round_integer(m, a, m->rounding, &fits);
    return fits ? x80_from_integer(x80_sign(a), whole) : x80_make(x80_sign(a), X_BIAS + 64, 1ull << 63);
}

/* FPREM, and with `nearest` FPREM1. *quotient: its low bits; *partial: the remainder is not complete yet. */
static struct x80 x80_remainder(struct x87_mode *m, struct x80 a, struct x80 b, int nearest, uint64_t *quotient,
                                int *partial)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    struct x87_num x, y;
    struct x80 r;
    int32_t distance;
    uint64_t rest;
    int sign = x80_sign(a);

    *quotient = 0;
    *partial = 0;
    if (x80_special(m, a, b, &r))
        return r;
    if (ca == XC_INFINITY || cb == XC_ZERO)
        return x80_invalid(m);
    note_denormal(m, a);
    note_denormal(m, b);
    if (ca == XC_ZERO)
        return a;
    x = x80_unpack(a);
    if (cb == XC_INFINITY)
        return x80_pack(m, sign, x.exp, (u128)x.sig << 64);
    y = x80_unpack(b);
    distance = x.exp - y.exp;
    if (distance < -1 || (distance < 0 && !nearest))
        return x80_pack(m, sign, x.exp, (u128)x.sig << 64);
    if (distance == -1) { /* less than the divisor, perhaps more than half of it */
        if (x.sig <= y.sig)
            return x80_pack(m, sign, x.exp, (u128)x.sig << 64);
        *quotient = 1;
        return x80_normalise(m, !sign, y.exp, ((u128)y.sig << 64) - ((u128)x.sig << 63));
    }
    if (distance >= 64) {
        int32_t step = 32 | (distance & 31);

        *partial = 1;
        rest = (uint64_t)(((u128)x.sig << step) % y.sig);
        if (!rest)
            return x80_zero(sign);
        return x80_normalise(m, sign, y.exp + distance - step, (u128)rest << 64);
    }
    *quotient = (uint64_t)(((u128)x.sig << distance) / y.sig);
    rest = (uint64_t)(((u128)x.sig << distance) % y.sig);
    if (nearest && (rest > y.sig - rest || (rest == y.sig - rest && *quotient & 1))) {
        rest = y.sig - rest;
        sign = !sign;
        ++*quotient;
    }
    if (!rest)
        return x80_zero(x80_sign(a));
    return x80_normalise(m, sign, y.exp, (u128)rest << 64);
}

static struct x80 x80_scale(struct x87_mode *m, struct x80 a, struct x80 b)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    struct x87_num x, y;
    struct x80 r;
    int32_t by = 0;

    if (x80_special(m, a, b, &r))
        return r;
    if (cb == XC_INFINITY && ca == (x80_sign(b) ? XC_INFINITY : XC_ZERO))
        return x80_invalid(m);
    note_denormal(m, a);
    note_denormal(m, b);
    if (ca == XC_INFINITY || ca == XC_ZERO)
        return a;
    if (cb == XC_INFINITY)
        return x80_sign(b) ? x80_zero(x80_sign(a)) : x80_infinity(x80_sign(a));
    if (cb != XC_ZERO) {
        y = x80_unpack(b);
        by = y.exp > X_BIAS + 16 ? 1 << 17 : y.exp < X_BIAS ? 0 : (int32_t)(y.sig >> (X_BIAS + 63 - y.exp));
        by = y.sign ? -by : by;
    }
    x = x80_unpack(a);
    return x80_pack(m, x.sign, x.exp + by, (u128)x.sig << 64);
}

/* FXTRACT: the exponent; the significand is left in *a. */
static struct x80 x80_extract(struct x87_mode *m, struct x80 *a)
{
    struct x87_num x;
    struct x80 r;

    if (x80_special(m, *a, *a, &r)) {
        *a = r;
        return r;
    }
    switch (x80_class(*a)) {
    case XC_ZERO:
        m->flags |= X_ZE;
        return x80_infinity(1);
    case XC_INFINITY:
        return x80_infinity(0);
    default:
        note_denormal(m, *a);
        x = x80_unpack(*a);
        *a = x80_make(x.sign, X_BIAS, x.sig);
        return x80_from_integer(x.exp < X_BIAS, (uint64_t)(x.exp < X_BIAS ? X_BIAS - x.exp : x.exp - X_BIAS));
    }
}

#endif
