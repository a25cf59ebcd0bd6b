/* SSE instructions that round or compare, beside the engine: their flags, and NaN, FTZ and DAZ: emu/x87/trap.py. */
#ifndef EMU_SSE_TRAP_H
#define EMU_SSE_TRAP_H

enum { CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400 };

/* Such an instruction is about to run. An exception that is not masked keeps it from it. */
static int sse_begin(struct engine_state *s, struct x87_unit *u, const uint8_t *image, const struct x87_place *p)
{
    reg_read_fn read = (reg_read_fn)(uintptr_t)s->fn_reg_read;
    uc_engine *engine = (uc_engine *)(uintptr_t)s->engine;
    uint32_t size, target = p->modrm >> 3 & 7, cr4 = image_field(s, image, FIELD_CR4), flags;
    struct sse_insn *i = &u->sse;

    i->op = (uint8_t)p->op;
    i->form = (uint8_t)p->form;
    size = sse_source_size(i->op, i->form);
    if (!size || !(cr4 & CR4_OSFXSR) || image_field(s, image, FIELD_CR0) & CR0_EM)
        return 0;
    i->mxcsr = read_reg(s, u->reg_mxcsr);
    i->predicate = i->op == 0xc2 ? (uint8_t)code_byte(s, p->end) : 0;
    read(engine, (int)(u->reg_xmm0 + target), i->a);
    if (p->modrm < 0xc0) {
        memset(i->b, 0, sizeof i->b);
        if (!copy_memory(s, image, p->linear, i->b, size, 0))
            return 0;
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

static void sse_finish(struct engine_state *s, struct x87_unit *u)
{
    if (u->sse.whole)
        write_x87_register(s, u->sse_target, u->sse.r);
    write_reg(s, u->reg_mxcsr, u->sse.mxcsr);
}

#endif
