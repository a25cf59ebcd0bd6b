/* Functions in fixed point with 126 fraction bits, for numbers near 1: emu/x87/series.py. Part of _x87_functions.h. */
#ifndef EMU_X87_SERIES_H
#define EMU_X87_SERIES_H

enum { FRACTION = 126 };

#define FIXED(high, low) ((u128)(high) << 64 | (low))
#define FIXED_ONE ((u128)1 << FRACTION)
#define FIXED_LN2 FIXED(0x2c5c85fdf473de6au, 0xf278ece600fcbdabu)
#define FIXED_TWO_BY_LN2 FIXED(0xb8aa3b295c17f0bbu, 0xbe87fed0691d3e88u)
#define FIXED_PI FIXED(0xc90fdaa22168c234u, 0xc4c6628b80dc1cd1u)

/* atan(n / 16) */
static const struct { uint64_t high, low; } ARCTANGENTS[17] = {
    {0x0000000000000000u, 0x0000000000000000u},
    {0x03feab76e59fbd38u, 0xdb2c9e4b7038b835u},
    {0x07f56ea6ab0bdb71u, 0x9644bcc4f9f44477u},
    {0x0bdcbda5e72d8113u, 0x47b0b4f881c9c748u},
    {0x0fadbafc96406eb1u, 0x56dc79ef5f7a217eu},
    {0x1362773707ebcbcdu, 0x38b576931a4f5e65u},
    {0x16f61941e4def08eu, 0x715464245b9fc890u},
    {0x1a64eec3cc23fcb6u, 0xc84f92bd2003ce26u},
    {0x1dac670561bb4f68u, 0xadfc88bd978751a0u},
    {0x20cafd29b6619f8au, 0x92da8272d8694570u},
    {0x23c01757bdfd67e6u, 0xd720d78599710dd1u},
    {0x268be0399c6f7688u, 0x1089be388813fcefu},
    {0x292f1f464d3dc249u, 0x066a1fca915f6b27u},
    {0x2bab130e2d363020u, 0x051c978bcf9481c2u},
    {0x2e014f8af08c679cu, 0xf2cb69548429110fu},
    {0x3033a16e2b149990u, 0x227758b11ba4be89u},
    {0x3243f6a8885a308du, 0x313198a2e0370734u},
};

struct wide { u128 high, low; }; /* 256 bits */

static struct wide multiply(u128 a, u128 b)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a, b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    u128 low = (u128)a0 * b0, middle = (u128)a1 * b0, other = (u128)a0 * b1;
    u128 carry = (low >> 64) + (uint64_t)middle + (uint64_t)other;
    struct wide w;

    w.low = carry << 64 | (uint64_t)low;
    w.high = (u128)a1 * b1 + (middle >> 64) + (other >> 64) + (carry >> 64);
    return w;
}

static u128 shift_right(u128 a, int32_t by)
{
    return by > 127 ? 0 : a >> by;
}

static u128 product(u128 a, u128 b)
{
    struct wide w = multiply(a, b);

    return w.high << (128 - FRACTION) | w.low >> FRACTION;
}

/* Of two numbers on any common scale, a < 2b, b at most 2^127. */
static u128 quotient(u128 a, u128 b)
{
    u128 q = 0;
    int n;

    for (n = 0; n <= FRACTION; n++) {
        int fits = a >= b;

        q = q << 1 | (u128)fits;
        a = (fits ? a - b : a) << 1;
    }
    return q;
}

/* (e^t - 1) / t for t = u or -u, at most 0.7. */
static u128 exp2_ratio(u128 u, int negative)
{
    u128 p = FIXED_ONE, step;
    uint32_t k;

    for (k = 34; k > 1; k--) {
        step = product(u, p) / k + 1;
        p = negative ? FIXED_ONE - step : FIXED_ONE + step;
    }
    return p;
}

/* atanh(z) / z for z^2, at most 1/9. */
static u128 atanh_ratio(u128 z2)
{
    int last = z2 < FIXED_ONE >> 5 ? 26 : 41, k;
    u128 s = FIXED_ONE / (uint32_t)(2 * last + 1);

    for (k = last - 1; k >= 0; k--)
        s = FIXED_ONE / (uint32_t)(2 * k + 1) + product(z2, s);
    return s;
}

/* atan(t) / t for t^2, at most 2^-10. */
static u128 atan_ratio(u128 t2)
{
    u128 s = FIXED_ONE / 29;
    int k;

    for (k = 13; k >= 0; k--)
        s = FIXED_ONE / (uint32_t)(2 * k + 1) - product(t2, s);
    return s - 1;
}

/* log2((1 + z) / (1 - z)) / 2^exp for z = w / d * 2^exp, at most 1/3 in all. */
static u128 log2_ratio(u128 w, int32_t exp, u128 d)
{
    u128 z = quotient(w, d);

    return product(product(FIXED_TWO_BY_LN2, z), atanh_ratio(shift_right(product(z, z), -2 * exp)));
}

/* sin(r) / r for r^2, at most 0.62, and with first = 33 cos(r). */
static u128 sine_series(u128 r2, uint32_t first)
{
    u128 p = FIXED_ONE;
    int32_t k;

    for (k = (int32_t)first; k > 0; k -= 2)
        p = FIXED_ONE - product(r2, p) / (uint32_t)(k * (k + 1)) - 1;
    return p;
}

/* atan(q) for 1/32 <= q <= 1. */
static u128 arctangent(u128 q)
{
    uint32_t n = ((uint32_t)(q >> (FRACTION - 5)) + 1) >> 1;
    u128 c = (u128)n << (FRACTION - 4), at = FIXED(ARCTANGENTS[n].high, ARCTANGENTS[n].low);
    u128 t = quotient(q < c ? c - q : q - c, FIXED_ONE + (q >> 4) * n);
    u128 a = product(t, atan_ratio(product(t, t)));

    return q < c ? at - a : at + a;
}

#endif
