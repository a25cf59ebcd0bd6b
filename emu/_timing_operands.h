/* What an instruction costs by its operands and by the code's lines: Model._values, _operands, _fetch. Part of _timing.h. */

/* -- operands -------------------------------------------------------------------------------- */

static uint32_t count_mask(const struct insn *i)
{
    return i->flags & F_ADDRESS16 ? 0xffff : 0xffffffffu;
}

static uint32_t stack_at(const struct timing *t, uint32_t offset)
{
    return live(t, t->at_base[2]) + gpr(t, G_ESP) + offset;
}

static uint32_t effective_address(const struct timing *t, const struct insn *i)
{
    uint32_t offset = (uint32_t)i->displacement;

    if (i->ea_base != NO_REGISTER)
        offset += gpr(t, i->ea_base);
    if (i->ea_index != NO_REGISTER)
        offset += gpr(t, i->ea_index) * i->ea_scale;
    return live(t, t->at_base[i->segment]) + (offset & count_mask(i));
}

static uint32_t address_of_access(const struct timing *t, const struct insn *i,
                                  const struct access *a)
{
    uint32_t mask = count_mask(i), bits;
    int64_t index;

    switch (a->where) {
    case AT_PUSH: return stack_at(t, 0u - a->size);
    case AT_POP: return stack_at(t, 0);
    case AT_ESI: return live(t, t->at_base[i->segment]) + (gpr(t, G_ESI) & mask);
    case AT_EDI: return live(t, t->at_base[0]) + (gpr(t, G_EDI) & mask);
    case AT_EBP: return live(t, t->at_base[2]) + gpr(t, G_EBP);
    case AT_XLAT:
        return live(t, t->at_base[i->segment]) +
            ((gpr(t, G_EBX) + (gpr(t, G_EAX) & 0xff)) & mask);
    case AT_BIT:
        bits = 8u * a->size;
        index = bits == 32 ? (int32_t)gpr(t, i->control) : (int16_t)gpr(t, i->control);
        index = index >= 0 ? index / bits : -((-index + bits - 1) / (int64_t)bits);
        return effective_address(t, i) + (uint32_t)(index * a->size);
    default: return effective_address(t, i);
    }
}

static void operands(struct engine_state *s, struct timing *t, const struct insn *i)
{
    uint32_t n;

    for (n = 0; n < i->access_count; n++) {
        const struct access *a = &i->access[n];
        uint32_t address = address_of_access(t, i, a);
        uint32_t split = (address & 3) + a->size > 4 ? crossings(address, a->size) : 0;

        if (split)
            add_clocks(t, R_MISALIGNED, t->misaligned * split * (a->use == USE_RMW ? 2 : 1));
        if (t->memory)
            access_memory(s, t, address, a->size, a->use,
                          a->use == USE_RMW ? t->rmw_miss : i->read_miss);
    }
}

static uint32_t source_of(struct engine_state *s, struct timing *t, const struct insn *i)
{
    uint32_t value;

    if (i->flags & F_MEMORY_SOURCE)
        return read_linear(s, t, effective_address(t, i), i->size, 0);
    if (i->size == 1) {
        value = gpr(t, i->source & 3);
        return (i->source & 4 ? value >> 8 : value) & 0xff;
    }
    value = gpr(t, i->source);
    return i->size == 2 ? value & 0xffff : value;
}

static uint32_t ceil_log2(uint64_t value)
{
    return value < 2 ? 0 : 64 - (uint32_t)__builtin_clzll(value - 1);
}

static INLINE uint32_t clocks_of_multiplier(int64_t m, uint32_t least_negative)
{
    uint32_t least = m < 0 ? least_negative : 3, size = ceil_log2((uint64_t)(m < 0 ? -m : m));

    return size > least ? size : least;
}

static uint32_t least_of_negative(const struct timing *t)
{
    return t->i386 ? 3 : 5;
}

/* By the multiplier, where the instruction has none in itself. */
static uint32_t multiply_clocks_of(const struct timing *t, const struct insn *i, uint32_t multiplier)
{
    int64_t m = multiplier;

    if (i->flags & F_IMMEDIATE)
        m = i->immediate;
    else if (i->flags & F_SIGNED && m >> (8 * i->size - 1))
        m -= (int64_t)1 << (8 * i->size);
    return clocks_of_multiplier(m, least_of_negative(t));
}

static uint32_t multiply_clocks(struct engine_state *s, struct timing *t, const struct insn *i)
{
    return multiply_clocks_of(t, i, i->flags & F_IMMEDIATE ? 0 : source_of(s, t, i));
}

static uint32_t bsf_clocks(const struct timing *t, uint32_t source)
{
    uint32_t zeros = source ? (uint32_t)__builtin_ctz(source) : 0;

    if (t->i386)
        return 10 + 3 * zeros;
    if (!source)
        return 6;
    return 8 + 4 * (zeros / 8 + 1) + 3 * (zeros % 8 / 4 + 1) + 3 * (zeros % 4 + 1);
}

static uint32_t bsr_clocks(const struct timing *t, const struct insn *i, uint32_t source)
{
    uint32_t top = source ? 31 - (uint32_t)__builtin_clz(source) : 0;

    if (t->i386)
        return 10 + (source ? 3 * (8u * i->size - 1 - top) : 0);
    return source ? 7 + 3 * (32 - top) : 6;
}

static int condition_holds(uint32_t flags, uint32_t code)
{
    int cf = !!(flags & 1), pf = !!(flags & 4), zf = !!(flags & 0x40), sf = !!(flags & 0x80);
    int of = !!(flags & 0x800), found;

    switch (code >> 1) {
    case 0: found = of; break;
    case 1: found = cf; break;
    case 2: found = zf; break;
    case 3: found = cf || zf; break;
    case 4: found = sf; break;
    case 5: found = pf; break;
    case 6: found = sf != of; break;
    default: found = zf || sf != of; break;
    }
    return found != (int)(code & 1);
}

static uint32_t descriptor_at(const struct timing *t, uint32_t selector)
{
    return live(t, selector & 4 ? t->at_ldt : t->at_gdt) + (selector & 0xfff8);
}

static void segment_load(struct engine_state *s, struct timing *t, const struct insn *i)
{
    uint32_t selector, at, rights;

    if (i->flags & F_POPS_SEGMENT)
        selector = read_linear(s, t, stack_at(t, 0), 2, 0);
    else if (i->flags & F_MEMORY_SOURCE)
        selector = read_linear(s, t, effective_address(t, i), 2, 0);
    else
        selector = gpr(t, i->source) & 0xffff;
    if (!(selector & 0xfffc))
        return;
    at = descriptor_at(t, selector);
    rights = read_linear(s, t, at + 5, 1, 1);
    if (!(rights & 1))
        add_clocks(t, R_DESCRIPTOR, t->accessed);
    if (t->memory)
        access_memory(s, t, at, 8, USE_READ, t->segment_miss);
}

static void return_from_trap(struct engine_state *s, struct timing *t, uint32_t width)
{
    uint32_t selector = read_linear(s, t, stack_at(t, width), 2, 0), inner;
    struct share sum = {0, 0};

    t->taken = (selector & 3) > live_cpl(t);
    if (!t->memory)
        return;
    inner = t->taken ? read_linear(s, t, stack_at(t, 4 * width), 2, 0) : 0;
    share_lines(s, t, &sum, stack_at(t, 0), (t->taken ? 5 : 3) * width);
    share_lines(s, t, &sum, descriptor_at(t, selector), 8);
    if (t->taken)
        share_lines(s, t, &sum, descriptor_at(t, inner), 8);
    add_clocks(t, R_L1_DATA, share_of(&sum, t->iret_miss[t->taken]));
}

static void values(struct engine_state *s, struct timing *t, const struct insn *i)
{
    uint32_t flags, mask, popped;

    switch (i->kind) {
    case K_MULTIPLY:
        add_clocks(t, R_MULTIPLY, multiply_clocks(s, t, i));
        break;
    case K_BSF:
        add_clocks(t, R_BASE, bsf_clocks(t, source_of(s, t, i)));
        break;
    case K_BSR:
        add_clocks(t, R_BASE, bsr_clocks(t, i, source_of(s, t, i)));
        break;
    case K_ROTATE:
        flags = 8 + (gpr(t, G_ECX) & 31);
        add_clocks(t, R_BASE, flags < 30 ? flags : 30);
        break;
    case K_SETCC:
        t->taken = (uint32_t)condition_holds(read_reg(s, s->reg_eflags), i->condition);
        break;
    case K_CMPXCHG:
        mask = i->size == 4 ? 0xffffffffu : (1u << 8 * i->size) - 1;
        t->taken = (gpr(t, G_EAX) & mask) == source_of(s, t, i);
        break;
    case K_IO:
        flags = read_reg(s, s->reg_eflags);
        t->taken = flags & EFLAGS_VM || live_cpl(t) > ((flags >> 12) & 3);
        break;
    case K_INTO:
        t->taken = !!(read_reg(s, s->reg_eflags) & 0x800);
        break;
    case K_CPUID:
        t->taken = gpr(t, G_EAX) == 1;
        break;
    case K_INVLPG:
        t->taken = !t->memory || tlb_drop(t, effective_address(t, i) >> 12);
        break;
    case K_SEGMENT:
        segment_load(s, t, i);
        break;
    case K_RETF:
        popped = read_linear(s, t, stack_at(t, i->size), 2, 0);
        t->taken = (popped & 3) > live_cpl(t);
        break;
    case K_IRET:
        return_from_trap(s, t, i->size);
        break;
    default:
        break;
    }
}

static INLINE uint32_t code_miss(const struct timing *t, uint32_t dwords, int sequential)
{
    return sequential ? t->sequential_code_miss : 1 + (dwords < 4 ? dwords : 4);
}

static INLINE void fetch_line(struct engine_state *s, struct timing *t, uint32_t line, uint32_t dwords,
                       int sequential)
{
    uint32_t linear = line << 4, frame = translate(s, t, linear >> 12, 0);

    if (frame == NO_FRAME || !l1_read(t, (frame | (linear & 0xfff)) >> 4))
        return;
    add_clocks(t, R_L1_CODE, code_miss(t, dwords, sequential));
}

static INLINE void fetch_code(struct engine_state *s, struct timing *t, uint32_t address, uint32_t length)
{
    uint32_t first = address >> 4, last = (address + length - 1) >> 4;
    int jumped = address != t->code_next;

    if (jumped || first != t->code_line) {
        uint32_t end = address + length - 1;

        if (last != first)
            end = address | 15;
        fetch_line(s, t, first, (end >> 2) - (address >> 2) + 1, !jumped);
    }
    if (last != first)
        fetch_line(s, t, last, 0, 1);
    t->code_line = last;
    t->code_next = address + length;
}
