/*
 * Random x87 instructions on this processor and in emu/_x87_unit.h: x87_check COUNT SEED [OP MODRM]
 *
 * Each begins with a random state (FRSTOR), in every rounding and precision mode, with exceptions masked or not, and is
 * compared in registers, status, tags and memory (FNSAVE). Prints the differences, and a table of instructions.
 * The status is 1 when there are any. Of the transcendental functions a result may be one unit in the last place
 * away, and C1, which says where it was rounded to, may differ; how many were is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "_x87_unit.h"

enum { IMAGE = 108, SHOWN = 10 };

static uint64_t seed;
static long last_place;

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

/* FRSTOR (rdi); EFLAGS = rcx; the instruction, operand at (rsi); FNSAVE (rdx). */
static void on_processor(const struct x87_insn *i, const uint8_t *image, uint8_t *operand, uint8_t *saved)
{
    static const uint8_t BEFORE[] = {0xdd, 0x27, 0x51, 0x9d}, AFTER[] = {0xdd, 0x32, 0xc3};
    static uint8_t *code;

    if (!code) {
        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
        memcpy(code, BEFORE, sizeof BEFORE);
        memcpy(code + 6, AFTER, sizeof AFTER);
    }
    code[4] = i->op;
    code[5] = i->modrm;
    ((void (*)(const uint8_t *, uint8_t *, uint8_t *, uint64_t))(uintptr_t)code)(image, operand, saved, i->eflags);
}

static void to_image(const struct fpu *f, uint8_t *image)
{
    uint16_t status = (uint16_t)(f->status | f->top << 11), tags = 0;
    int n;

    memset(image, 0, IMAGE);
    for (n = 0; n < 8; n++) {
        struct x80 a = get(f, (uint32_t)n);

        tags |= (uint16_t)((f->empty[n] ? 3 : 0) << 2 * n);
        memcpy(image + 28 + 10 * n, &a.sig, 8);
        memcpy(image + 36 + 10 * n, &a.se, 2);
    }
    memcpy(image, &f->control, 2);
    memcpy(image + 4, &status, 2);
    memcpy(image + 8, &tags, 2);
}

static uint64_t any_significand(void)
{
    uint64_t raw = any() | 1ull << 63;

    switch (below(8)) {
    case 0: return 1ull << 63;
    case 1: return ~0ull;
    case 2: return (raw & ~0ull << below(64)) | 1ull << 63;
    case 3: return 1ull << 63 | raw >> (1 + below(63));
    default: return raw;
    }
}

/* Any kind of number; half of them with exponents close to each other. */
static struct x80 any_number(uint32_t near)
{
    int sign = any() & 1;
    uint64_t sig = any_significand();

    switch (below(28)) {
    case 0: return x80_zero(sign);
    case 1: return x80_infinity(sign);
    case 2: return x80_make(sign, X_LARGEST, sig | 1ull << 62);
    case 3: return x80_make(sign, X_LARGEST, (sig & ~(1ull << 62)) | 1);
    case 4: return x80_make(sign, 0, sig >> below(64));
    case 5: return x80_make(sign, below(1 << 15), sig & ~(1ull << 63));
    case 6: return x80_make(sign, below(1 << 15), sig);
    case 7: return x80_make(sign, 1 + below(70), sig);
    case 8: return x80_make(sign, X_LARGEST - 1 - below(70), sig);
    case 9: return x80_make(sign, X_BIAS - 187 + below(80), sig);
    case 10: return x80_make(sign, X_BIAS - 1083 + below(80), sig);
    case 11: return x80_make(sign, X_BIAS + 124 + below(6), sig);
    case 12: return x80_make(sign, X_BIAS + 1020 + below(6), sig);
    case 13: return x80_make(sign, X_BIAS + below(70), sig);
    case 14: return x80_from_integer(sign, any() >> below(64));
    case 15: return x80_make(sign, X_BIAS - below(70), sig);
    default: return x80_make(sign, (near + below(8) - 4) & X_LARGEST, sig);
    }
}

static void any_operand(struct x87_insn *i, uint32_t size, uint32_t near)
{
    struct x87_mode exact = {RC_NEAREST, 64, 0x3f, 0, 0};
    struct x80 a = any_number(near);
    uint64_t raw = (uint64_t)((int64_t)any() >> below(64));
    uint32_t n;

    if (i->op == 0xd8 || i->op == 0xd9)
        raw = x80_to_small(&exact, SINGLE, a) ^ (below(16) ? 0 : 0x400000);
    if (i->op == 0xdc || i->op == 0xdd)
        raw = x80_to_small(&exact, DOUBLE, a) ^ (below(16) ? 0 : 1ull << 51);
    memcpy(i->operand, &raw, 8);
    if (size == 10 && i->op == 0xdb) {
        memcpy(i->operand, &a.sig, 8);
        memcpy(i->operand + 8, &a.se, 2);
    } else if (size == 10) {
        raw = any() % (BCD_LARGEST + 1);
        for (n = 0; n < 9; n++, raw /= 100)
            i->operand[n] = (uint8_t)(raw % 10 | raw / 10 % 10 << 4);
        i->operand[9] = (uint8_t)(any() & 0x80);
    }
}

/* 0 when this is none that the unit does. */
static int any_insn(struct x87_insn *i, uint32_t near)
{
    uint32_t size;

    if (is_control(i->op, i->modrm))
        return 0;
    i->eflags = 0x202 | (any() & 0x45);
    for (size = 0; size < sizeof i->operand; size++)
        i->operand[size] = (uint8_t)any();
    if (i->modrm >= 0xc0)
        return 1;
    i->modrm = (i->modrm & 0x38) | 6;
    size = x87_operand_size(i->op, i->modrm);
    if (size)
        any_operand(i, size, near);
    return size != 0;
}

static void any_state(struct fpu *f, uint32_t near)
{
    uint32_t holes = below(6), n;

    f->top = below(8);
    f->control = (uint16_t)(0x40 | below(16) << 8 | (below(2) ? 0x3f : below(64)));
    f->status = (uint16_t)(any() & X_CONDITIONS);
    if (below(2))
        f->status |= (uint16_t)(any() & f->control & 0x3f);
    for (n = 0; n < 8; n++) {
        struct x80 a = any_number(near);

        f->reg[n].sig = a.sig;
        f->reg[n].se = a.se;
        f->empty[n] = holes == 1 && any() & 1;
    }
    if (holes > 1)
        f->empty[(f->top - 1) & 7] = f->empty[(f->top - 2) & 7] = 1;
}

/* FNSAVE's tags say what is in a register; here it counts whether anything is. */
static void only_empty(uint8_t *image)
{
    uint32_t tags = image[8] | image[9] << 8, empty = tags & tags >> 1 & 0x5555;

    empty |= empty << 1;
    image[8] = (uint8_t)empty;
    image[9] = (uint8_t)(empty >> 8);
}

static void show(const struct x87_insn *i, const struct fpu *f, const uint8_t *theirs, const uint8_t *mine)
{
    int n;

    printf("%02x %02x  control %04x  status %02x%02x, not %02x%02x  operand %016llx\n", i->op, i->modrm, f->control,
           theirs[5], theirs[4], mine[5], mine[4], (unsigned long long)word(i->operand, 8));
    for (n = 0; n < 8; n++) {
        struct x80 a = get(f, (uint32_t)n);

        if (n < 2 || n == (i->modrm & 7))
            printf("    st%d %04x:%016llx%s\n", n, a.se, (unsigned long long)a.sig, f->empty[st(f, (uint32_t)n)] ? " empty" : "");
        if (memcmp(theirs + 28 + 10 * n, mine + 28 + 10 * n, 10))
            printf("    st%d becomes %04x:%016llx, not %04x:%016llx\n", n, (unsigned)word(theirs + 36 + 10 * n, 2),
                   (unsigned long long)word(theirs + 28 + 10 * n, 8), (unsigned)word(mine + 36 + 10 * n, 2),
                   (unsigned long long)word(mine + 28 + 10 * n, 8));
    }
}

static int is_function(const struct x87_insn *i)
{
    return i->op == 0xd9 && ((i->modrm >= 0xf0 && i->modrm <= 0xf3) || i->modrm == 0xf9 || i->modrm == 0xfb ||
                             i->modrm >= 0xfe);
}

/* FYL2XP1 beyond its range: 1 - sqrt(1/2). */
static int undefined(const struct x87_insn *i, const struct fpu *f)
{
    return i->op == 0xd9 && i->modrm == 0xf9 && (get(f, 0).se & X_LARGEST) >= X_BIAS - 2;
}

/* The processor's ST(n) is taken over where it is one unit in the last place away. */
static void forgive(const uint8_t *theirs, uint8_t *mine)
{
    int n, away = 0;

    for (n = 0; n < 2; n++) {
        const uint8_t *a = theirs + 28 + 10 * n;
        uint8_t *b = mine + 28 + 10 * n;
        u128 p = (u128)word(a + 8, 2) << 63 | word(a, 8) << 1 >> 1, q = (u128)word(b + 8, 2) << 63 | word(b, 8) << 1 >> 1;

        if (p - q == 1 || q - p == 1) {
            memcpy(b, a, 10);
            away = 1;
        }
    }
    last_place += away;
    mine[5] = (uint8_t)((mine[5] & ~2) | (theirs[5] & 2));
}

/* Whether the two differ. */
static int compare_one(const struct x87_insn *i, const struct fpu *before, int *known)
{
    uint8_t image[IMAGE], theirs[IMAGE], mine[IMAGE], operand[16], kept[16];
    struct x87_result out;
    struct fpu f = *before;
    enum x87_outcome outcome = x87_execute(&f, i, &out);

    *known = outcome != XO_ENGINE;
    if (!*known || undefined(i, before)) {
        *known = 0;
        return 0;
    }
    to_image(before, image);
    to_image(&f, mine);
    memcpy(operand, i->operand, 16);
    memcpy(kept, i->operand, 16);
    if (outcome == XO_STORE)
        memcpy(kept, out.stored, out.size);
    on_processor(i, image, operand, theirs);
    only_empty(theirs);
    if (is_function(i))
        forgive(theirs, mine);
    if (!memcmp(theirs + 4, mine + 4, 2) && !memcmp(theirs + 8, mine + 8, 2) && !memcmp(theirs + 28, mine + 28, 80) &&
        !memcmp(operand, kept, 16))
        return 0;
    show(i, before, theirs, mine);
    return 1;
}

int main(int argc, char **argv)
{
    static long count[8][256], wrong[8][256];
    long wanted = argc > 1 ? atol(argv[1]) : 0, done = 0, differences = 0;
    int op = argc > 4 ? (int)strtol(argv[3], NULL, 16) : -1, modrm = argc > 4 ? (int)strtol(argv[4], NULL, 16) : -1;

    seed = argc > 2 ? strtoull(argv[2], NULL, 0) * 2 + 1 : 1;
    while (done < wanted) {
        struct x87_insn i = {0};
        struct fpu f = {0};
        uint32_t near = below(4) ? X_BIAS : below(1 << 15);
        int known, differs;

        i.op = (uint8_t)(op < 0 ? 0xd8 + below(8) : (uint32_t)op);
        i.modrm = (uint8_t)(modrm < 0 ? any() : (uint64_t)modrm);
        if (!any_insn(&i, near))
            continue;
        any_state(&f, near);
        differs = compare_one(&i, &f, &known);
        done += known;
        count[i.op & 7][i.modrm] += known;
        wrong[i.op & 7][i.modrm] += differs;
        differences += differs;
        if (differences == SHOWN)
            break;
    }
    for (op = 0; op < 8; op++)
        for (modrm = 0; modrm < 256; modrm++)
            if (wrong[op][modrm])
                printf("%02x %02x: %ld of %ld\n", 0xd8 + op, modrm, wrong[op][modrm], count[op][modrm]);
    printf("%ld instructions, %ld differences; in the last place of functions: %ld\n", done, differences, last_place);
    return differences != 0;
}
