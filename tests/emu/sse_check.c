/*
 * Random SSE instructions on this processor and in emu/_sse_unit.h: sse_check COUNT SEED
 *
 * In every rounding mode, with and without FTZ and DAZ, everything masked; compared in the target register and MXCSR.
 * Prints the differences; the status is 1 when there are any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "_sse_unit.h"

enum { SHOWN = 10 };

static uint64_t seed;

static uint64_t any(void) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du >> 11 ^ seed << 40;
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(any() >> 8) % limit;
}

/* LDMXCSR (rdi); XMM0, XMM1 = 16(rdi), 32(rdi); ECX, MM1 = 32(rdi); the instruction; 48(rdi) = XMM0; STMXCSR 4(rdi);
 * LDMXCSR 8(rdi); EMMS */
static void on_processor(const struct sse_insn *i, uint32_t *memory)
{
    static const uint8_t PREFIX[4] = {0x3e, 0x66, 0xf3, 0xf2}; /* 3E does nothing here */
    static const uint8_t BEFORE[] = {0x0f, 0xae, 0x17, 0x0f, 0x10, 0x47, 0x10, 0x0f, 0x10, 0x4f, 0x20, 0x8b, 0x4f, 0x20,
                                     0x0f, 0x6f, 0x4f, 0x20};
    static const uint8_t AFTER[] = {0x0f, 0x11, 0x47, 0x30, 0x0f, 0xae, 0x5f, 0x04, 0x0f, 0xae, 0x57, 0x08, 0x0f, 0x77, 0xc3};
    static uint8_t *code;
    uint8_t *at;

    if (!code) {
        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
        memcpy(code, BEFORE, sizeof BEFORE);
    }
    at = code + sizeof BEFORE;
    *at++ = PREFIX[i->form];
    *at++ = 0x0f;
    *at++ = i->op;
    *at++ = 0xc1;
    if (i->op == 0xc2)
        *at++ = i->predicate;
    memcpy(at, AFTER, sizeof AFTER);
    memory[0] = i->mxcsr;
    memory[2] = 0x1f80;
    memcpy(memory + 4, i->a, 16);
    memcpy(memory + 8, i->b, 16);
    ((void (*)(uint32_t *))(uintptr_t)code)(memory);
}

/* Any kind of number, often close to what the other one is close to. */
static uint64_t any_float(struct small f)
{
    int sign = any() & 1;
    uint64_t frac = any();
    int32_t top = f.top;

    switch (below(16)) {
    case 0: return small_make(f, sign, 0, 0);
    case 1: return small_make(f, sign, top, 0);
    case 2: return small_make(f, sign, top, frac | 1ull << (f.frac - 1));
    case 3: return small_make(f, sign, top, (frac & ~(1ull << (f.frac - 1))) | 1);
    case 4: case 5: return small_make(f, sign, 0, frac);
    case 6: return small_make(f, sign, 1 + (int32_t)below(2 * (uint32_t)f.frac), frac);
    case 7: return small_make(f, sign, top - 1 - (int32_t)below(40), frac);
    case 8: return small_make(f, sign, f.bias + 28 + (int32_t)below(6), frac);
    case 9: return small_make(f, sign, (f.bias + (f.frac > 30 ? 120 : 90) + (int32_t)below(12)), frac);
    case 10: return small_make(f, sign, (f.bias - (f.frac > 30 ? 160 : 90) + (int32_t)below(40)), frac);
    case 11: return small_make(f, sign, f.bias + (int32_t)below(8), 0);
    default: return small_make(f, sign, f.bias - 4 + (int32_t)below(8), frac & ~0ull << below((uint32_t)f.frac));
    }
}

static void any_register(uint8_t *at, int wide, int integers)
{
    uint32_t n;

    for (n = 0; n < (wide ? 2u : 4u); n++)
        set_lane(at, wide ? 8 : 4, n, integers && below(4) ? (uint64_t)((int64_t)any() >> (32 + below(32)))
                                                        : any_float(wide ? DOUBLE : SINGLE));
}

static int any_insn(struct sse_insn *i)
{
    int wide, integers;

    i->op = (uint8_t)any();
    i->form = (uint8_t)below(4);
    if (!is_sse(i->op) || !sse_source_size(i->op, i->form))
        return 0;
    i->predicate = (uint8_t)below(8);
    i->mxcsr = 0x1f80 | below(4) << 13 | (below(3) ? 0 : any() & (MXCSR_DAZ | MXCSR_FTZ)) |
        (below(4) ? 0 : (uint32_t)any() & MXCSR_FLAGS);
    integers = i->op == 0x2a || (i->op == 0x5b && i->form == SSE_PS) || (i->op == 0xe6 && i->form == SSE_SS);
    wide = (i->form == SSE_PD || i->form == SSE_SD) && i->op != 0x5b;
    if (i->op == 0x7c || i->op == 0x7d || i->op == 0xd0)
        wide = i->form == SSE_PD;
    if (i->op == 0xe6)
        wide = 1;
    any_register(i->a, wide, 0);
    any_register(i->b, wide && !integers, integers);
    return 1;
}

int main(int argc, char **argv)
{
    long wanted = argc > 1 ? atol(argv[1]) : 0, done = 0, differences = 0;

    seed = argc > 2 ? strtoull(argv[2], NULL, 0) * 2 + 1 : 1;
    while (done < wanted && differences < SHOWN) {
        uint32_t memory[16] = {0}, flags;
        struct sse_insn i = {0};

        if (!any_insn(&i))
            continue;
        flags = sse_execute(&i);
        on_processor(&i, memory);
        done++;
        if ((!i.whole || !memcmp(memory + 12, i.r, 16)) && memory[1] == (i.mxcsr | flags))
            continue;
        differences++;
        printf("0f %02x form %d %d: mxcsr %x becomes %x, not %x\n", i.op, i.form, i.predicate, i.mxcsr, memory[1],
               i.mxcsr | flags);
        printf("    %016llx%016llx, %016llx%016llx\n", (unsigned long long)lane(i.a, 8, 1),
               (unsigned long long)lane(i.a, 8, 0), (unsigned long long)lane(i.b, 8, 1),
               (unsigned long long)lane(i.b, 8, 0));
        printf("    %016llx%016llx, not %016llx%016llx\n", (unsigned long long)lane((uint8_t *)memory, 8, 7),
               (unsigned long long)lane((uint8_t *)memory, 8, 6), (unsigned long long)lane(i.r, 8, 1),
               (unsigned long long)lane(i.r, 8, 0));
    }
    printf("%ld instructions, %ld differences\n", done, differences);
    return differences != 0;
}
