/* SSE instructions that round or compare, beside the engine: their flags, and NaN, FTZ and DAZ: emu/x87/trap.py. */
#ifndef EMU_SSE_TRAP_H
#define EMU_SSE_TRAP_H

/* What keeps it from being begun: an x87 exception that waits, an operand that is not aligned, or half of which
 * cannot be stored. 0: nothing. */
static int sse_refused(struct engine_state *s, const struct x87_unit *u, const uint8_t *image,
                       const struct x87_place *p)
{
    uint32_t op = p->op & 0xff, form = 1u << p->form;

    if (mmx_forms((int)op) & form && (op != 0x2a || p->modrm >= 0xc0) && u->after.status & X_ES &&
        image_field(s, image, FIELD_CR0) & CR0_NE)
        return REFUSED_MF;
    if (p->modrm >= 0xc0 || !(image_field(s, image, FIELD_CR4) & CR4_OSFXSR))
        return 0;
    if (SSE_ALIGNED[op] & form && p->linear & 15)
        return REFUSED_GP;
    if (stores_unaligned((int)op) && form & (op == 0x11 ? F_PS | F_PD : F_SS) &&
        half_refused(s, image, p->linear, 16, 1))
        return REFUSED_PF;
    return 0;
}

/* Such an instruction is about to run. An exception that is not masked keeps it from it. */
static int sse_begin(struct engine_state *s, struct x87_unit *u, const uint8_t *image, const struct x87_place *p)
{
    reg_read_fn read = (reg_read_fn)(uintptr_t)s->fn_reg_read;
    uc_engine *engine = (uc_engine *)(uintptr_t)s->engine;
    uint32_t size, target = p->modrm >> 3 & 7, cr4 = image_field(s, image, FIELD_CR4), flags;
    int refused = sse_refused(s, u, image, p), mmx = mmx_target(p->op & 0xff, (int)p->form, (int)p->modrm);
    struct sse_insn *i = &u->sse;

    i->op = (uint8_t)p->op;
    i->form = (uint8_t)p->form;
    size = is_sse(i->op) ? sse_source_size(i->op, i->form) : 0;
    if (!refused && mmx >= 0) {
        u->sse_target = (uint32_t)mmx;
        u->pending = XP_MMX;
    }
    if (refused || !size || !(cr4 & CR4_OSFXSR))
        return refused;
    i->mxcsr = read_reg(s, u->reg_mxcsr);
    i->predicate = i->op == 0xc2 ? (uint8_t)code_byte(s, p->end) : 0;
    read(engine, (int)(u->reg_xmm0 + target), i->a);
    if (p->modrm < 0xc0) {
        memset(i->b, 0, sizeof i->b);
        if (!copy_memory(s, image, p->linear, i->b, size, 0))
            return 0;
    } else if (i->op == 0x2a && i->form < SSE_SS) {
        memset(i->b, 0, sizeof i->b);
        memcpy(i->b, &u->after.reg[p->modrm & 7].sig, 8);
    } else if (i->op == 0x2a) {
        uint32_t general = image_field(s, image, p->modrm & 7);

        memcpy(i->b, &general, 4);
    } else
        read(engine, (int)(u->reg_xmm0 + (p->modrm & 7)), i->b);
    flags = sse_execute(i);
    if (flags & ~(i->mxcsr >> 7) & MXCSR_FLAGS) {
        write_reg(s, u->reg_mxcsr, i->mxcsr | flags);
        return cr4 & CR4_OSXMMEXCPT ? REFUSED_XM : REFUSED_UD;
    }
    u->sse_target = u->reg_xmm0 + target;
    i->mxcsr |= flags;
    u->pending = XP_SSE;
    return 0;
}

/* An MMX register has been written: its upper 16 bits are ones (SDM vol. 1, 9.2.2), which the engine leaves. */
static void fill_mmx(struct engine_state *s, struct x87_unit *u, uint32_t number)
{
    struct fpu f;

    memcpy(&f, x87_image(s, u) + u->fpu_at, sizeof f);
    put_stack_register(s, u, number, (struct x80){f.reg[number].sig, 0xffff});
}

static void sse_finish(struct engine_state *s, struct x87_unit *u)
{
    if (u->sse.whole)
        write_x87_register(s, u->sse_target, u->sse.r);
    if ((u->sse.op & 0xfe) == 0x2c && u->sse.form < SSE_SS)
        fill_mmx(s, u, u->sse_target - u->reg_xmm0);
    write_reg(s, u->reg_mxcsr, u->sse.mxcsr);
}

#endif
