/*
 * Arithmetic on the x87's 80-bit numbers, after John Hauser's SoftFloat: unpack, compute with bits to spare and
 * a sticky bit, round and pack once. emu/x87/float80.py is the specification; the two agree to the bit.
 */
#ifndef EMU_X87_FLOAT_H
#define EMU_X87_FLOAT_H

#include <stdint.h>

typedef unsigned __int128 u128;

/* Exception flags as in the status word; C1 is bit 9. */
enum { X_IE = 1, X_DE = 2, X_ZE = 4, X_OE = 8, X_UE = 16, X_PE = 32, X_SF = 64, X_C1 = 0x200 };
enum { RC_NEAREST, RC_DOWN, RC_UP, RC_ZERO,
       RC_ODD, RC_ODD_DOWN };  /* to be rounded once more to fewer bits; as RC_DOWN has the sign of 0 */
enum { X_BIAS = 16383, X_LARGEST = 0x7fff, X_WRAP = 24576 };

struct x80 {
    uint64_t sig;           /* with the integer bit */
    uint16_t se;            /* sign and exponent */
};

struct x87_mode {           /* of one operation */
    uint32_t rounding;      /* RC */
    uint32_t bits;          /* of the significand: 24, 53 or 64 */
    uint32_t masks;         /* exceptions that are masked */
    uint32_t flags;         /* what it has raised, and X_C1 when the magnitude was rounded up */
    uint32_t denormal;      /* the operand in memory is denormal, though not in 80 bits */
};

enum x87_class { XC_ZERO, XC_DENORMAL, XC_NORMAL, XC_INFINITY, XC_QNAN, XC_SNAN, XC_UNSUPPORTED };

struct x87_num {            /* a finite number other than 0: sig * 2^(exp - X_BIAS - 63), bit 63 set */
    int sign;
    int32_t exp;
    uint64_t sig;
};

#define X_INDEFINITE ((struct x80){0xc000000000000000u, 0xffff})

static struct x80 x80_make(int sign, uint32_t exp, uint64_t sig)
{
    return (struct x80){sig, (uint16_t)((sign ? 0x8000 : 0) | exp)};
}

static struct x80 x80_zero(int sign)
{
    return x80_make(sign, 0, 0);
}

static struct x80 x80_infinity(int sign)
{
    return x80_make(sign, X_LARGEST, 1ull << 63);
}

static int x80_sign(struct x80 a)
{
    return a.se >> 15;
}

static enum x87_class x80_class(struct x80 a)
{
    uint32_t exp = a.se & X_LARGEST;

    if (!exp)
        return a.sig ? XC_DENORMAL : XC_ZERO;
    if (!(a.sig >> 63))
        return XC_UNSUPPORTED;
    if (exp != X_LARGEST)
        return XC_NORMAL;
    if (!(a.sig << 1))
        return XC_INFINITY;
    return a.sig >> 62 & 1 ? XC_QNAN : XC_SNAN;
}

static int x80_is_nan(struct x80 a)
{
    enum x87_class class = x80_class(a);

    return class == XC_QNAN || class == XC_SNAN;
}

static struct x87_num x80_unpack(struct x80 a)
{
    struct x87_num n = {x80_sign(a), a.se & X_LARGEST, a.sig};
    int shift = __builtin_clzll(a.sig);

    if (!n.exp)
        n.exp = 1; /* denormal and pseudo-denormal numbers */
    n.sig <<= shift;
    n.exp -= shift;
    return n;
}

/* Right by any distance; what falls out stays as the lowest bit. */
static u128 shift_jam(u128 a, uint32_t by)
{
    if (!by)
        return a;
    if (by > 127)
        return a != 0;
    return a >> by | ((a << (128 - by)) != 0);
}

static int clz128(u128 a)
{
    uint64_t high = (uint64_t)(a >> 64);

    return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)a);
}

/* Whether the magnitude kept grows by one unit, for this remainder behind it. */
static int rounds_up(uint32_t rounding, int sign, int odd, u128 rest, u128 half)
{
    switch (rounding) {
    case RC_NEAREST: return rest > half || (rest == half && odd);
    case RC_DOWN: return sign && rest;
    case RC_UP: return !sign && rest;
    case RC_ODD: case RC_ODD_DOWN: return rest && !odd;
    default: return 0;
    }
}

struct rounded { uint64_t kept; int carry, inexact, up; };

/* The top `bits` of 128, rounded; they stay at the top of `kept`. */
static struct rounded round_bits(u128 sig, uint32_t bits, uint32_t rounding, int sign)
{
    u128 unit = (u128)1 << (128 - bits), rest = sig & (unit - 1), kept = sig - rest;
    struct rounded r = {0, 0, rest != 0, 0};

    if (rounds_up(rounding, sign, (kept & unit) != 0, rest, unit >> 1)) {
        r.up = 1;
        kept += unit;
        r.carry = !kept;
        if (r.carry)
            kept = (u128)1 << 127;
    }
    r.kept = (uint64_t)(kept >> 64);
    return r;
}

static struct x80 x80_overflow(struct x87_mode *m, int sign)
{
    m->flags |= X_OE | X_PE;
    if (m->rounding == RC_ZERO || m->rounding == (uint32_t)(sign ? RC_UP : RC_DOWN))
        return x80_make(sign, X_LARGEST - 1, ~0ull << (64 - m->bits));
    m->flags |= X_C1;
    return x80_infinity(sign);
}

/* sig * 2^(exp - X_BIAS - 127), bit 127 set, as the destination takes it. */
static struct x80 x80_pack(struct x87_mode *m, int sign, int32_t exp, u128 sig)
{
    struct rounded r = round_bits(sig, m->bits, m->rounding, sign);
    int tiny = exp + r.carry <= 0;

    m->flags &= ~(uint32_t)X_C1;
    if (tiny && m->masks & X_UE) {
        r = round_bits(shift_jam(sig, (uint32_t)(1 - exp)), m->bits, m->rounding, sign);
        if (r.inexact)
            m->flags |= X_UE | X_PE;
        exp = r.kept >> 63;
    } else {
        if (r.inexact)
            m->flags |= X_PE;
        exp += r.carry;
        if (tiny) {
            m->flags |= X_UE;
            exp += X_WRAP;
            if (exp <= 0) { /* FSCALE by a lot */
                m->flags |= X_PE;
                return x80_zero(sign);
            }
        } else if (exp >= X_LARGEST) {
            if (m->masks & X_OE)
                return x80_overflow(m, sign);
            m->flags |= X_OE;
            exp -= X_WRAP;
            if (exp >= X_LARGEST) {
                m->flags |= X_PE | X_C1;
                return x80_infinity(sign);
            }
        }
    }
    if (r.up)
        m->flags |= X_C1;
    return x80_make(sign, (uint32_t)exp, r.kept);
}

/* The same for 128 bits that need not begin with a set one; they are not all 0. */
static struct x80 x80_normalise(struct x87_mode *m, int sign, int32_t exp, u128 sig)
{
    int shift = clz128(sig);

    return x80_pack(m, sign, exp - shift, sig << shift);
}

static struct x80 x80_invalid(struct x87_mode *m)
{
    m->flags |= X_IE;
    return X_INDEFINITE;
}

static struct x80 x80_quiet(struct x80 a)
{
    a.sig |= 1ull << 62;
    return a;
}

/* Of two operands at least one of which is a NaN: a quiet one before a signalling one made quiet, the larger
 * significand, the positive one. */
static struct x80 x80_propagate(struct x87_mode *m, struct x80 a, struct x80 b)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);

    if (ca == XC_SNAN || cb == XC_SNAN)
        m->flags |= X_IE;
    if (!x80_is_nan(b) || (ca == XC_QNAN && cb == XC_SNAN))
        return x80_quiet(a);
    if (!x80_is_nan(a) || (cb == XC_QNAN && ca == XC_SNAN))
        return x80_quiet(b);
    if (a.sig != b.sig)
        return x80_quiet(a.sig > b.sig ? a : b);
    return x80_quiet(a.se < b.se ? a : b);
}

/* What comes of two operands before any arithmetic: 1, with the result in *r, when that is all. */
static int x80_special(struct x87_mode *m, struct x80 a, struct x80 b, struct x80 *r)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);

    if (ca == XC_UNSUPPORTED || cb == XC_UNSUPPORTED) {
        *r = x80_invalid(m);
        return 1;
    }
    if (ca >= XC_QNAN || cb >= XC_QNAN) {
        *r = x80_propagate(m, a, b);
        return 1;
    }
    return 0;
}

static void note_denormal(struct x87_mode *m, struct x80 a)
{
    if (x80_class(a) == XC_DENORMAL || m->denormal)
        m->flags |= X_DE;
}

/* Whether an exception that is not masked has come before the result. */
static int x87_refused(const struct x87_mode *m)
{
    return (m->flags & ~m->masks & (X_IE | X_DE | X_ZE)) != 0;
}

static struct x80 x80_add(struct x87_mode *m, struct x80 a, struct x80 b)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    struct x87_num x, y;
    struct x80 r;
    u128 p, q;

    if (x80_special(m, a, b, &r))
        return r;
    if (ca == XC_INFINITY && cb == XC_INFINITY && x80_sign(a) != x80_sign(b))
        return x80_invalid(m);
    note_denormal(m, a);
    note_denormal(m, b);
    if (ca == XC_INFINITY || cb == XC_INFINITY)
        return ca == XC_INFINITY ? a : b;
    if (ca == XC_ZERO && cb == XC_ZERO)
        return x80_sign(a) == x80_sign(b) ? a : x80_zero(m->rounding == RC_DOWN || m->rounding == RC_ODD_DOWN);
    if (ca == XC_ZERO || cb == XC_ZERO) {
        x = x80_unpack(ca == XC_ZERO ? b : a);
        return x80_pack(m, x.sign, x.exp, (u128)x.sig << 64);
    }
    x = x80_unpack(a);
    y = x80_unpack(b);
    if (x.exp < y.exp || (x.exp == y.exp && x.sig < y.sig)) {
        struct x87_num swap = x;
        x = y;
        y = swap;
    }
    p = (u128)x.sig << 63;
    q = shift_jam((u128)y.sig << 63, (uint32_t)(x.exp - y.exp));
    p = x.sign == y.sign ? p + q : p - q;
    if (!p)
        return x80_zero(m->rounding == RC_DOWN || m->rounding == RC_ODD_DOWN);
    return x80_normalise(m, x.sign, x.exp + 1, p);
}

static struct x80 x80_negate(struct x80 a)
{
    a.se ^= 0x8000;
    return a;
}

/* a - b; a NaN keeps its sign. */
static struct x80 x80_sub(struct x87_mode *m, struct x80 a, struct x80 b)
{
    return x80_add(m, a, x80_is_nan(b) ? b : x80_negate(b));
}

static struct x80 x80_mul(struct x87_mode *m, struct x80 a, struct x80 b)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    int sign = x80_sign(a) ^ x80_sign(b);
    struct x87_num x, y;
    struct x80 r;

    if (x80_special(m, a, b, &r))
        return r;
    if ((ca == XC_INFINITY && cb == XC_ZERO) || (ca == XC_ZERO && cb == XC_INFINITY))
        return x80_invalid(m);
    note_denormal(m, a);
    note_denormal(m, b);
    if (ca == XC_INFINITY || cb == XC_INFINITY)
        return x80_infinity(sign);
    if (ca == XC_ZERO || cb == XC_ZERO)
        return x80_zero(sign);
    x = x80_unpack(a);
    y = x80_unpack(b);
    return x80_normalise(m, sign, x.exp + y.exp - X_BIAS + 1, (u128)x.sig * y.sig);
}

static struct x80 x80_div(struct x87_mode *m, struct x80 a, struct x80 b)
{
    enum x87_class ca = x80_class(a), cb = x80_class(b);
    int sign = x80_sign(a) ^ x80_sign(b), wide;
    struct x87_num x, y;
    struct x80 r;
    u128 dividend, rest;
    uint64_t high, low;

    if (x80_special(m, a, b, &r))
        return r;
    if ((ca == XC_INFINITY && cb == XC_INFINITY) || (ca == XC_ZERO && cb == XC_ZERO))
        return x80_invalid(m);
    if (cb == XC_ZERO && ca != XC_INFINITY) {
        m->flags |= X_ZE;
        return x80_infinity(sign);
    }
    note_denormal(m, a);
    note_denormal(m, b);
    if (ca == XC_INFINITY)
        return x80_infinity(sign);
    if (ca == XC_ZERO || cb == XC_INFINITY)
        return x80_zero(sign);
    x = x80_unpack(a);
    y = x80_unpack(b);
    wide = x.sig >= y.sig;
    dividend = (u128)x.sig << (wide ? 63 : 64);
    high = (uint64_t)(dividend / y.sig);
    rest = (dividend - (u128)high * y.sig) << 64;
    low = (uint64_t)(rest / y.sig);
    low |= (u128)low * y.sig != rest;
    return x80_pack(m, sign, x.exp - y.exp + X_BIAS - !wide, (u128)high << 64 | low);
}

static struct x80 x80_sqrt(struct x87_mode *m, struct x80 a)
{
    enum x87_class class = x80_class(a);
    struct x87_num x;
    u128 rest, root = 0, bit = (u128)1 << 126;
    struct x80 r;

    if (x80_special(m, a, a, &r))
        return r;
    if (class == XC_ZERO)
        return a;
    if (x80_sign(a))
        return x80_invalid(m);
    note_denormal(m, a);
    if (class == XC_INFINITY)
        return a;
    x = x80_unpack(a);
    x.exp -= X_BIAS;
    rest = (u128)x.sig << (x.exp & 1 ? 64 : 63); /* its root has 64 bits */
    for (; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else
            root >>= 1;
    }
    return x80_pack(m, 0, (x.exp >> 1) + X_BIAS,
                    root << 64 | (rest > root ? 3ull << 62 : rest != 0));
}

#endif
