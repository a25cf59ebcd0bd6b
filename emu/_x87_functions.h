/*
 * F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FSINCOS, FPTAN, correctly rounded: emu/x87/functions.py. Part of _x87_unit.h.
 */
#ifndef EMU_X87_FUNCTIONS_H
#define EMU_X87_FUNCTIONS_H

#include "_x87_series.h"

#define SQRT2 0xb504f333f9de6484u
#define PI66 FIXED(3, 0x243f6a8885a308d3u) /* pi to 64 places behind the point */

static int32_t exponent(struct x87_num x)
{
    return x.exp - X_BIAS;
}

/* w / 2^scale * 2^exp, which is never exact. */
static struct x80 deliver_wide(struct x87_mode *m, int sign, int32_t exp, struct wide w, int32_t scale)
{
    int shift;
    u128 sig = w.high;

    if (!w.high) {
        shift = clz128(w.low);
        sig = w.low << shift;
        shift += 128;
    } else {
        shift = clz128(w.high);
        if (shift)
            sig = w.high << shift | w.low >> (128 - shift);
    }
    return x80_pack(m, sign, X_BIAS + exp + 255 - shift - scale, sig | 1);
}

static struct x80 deliver(struct x87_mode *m, int sign, int32_t exp, u128 a, int32_t scale)
{
    return deliver_wide(m, sign, exp, (struct wide){0, a}, scale);
}

/* A result that processors call inexact all the same. */
static struct x80 exact(struct x87_mode *m, struct x80 a)
{
    m->flags |= X_PE | (a.se & X_LARGEST ? 0 : X_UE);
    return a;
}

static struct x80 f2xm1(struct x87_mode *m, struct x80 a)
{
    enum x87_class class = x80_class(a);
    struct x87_num x;
    struct x80 r;
    u128 p;

    if (x80_special(m, a, a, &r))
        return r;
    if (class == XC_ZERO)
        return a;
    if (class == XC_INFINITY)
        return x80_sign(a) ? x80_make(1, X_BIAS, 1ull << 63) : a;
    note_denormal(m, a);
    x = x80_unpack(a);
    if (exponent(x) >= 0) /* beyond -1 to 1 it is undefined, and processors leave a alone */
        return exact(m, x.sign && x.exp == X_BIAS && x.sig == 1ull << 63 ? x80_make(1, X_BIAS - 1, x.sig) : a);
    p = exp2_ratio(product(FIXED_LN2, shift_right((u128)x.sig << 63, -exponent(x))), x.sign);
    return deliver_wide(m, x.sign, exponent(x), multiply(product(FIXED_LN2, p), x.sig), FRACTION + 63);
}

/* y times log / 2^scale * 2^exp. */
static struct x80 times_log(struct x87_mode *m, struct x80 y, int sign, int32_t exp, u128 log, int32_t scale)
{
    struct x87_num n = x80_unpack(y);

    return deliver_wide(m, sign ^ n.sign, exp + exponent(n), multiply(log, n.sig), scale + 63);
}

/* y * log2(1 + w) for a small w. */
static struct x80 log_of_one_plus(struct x87_mode *m, struct x87_num w, struct x80 y)
{
    u128 part = shift_right((u128)w.sig << 62, -exponent(w)), two = (u128)1 << 126;
    u128 log = log2_ratio((u128)w.sig << 62, exponent(w), w.sign ? two - part : two + part);

    return times_log(m, y, w.sign, exponent(w), log, FRACTION);
}

/* y * log2(x). */
static struct x80 log_of(struct x87_mode *m, struct x87_num x, struct x80 y)
{
    int big = x.sig > SQRT2, shift;
    int32_t k = exponent(x) + big;
    uint64_t rest = big ? 0 - x.sig : x.sig - (1ull << 63);
    struct x87_num w;
    u128 d, part, log;

    if (!rest)
        return exact(m, x80_mul(m, x80_from_integer(k < 0, (uint64_t)(k < 0 ? -k : k)), y));
    shift = __builtin_clzll(rest);
    w = (struct x87_num){big, X_BIAS - shift - big, rest << shift};
    if (!k)
        return log_of_one_plus(m, w, y);
    d = ((u128)x.sig << (big ? 61 : 62)) + ((u128)1 << 125);
    part = shift_right(log2_ratio((u128)w.sig << 62, exponent(w), d), 14 - exponent(w));
    log = (u128)(k < 0 ? -k : k) << 112;
    log = (k < 0) == big ? log + part : log - part;
    return times_log(m, y, k < 0, 0, log, 112);
}

static int is_one(struct x80 a)
{
    return a.se == X_BIAS && a.sig == 1ull << 63;
}

static struct x80 fyl2x(struct x87_mode *m, struct x80 x, struct x80 y)
{
    enum x87_class cx = x80_class(x), cy = x80_class(y);
    int sign = x80_sign(y), above;
    struct x80 r;

    if (x80_special(m, x, y, &r))
        return r;
    if (cx == XC_ZERO) {
        if (cy == XC_ZERO)
            return x80_invalid(m);
        if (cy != XC_INFINITY)
            m->flags |= X_ZE;
        return x80_infinity(!sign);
    }
    above = x.se >= X_BIAS && !is_one(x);
    if (x80_sign(x) || (cx == XC_INFINITY && cy == XC_ZERO) || (is_one(x) && cy == XC_INFINITY))
        return x80_invalid(m);
    note_denormal(m, x);
    note_denormal(m, y);
    if (cx == XC_INFINITY || cy == XC_INFINITY)
        return x80_infinity(above ? sign : !sign);
    if (is_one(x) || cy == XC_ZERO)
        return x80_zero(above || is_one(x) ? sign : !sign);
    return log_of(m, x80_unpack(x), y);
}

static struct x80 fyl2xp1(struct x87_mode *m, struct x80 x, struct x80 y)
{
    enum x87_class cx = x80_class(x), cy = x80_class(y);
    int sign = x80_sign(x) ^ x80_sign(y);
    struct x87_mode nearest = {RC_NEAREST, 64, 0x3f, 0, 0};
    struct x87_num w;
    struct x80 r;

    if (x80_special(m, x, y, &r))
        return r;
    if ((cx == XC_INFINITY && (x80_sign(x) || cy == XC_ZERO)) || (cx == XC_ZERO && cy == XC_INFINITY))
        return x80_invalid(m);
    note_denormal(m, x);
    note_denormal(m, y);
    if (cx == XC_INFINITY || cy == XC_INFINITY)
        return x80_infinity(sign);
    if (cx == XC_ZERO || cy == XC_ZERO)
        return x80_zero(sign);
    w = x80_unpack(x);
    if (exponent(w) < -1)
        return log_of_one_plus(m, w, y);
    if (w.sign && exponent(w) >= 0)
        return exact(m, x);
    return log_of(m, x80_unpack(x80_add(&nearest, x, x80_make(0, X_BIAS, 1ull << 63))), y);
}

/* pi * sixteenths / 16 */
static struct x80 angle_of(struct x87_mode *m, int sign, uint32_t sixteenths)
{
    return deliver_wide(m, sign, 0, multiply(FIXED_PI, sixteenths), FRACTION + 4);
}

static struct x80 fpatan(struct x87_mode *m, struct x80 x, struct x80 y)
{
    enum x87_class cx = x80_class(x), cy = x80_class(y);
    int left = x80_sign(x), sign = x80_sign(y), steep;
    struct x87_num p, q;
    struct x80 r;
    u128 ratio, angle, whole;
    int32_t exp;

    if (x80_special(m, x, y, &r))
        return r;
    note_denormal(m, x);
    note_denormal(m, y);
    if (cx == XC_INFINITY && cy != XC_INFINITY)
        return left ? angle_of(m, sign, 16) : x80_zero(sign);
    if (cy == XC_INFINITY)
        return angle_of(m, sign, cx != XC_INFINITY ? 8 : left ? 12 : 4);
    if (cy == XC_ZERO)
        return left ? angle_of(m, sign, 16) : y;
    if (cx == XC_ZERO)
        return angle_of(m, sign, 8);
    p = x80_unpack(y);
    q = x80_unpack(x);
    steep = p.exp > q.exp || (p.exp == q.exp && p.sig > q.sig);
    if (steep) {
        struct x87_num swap = p;

        p = q;
        q = swap;
    }
    ratio = quotient((u128)p.sig << 62, (u128)q.sig << 62);
    exp = p.exp - q.exp;
    if (exp > -6 && ratio >> -exp >= FIXED_ONE >> 5) {
        angle = arctangent(ratio >> -exp);
        exp = 0;
    } else
        angle = product(ratio, atan_ratio(shift_right(product(ratio, ratio), -2 * exp)));
    if (!steep && !left)
        return deliver(m, sign, exp, angle, FRACTION);
    angle = shift_right(angle, -exp);
    whole = steep ? FIXED_PI >> 1 : FIXED_PI;
    return deliver(m, sign, 0, steep && left ? whole + angle : whole - angle, FRACTION);
}

struct angle {              /* a finite one below 2^63 that is not 0 */
    int quadrant, sign;
    int32_t exp;
    u128 r, sine, cosine;   /* the rest, 1 to 2; sin(rest) / rest; cos(rest) */
};

static struct angle angle_from(struct x80 number)
{
    struct x87_num x = x80_unpack(number);
    struct angle a = {0, x.sign, exponent(x), (u128)x.sig << 63, 0, 0};
    u128 r2;

    if (a.exp > -1 || (a.exp == -1 && x.sig >= 0xc90fdaa22168c235u)) {
        u128 turned = (u128)x.sig << (a.exp + 2), rest = turned % PI66;
        uint32_t quadrant = (uint32_t)(turned / PI66) & 3;
        int shift;

        if (2 * rest > PI66) {
            quadrant++;
            rest = PI66 - rest;
            a.sign = !a.sign;
        }
        shift = 127 - clz128(rest);
        a.quadrant = (int)((x.sign ? 0 - quadrant : quadrant) & 3);
        a.exp = shift - 65;
        a.r = rest << (FRACTION - shift);
    }
    r2 = product(a.r, a.r);
    r2 = a.exp > 0 ? r2 << 2 * a.exp : shift_right(r2, -2 * a.exp);
    a.sine = sine_series(r2, 32);
    a.cosine = sine_series(r2, 33);
    return a;
}

/* Of the angle, or of as many quarter turns more. */
static struct x80 sine_of(struct x87_mode *m, const struct angle *a, int ahead)
{
    int quadrant = (a->quadrant + ahead) & 3;

    if (quadrant & 1)
        return deliver(m, quadrant >> 1, 0, a->cosine, FRACTION);
    return deliver_wide(m, a->sign ^ quadrant >> 1, a->exp, multiply(a->r, a->sine), 2 * FRACTION);
}

static struct x80 tangent_of(struct x87_mode *m, const struct angle *a)
{
    if (a->quadrant & 1)
        return deliver(m, !a->sign, -a->exp, quotient(a->cosine, product(a->r, a->sine)), FRACTION);
    return deliver_wide(m, a->sign, a->exp, multiply(a->r, quotient(a->sine, a->cosine)), 2 * FRACTION);
}

/* What is left in ST(0), and in *pushed what is pushed by those that push. */
static struct x80 trigonometric(struct x87_mode *m, uint32_t modrm, struct x80 a, struct x80 *pushed)
{
    enum x87_class class = x80_class(a);
    struct angle angle;
    struct x80 r;

    if (x80_special(m, a, a, &r) || class == XC_INFINITY) {
        *pushed = class == XC_INFINITY ? x80_invalid(m) : r;
        return *pushed;
    }
    *pushed = x80_make(0, X_BIAS, 1ull << 63);
    if (class == XC_ZERO)
        return modrm == 0xff ? *pushed : a;
    note_denormal(m, a);
    angle = angle_from(a);
    if (modrm == 0xf2)
        return tangent_of(m, &angle);
    if (modrm == 0xfb)
        *pushed = sine_of(m, &angle, 1);
    return sine_of(m, &angle, modrm == 0xff);
}

/* FSIN, FCOS, FSINCOS, FPTAN. An angle of 2^63 or more: C2, and nothing else. */
static void trigonometric_insn(struct x87 *x)
{
    uint32_t modrm = x->i->modrm;
    int pushes = modrm == 0xfb || modrm == 0xf2;
    struct x80 first = X_INDEFINITE, second = X_INDEFINITE, a = get(x->f, 0);

    x->f->status &= (uint16_t)~X_C2;
    if (!missing(x, 0) && !(pushes && full(x))) {
        enum x87_class class = x80_class(a);

        if ((class == XC_NORMAL || class == XC_DENORMAL) && (a.se & X_LARGEST) >= X_BIAS + 63) {
            x->f->status |= X_C2;
            return;
        }
        first = trigonometric(&x->m, modrm, a, &second);
    }
    if (x87_refused(&x->m))
        return;
    put(x->f, 0, first);
    if (pushes)
        push(x->f, second);
}

static enum x87_outcome function_insn(struct x87 *x)
{
    struct x80 r = X_INDEFINITE;
    uint32_t modrm = x->i->modrm;

    x->m.bits = 64;
    switch (modrm) {
    case 0xf2: case 0xfb: case 0xfe: case 0xff:
        trigonometric_insn(x);
        return XO_DONE;
    case 0xf0:
        if (!missing(x, 0))
            r = f2xm1(&x->m, get(x->f, 0));
        if (!x87_refused(&x->m))
            put(x->f, 0, r);
        return XO_DONE;
    case 0xf1: case 0xf3: case 0xf9:
        if (!(missing(x, 0) | missing(x, 1)))
            r = (modrm == 0xf1 ? fyl2x : modrm == 0xf3 ? fpatan : fyl2xp1)(&x->m, get(x->f, 0), get(x->f, 1));
        if (x87_refused(&x->m))
            return XO_DONE;
        put(x->f, 1, r);
        pop(x->f);
        return XO_DONE;
    default:
        return XO_ENGINE;
    }
}

#endif
