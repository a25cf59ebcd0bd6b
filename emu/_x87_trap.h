/*
 * x87 instructions beside the engine: emu/x87/trap.py is the specification.
 *
 * Before such an instruction the code hook works out the state behind it (_x87_unit.h). The engine then
 * does the instruction, with its page faults and its stores, and its idea of the state is replaced. What a store
 * writes the engine gets through ST(0), as a number that it converts exactly.
 */
#ifndef EMU_X87_TRAP_H
#define EMU_X87_TRAP_H

#include "_x87_unit.h"

enum { CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_NE = 0x20, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400 };
enum x87_pending { XP_NONE, XP_STATE, XP_SUMMARY, XP_POINTERS, XP_INIT, XP_SSE, XP_MMX };
enum { REFUSED_UD = 1, REFUSED_MF = 2, REFUSED_XM = 3, REFUSED_GP = 4, REFUSED_PF = 5 };
enum { MXCSR_RESERVED = ~0xffff, FX_MXCSR = 24 };

struct x87_unit {           /* X87State in emu/x87/native.py, up to `reg_mxcsr` */
    uint64_t env;           /* host address of the engine's live registers; 0 where it is not known */
    uint32_t fpu_at;        /* struct fpu, in them and in a context */
    uint32_t reg_fp0;
    uint32_t reg_words[8];  /* FPCW FPSW FPTAG FIP FCS FDP FDS FOP */
    uint32_t reg_xmm0, reg_mxcsr;
    uint32_t pending, carried, fix_linear, fix_size;
    struct fpu after;
    struct x80 carried_over;
    uint8_t fix[32];
    struct sse_insn sse;
    uint32_t sse_target;    /* its number */
};

static struct x87_unit *unit_of(const struct engine_state *s)
{
    return (struct x87_unit *)(uintptr_t)s->x87;
}

/* The engine's registers, as they are now. */
static uint8_t *x87_image(struct engine_state *s, const struct x87_unit *u)
{
    if (u->env)
        return (uint8_t *)(uintptr_t)u->env;
    ((context_fn)(uintptr_t)s->fn_save)((uc_engine *)(uintptr_t)s->engine, (uc_context *)(uintptr_t)s->context);
    return (uint8_t *)(uintptr_t)s->context;
}

static void write_x87_register(struct engine_state *s, uint32_t id, const void *value)
{
    ((reg_write_fn)(uintptr_t)s->fn_reg_write)((uc_engine *)(uintptr_t)s->engine, (int)id, value);
}

static void put_stack_register(struct engine_state *s, struct x87_unit *u, uint32_t number, struct x80 a)
{
    uint8_t raw[16] = {0};

    memcpy(raw, &a.sig, 8);
    memcpy(raw + 8, &a.se, 2);
    if (u->env)
        memcpy((uint8_t *)(uintptr_t)u->env + u->fpu_at + offsetof(struct fpu, reg) + 16 * number, raw, 10);
    else
        write_x87_register(s, u->reg_fp0 + number, raw);
}

static void put_fpu(struct engine_state *s, struct x87_unit *u, const struct fpu *f)
{
    uint64_t words[8] = {f->control, (uint64_t)f->status | f->top << 11, 0, f->ip, f->cs, f->dp, f->ds, f->opcode};
    uint32_t n;

    if (u->env) {
        memcpy((uint8_t *)(uintptr_t)u->env + u->fpu_at + 4, &f->top, sizeof *f - 4);
        return;
    }
    for (n = 0; n < 8; n++) {
        words[2] |= (f->empty[n] ? 3u : 0u) << 2 * n;
        put_stack_register(s, u, n, (struct x80){f->reg[n].sig, f->reg[n].se});
    }
    for (n = 0; n < 8; n++)
        write_x87_register(s, u->reg_words[n], &words[n]);
}

/* Everything but FNINIT, FNCLEX and FNST* looks for an exception that has not been reported yet. */
static int waits(uint8_t op, uint8_t modrm)
{
    uint32_t digit = modrm >> 3 & 7;

    if (op == 0x9b || !is_control(op, modrm))
        return 1;
    return modrm < 0xc0 && digit != 6 && digit != 7;
}

static void set_fix(struct x87_unit *u, uint32_t linear, const void *data, uint32_t size)
{
    u->fix_linear = linear;
    u->fix_size = size;
    memcpy(u->fix, data, size);
}

static uint16_t full_tag(const struct fpu *f)
{
    uint32_t word = 0, n;

    for (n = 0; n < 8; n++) {
        enum x87_class class = x80_class((struct x80){f->reg[n].sig, f->reg[n].se});

        word |= (f->empty[n] ? 3u : class == XC_NORMAL ? 0u : class == XC_ZERO ? 1u : 2u) << 2 * n;
    }
    return (uint16_t)word;
}

/* FNSTENV's image, which FNSAVE's begins with. */
static void save_environment(struct x87_unit *u, uint32_t linear, const struct fpu *f)
{
    uint32_t words[7] = {
        0xffff0000u | f->control, 0xffff0000u | f->status | f->top << 11, 0xffff0000u | full_tag(f), (uint32_t)f->ip,
        f->cs | (uint32_t)f->opcode << 16, (uint32_t)f->dp, 0xffff0000u | f->ds,
    };

    set_fix(u, linear, words, sizeof words);
}

/* The same, where the operand size is 16 bits. */
static void save_short_environment(struct x87_unit *u, uint32_t linear, const struct fpu *f)
{
    uint16_t words[7] = {
        f->control, (uint16_t)(f->status | f->top << 11), full_tag(f), (uint16_t)f->ip, f->cs, (uint16_t)f->dp, f->ds,
    };

    set_fix(u, linear, words, sizeof words);
}

static void load_pointers(struct fpu *f, const uint32_t *words)
{
    f->ip = words[0];
    f->cs = (uint16_t)words[1];
    f->opcode = words[1] >> 16 & 0x7ff;
    f->dp = words[2];
    f->ds = (uint16_t)words[3];
}

/* FXSAVE and FXRSTOR: what the engine leaves out of the image, from FOP to the operand's selector. */
static void x87_fxsave(struct engine_state *s, struct x87_unit *u, const uint8_t *image, const struct x87_place *p)
{
    struct fpu *f = &u->after;
    uint8_t data[18] = {0};
    uint32_t words[4] = {0}, digit = p->modrm >> 3;

    if (digit == 0) {
        words[0] = (uint32_t)f->ip;
        words[1] = f->cs;
        words[2] = (uint32_t)f->dp;
        words[3] = f->ds;
        memcpy(data, &f->opcode, 2);
        memcpy(data + 2, words, 16);
        set_fix(u, p->linear + 6, data, 18);
        u->pending = XP_POINTERS;
    } else if (copy_memory(s, image, p->linear + 6, data, 18, 0)) {
        memcpy(words, data + 2, 16);
        words[1] = (words[1] & 0xffff) | (uint32_t)(data[0] | data[1] << 8) << 16;
        load_pointers(f, words);
        u->pending = XP_POINTERS;
    }
}

/* Bytes of an operand that the engine moves in parts; 0 of any other. *stores: it is written. */
static uint32_t size_of_parts(const struct x87_place *p, int *stores)
{
    uint32_t digit = p->modrm >> 3 & 7;

    *stores = p->op == 0xae ? digit == 0 : digit >= 6;
    if (p->op == 0xae)
        return digit < 2 && !(p->linear & 15) ? 512 : 0; /* or #GP */
    if ((p->op == 0xd9 || p->op == 0xdd) && (digit == 4 || digit == 6))
        return (p->word ? 14 : 28) + (p->op == 0xdd ? 80 : 0);
    return (p->op == 0xdb && digit == 7) || (p->op == 0xdf && digit == 6) ? 10 : 0;
}

/* LDMXCSR and FXRSTOR load no bit that MXCSR does not have. */
static int loads_reserved_bits(struct engine_state *s, const uint8_t *image, const struct x87_place *p)
{
    uint32_t digit = p->modrm >> 3 & 7, at = p->linear + (digit == 1 ? FX_MXCSR : 0), word;

    return (digit == 1 ? !(p->linear & 15) : digit == 2) && image_field(s, image, FIELD_CR4) & CR4_OSFXSR &&
        copy_memory(s, image, at, (uint8_t *)&word, 4, 0) && word & MXCSR_RESERVED;
}

/* FLDCW, FNSTENV, FNINIT and the like: the engine does nearly all of it. */
static void x87_control(struct engine_state *s, struct x87_unit *u, const uint8_t *image, const struct x87_place *p)
{
    struct fpu *f = &u->after;
    uint32_t words[7], digit = p->modrm >> 3 & 7;
    uint16_t half[7];

    if (p->op == 0xae) {
        if (p->modrm >> 3 < 2)
            x87_fxsave(s, u, image, p);
    } else if (p->op == 0x9b) {
        return;
    } else if (p->modrm >= 0xc0) {
        u->pending = p->op == 0xdb && p->modrm == 0xe3 ? XP_INIT : XP_POINTERS;
    } else if (p->op == 0xd9 && digit == 5) {
        u->pending = XP_SUMMARY;
    } else if (digit == 4 && p->word) {
        if (copy_memory(s, image, p->linear, (uint8_t *)half, sizeof half, 0)) {
            words[3] = half[3];
            words[4] = half[4];
            words[5] = half[5];
            words[6] = half[6];
            load_pointers(f, words + 3);
            u->pending = XP_POINTERS;
        }
    } else if (digit == 4) {
        if (copy_memory(s, image, p->linear, (uint8_t *)words, sizeof words, 0)) {
            load_pointers(f, words + 3);
            u->pending = XP_POINTERS;
        }
    } else if (digit == 6) {
        (p->word ? save_short_environment : save_environment)(u, p->linear, f);
        u->pending = p->op == 0xdd ? XP_INIT : XP_POINTERS;
        if (p->op == 0xd9) { /* which masks all exceptions */
            f->control |= 0x3f;
            summarise(f);
            u->pending = XP_STATE;
        }
    }
}

static int sse_begin(struct engine_state *s, struct x87_unit *u, const uint8_t *image, const struct x87_place *p);
static void sse_finish(struct engine_state *s, struct x87_unit *u);
static void fill_mmx(struct engine_state *s, struct x87_unit *u, uint32_t number);

/* An x87 or SSE instruction is about to run: work out what becomes of it. REFUSED_MF when an earlier one is to be reported. */
static int x87_begin(struct engine_state *s, uint32_t address)
{
    struct x87_unit *u = unit_of(s);
    uint8_t *image = x87_image(s, u);
    uint32_t cr0 = image_field(s, image, FIELD_CR0), size, top;
    struct x87_result out;
    struct x87_place p = {0};
    struct x87_insn i;
    enum x87_outcome outcome;
    struct fpu *f = &u->after;
    struct x80 before;

    u->pending = XP_NONE;
    u->carried = u->fix_size = 0;
    if (!x87_find(s, image, address, &p) || cr0 & (CR0_TS | (p.op == 0x9b ? 0 : CR0_EM)))
        return 0;
    memcpy(f, image + u->fpu_at, sizeof *f);
    if (p.op >= 0xf00)
        return sse_begin(s, u, image, &p);
    if (f->status & X_ES && cr0 & CR0_NE && p.op != 0xae && waits((uint8_t)p.op, (uint8_t)p.modrm))
        return REFUSED_MF;
    if (p.modrm < 0xc0) {
        int stores = 0;

        size = size_of_parts(&p, &stores);
        if (size && half_refused(s, image, p.linear, size, stores))
            return REFUSED_PF;
        if (p.op == 0xae && loads_reserved_bits(s, image, &p))
            return REFUSED_GP;
    }
    if (p.op == 0xae || is_control((uint8_t)p.op, (uint8_t)p.modrm)) {
        x87_control(s, u, image, &p);
        return 0;
    }
    i.op = (uint8_t)p.op;
    i.modrm = (uint8_t)p.modrm;
    i.ip = address - image_field(s, image, FIELD_CS + 1);
    i.cs = (uint16_t)image_field(s, image, FIELD_CS);
    i.eflags = 0;
    if (p.modrm < 0xc0) {
        i.dp = p.offset;
        i.ds = (uint16_t)image_field(s, image, FIELD_ES + 4 * p.segment);
        size = x87_operand_size(i.op, i.modrm);
        if (!size || !copy_memory(s, image, p.linear, i.operand, size, 0))
            return 0; /* a page fault, or an instruction that there is not */
    } else if ((i.op & 0xfe) == 0xda && i.modrm < 0xe0)
        i.eflags = read_reg(s, s->reg_eflags);
    before = get(f, 0);
    top = f->top;
    outcome = x87_execute(f, &i, &out);
    if (outcome == XO_ENGINE)
        return 0;
    u->pending = XP_STATE;
    if (outcome == XO_KEEP)
        set_fix(u, p.linear, i.operand, out.size);
    if (out.carries) {
        u->carried = 1;
        u->carried_over = before;
        put_stack_register(s, u, top, out.carrier);
        if (out.fixes)
            set_fix(u, p.linear, out.stored, out.size);
    }
    return 0;
}

/* The instruction has completed: what it leaves. */
static void x87_finish(struct engine_state *s)
{
    struct x87_unit *u = unit_of(s);
    uint8_t *image;
    struct fpu f;

    if (!u || !u->pending)
        return;
    if (u->pending == XP_STATE && !u->fix_size) {
        put_fpu(s, u, &u->after);
        u->pending = XP_NONE;
        return;
    }
    if (u->pending == XP_SSE || u->pending == XP_MMX) {
        if (u->pending == XP_SSE)
            sse_finish(s, u);
        else
            fill_mmx(s, u, u->sse_target);
        u->pending = XP_NONE;
        return;
    }
    image = x87_image(s, u);
    memcpy(&f, image + u->fpu_at, sizeof f);
    switch (u->pending) {
    case XP_STATE:
        f = u->after;
        break;
    case XP_POINTERS:
        f.ip = u->after.ip;
        f.cs = u->after.cs;
        f.dp = u->after.dp;
        f.ds = u->after.ds;
        f.opcode = u->after.opcode;
        summarise(&f);
        break;
    case XP_SUMMARY:
        summarise(&f);
        break;
    default: /* XP_INIT */
        f.opcode = 0;
    }
    put_fpu(s, u, &f);
    if (u->fix_size)
        copy_memory(s, image, u->fix_linear, u->fix, u->fix_size, 1);
    u->pending = XP_NONE;
}

/* It has faulted: it has done nothing. */
static void x87_abandon(struct engine_state *s)
{
    struct x87_unit *u = unit_of(s);

    if (u && u->pending && u->carried) {
        struct fpu f;

        memcpy(&f, x87_image(s, u) + u->fpu_at, sizeof f);
        put_stack_register(s, u, f.top, u->carried_over);
    }
    if (u)
        u->pending = XP_NONE;
}

/* The run has ended, and the engine has been read: behind or in front of the instruction. */
static void x87_settle(struct engine_state *s, int completed)
{
    struct x87_unit *u = unit_of(s);

    if (!u || !u->pending)
        return;
    if (completed)
        x87_finish(s);
    else
        x87_abandon(s);
    ((context_fn)(uintptr_t)s->fn_save)((uc_engine *)(uintptr_t)s->engine, (uc_context *)(uintptr_t)s->context);
}

#endif
