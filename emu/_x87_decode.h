/* Where an x87 instruction and its operand are: emu/x87/decode.py. Part of _x87_trap.h. */
#ifndef EMU_X87_DECODE_H
#define EMU_X87_DECODE_H

enum { X_SEG_ES, X_SEG_CS, X_SEG_SS, X_SEG_DS, X_SEG_FS, X_SEG_GS, X_NO_SEGMENT };
enum { X_HF_CS32 = 0x10 };

/* A register of the engine in one of its images. */
static uint32_t image_field(const struct engine_state *s, const uint8_t *image, uint32_t number)
{
    const struct field *f = (const struct field *)(uintptr_t)s->fields;
    uint32_t value;

    memcpy(&value, image + f[number].offset, 4);
    return value;
}

struct x87_place {          /* an instruction and its operand */
    uint32_t op, modrm, segment, offset, linear, word;
    uint32_t form;          /* enum sse_form */
    uint32_t end;           /* linear address behind ModRM and displacement */
};

/* ModRM.rm with 16-bit addresses: two registers and the segment. */
static const struct { uint8_t base, index, segment; } FORMS16[8] = {
    {3, 6, X_SEG_DS}, {3, 7, X_SEG_DS}, {5, 6, X_SEG_SS}, {5, 7, X_SEG_SS},
    {6, 8, X_SEG_DS}, {7, 8, X_SEG_DS}, {5, 8, X_SEG_SS}, {3, 8, X_SEG_DS},
};

static uint32_t displacement_at(struct engine_state *s, uint32_t address, uint32_t size)
{
    uint32_t value = 0, n;

    for (n = 0; n < size; n++)
        value |= (uint32_t)(code_byte(s, address + n) & 0xff) << 8 * n;
    return size == 1 ? (uint32_t)(int32_t)(int8_t)value : value;
}

static void address16(struct engine_state *s, const uint8_t *image, struct x87_place *p, uint32_t at)
{
    uint32_t mod = p->modrm >> 6, rm = p->modrm & 7, size = mod == 1 ? 1 : mod == 2 ? 2 : 0;

    p->segment = FORMS16[rm].segment;
    if (mod == 0 && rm == 6) {
        p->segment = X_SEG_DS;
        p->offset = displacement_at(s, at, 2);
        p->end = at + 2;
        return;
    }
    p->offset = image_field(s, image, FORMS16[rm].base) + displacement_at(s, at, size);
    if (FORMS16[rm].index < 8)
        p->offset += image_field(s, image, FORMS16[rm].index);
    p->offset &= 0xffff;
    p->end = at + size;
}

static void address32(struct engine_state *s, const uint8_t *image, struct x87_place *p, uint32_t at)
{
    uint32_t mod = p->modrm >> 6, base = p->modrm & 7, size = mod == 1 ? 1 : mod == 2 ? 4 : 0;

    p->segment = X_SEG_DS;
    p->offset = 0;
    if (base == 4) {
        uint32_t sib = (uint32_t)code_byte(s, at++) & 0xff, index = sib >> 3 & 7;

        base = sib & 7;
        if (index != 4)
            p->offset = image_field(s, image, index) << (sib >> 6);
    }
    if (base == 5 && !mod)
        size = 4;
    else {
        p->offset += image_field(s, image, base);
        if (base == 4 || base == 5)
            p->segment = X_SEG_SS;
    }
    p->offset += displacement_at(s, at, size);
    p->end = at + size;
}

/* 0 when this is no instruction that is looked at here. */
static int x87_find(struct engine_state *s, const uint8_t *image, uint32_t address, struct x87_place *p)
{
    static const uint8_t SEGMENT_PREFIXES[6] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    uint32_t segment = X_NO_SEGMENT, wide = (image_field(s, image, FIELD_HFLAGS) & X_HF_CS32) != 0, n;
    uint32_t at = address, wide_address = wide;
    int b = code_byte(s, at);

    for (n = 0; n < LONGEST && is_prefix(b); n++) {
        uint32_t k;

        for (k = 0; k < 6; k++)
            if (b == SEGMENT_PREFIXES[k])
                segment = k;
        if (b == 0x67)
            wide_address = !((image_field(s, image, FIELD_HFLAGS) & X_HF_CS32) != 0);
        if (b == 0x66)
            wide = !((image_field(s, image, FIELD_HFLAGS) & X_HF_CS32) != 0);
        if (b == 0xf2 || b == 0xf3)
            p->form = b == 0xf3 ? SSE_SS : SSE_SD;
        else if (b == 0x66 && p->form == SSE_PS)
            p->form = SSE_PD;
        b = code_byte(s, ++at);
    }
    p->op = (uint32_t)b;
    if (b == 0x0f) {
        b = code_byte(s, ++at);
        if (b != 0xae && !is_sse(b) && (b < 0 || !is_sse_form(b, code_byte(s, at + 1))))
            return 0;
        p->op = b == 0xae ? 0xae : 0x0f00u | (uint32_t)b;
    }
    p->word = !wide;
    p->modrm = 0xff;
    if (p->op == 0x9b || p->op == 0xf77) /* FWAIT, EMMS */
        return 1;
    if (p->op < 0xf00 && p->op != 0xae && (p->op < 0xd8 || p->op > 0xdf))
        return 0;
    b = code_byte(s, ++at);
    if (b < 0)
        return 0;
    p->modrm = (uint32_t)b;
    p->end = at + 1;
    if (p->modrm >= 0xc0)
        return p->op != 0xae;
    if (wide_address)
        address32(s, image, p, at + 1);
    else
        address16(s, image, p, at + 1);
    if (segment != X_NO_SEGMENT)
        p->segment = segment;
    p->linear = p->offset + image_field(s, image, FIELD_ES + 4 * p->segment + 1);
    return 1;
}

/* Whether the tables refuse an access. */
static int image_refuses(const struct engine_state *s, const uint8_t *image, uint32_t linear, int write)
{
    uint32_t pde = ram32(s, (image_field(s, image, FIELD_CR3) & 0xfffff000u) + (linear >> 22) * 4), both = pde;
    int user = (image_field(s, image, FIELD_HFLAGS) & 3) == 3;

    if (pde & PTE_P && !(pde & PDE_PS && image_field(s, image, FIELD_CR4) & CR4_PSE))
        both &= ram32(s, (pde & 0xfffff000u) + (linear >> 12 & 0x3ff) * 4);
    return !(both & PTE_P) || (user && !(both & PTE_US)) ||
        (write && !(both & PTE_RW) && (user || image_field(s, image, FIELD_CR0) & CR0_WP));
}

/* An operand of two pages, one of which refuses: the engine would have done the part in the other. */
static int half_refused(const struct engine_state *s, const uint8_t *image, uint32_t linear, uint32_t size, int write)
{
    uint32_t last = linear + size - 1;

    return last >> 12 != linear >> 12 && last > linear && image_field(s, image, FIELD_CR0) & CR0_PG &&
        (image_refuses(s, image, linear, write) || image_refuses(s, image, last, write));
}

/* A linear address in RAM under the engine's tables; NO_FRAME where there is none. */
static uint32_t image_physical(const struct engine_state *s, const uint8_t *image, uint32_t linear)
{
    uint32_t entry;

    if (image_field(s, image, FIELD_CR0) & CR0_PG) {
        entry = ram32(s, (image_field(s, image, FIELD_CR3) & 0xfffff000u) + (linear >> 22) * 4);
        if (!(entry & PTE_P))
            return NO_FRAME;
        if (entry & PDE_PS && image_field(s, image, FIELD_CR4) & CR4_PSE)
            linear = (entry & 0xffc00000u) | (linear & 0x3fffff);
        else {
            entry = ram32(s, (entry & 0xfffff000u) + (linear >> 12 & 0x3ff) * 4);
            if (!(entry & PTE_P))
                return NO_FRAME;
            linear = (entry & 0xfffff000u) | (linear & 0xfff);
        }
    }
    return linear < s->ram_size ? linear : NO_FRAME;
}

/* Copy between memory and here; 0 when not all of it is in RAM. */
static int copy_memory(const struct engine_state *s, const uint8_t *image, uint32_t linear, uint8_t *data,
                       uint32_t size, int write)
{
    while (size) {
        uint32_t part = 0x1000 - (linear & 0xfff), physical = image_physical(s, image, linear);
        uint8_t *at = (uint8_t *)(uintptr_t)s->ram + physical;

        if (physical == NO_FRAME)
            return 0;
        part = part < size ? part : size;
        if (write)
            memcpy(at, data, part);
        else
            memcpy(data, at, part);
        linear += part;
        data += part;
        size -= part;
    }
    return 1;
}

#endif
