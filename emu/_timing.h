/*
 * The cycle model of emu/timing/model.py, natively: the same rules in the same order.
 *
 * The numbers come from Python (struct timing, laid out as Timing in emu/timing/native.py),
 * and so does each instruction's static cost: an instruction that has not been met before
 * is handed to Python once, which fills its record in.
 */
#ifndef EMU_TIMING_H
#define EMU_TIMING_H

enum { R_BASE, R_AGI, R_INDEX, R_DISP_IMM, R_PREFIX, R_BYTE, R_MISALIGNED, R_MULTIPLY, R_REP,
       R_DESCRIPTOR, R_L1_DATA, R_L1_CODE, R_WRITE_BUFFER, R_TLB, R_UNKNOWN, N_RULES };
enum { K_PLAIN, K_BRANCH, K_JUMP, K_MULTIPLY, K_BSF, K_BSR, K_SETCC, K_CMPXCHG, K_REP, K_ROTATE,
       K_IO, K_SEGMENT, K_IRET, K_RETF, K_INT, K_INTO, K_CPUID, K_INVLPG, K_FLUSH };
enum { F_MEMORY_SOURCE = 1, F_SIGNED = 2, F_IMMEDIATE = 4, F_PLUS_M = 8, F_ADDRESS16 = 16,
       F_POPS_SEGMENT = 32 };
enum { AT_MODRM, AT_PUSH, AT_POP, AT_ESI, AT_EDI, AT_EBP, AT_XLAT, AT_BIT };
enum { USE_READ = 1, USE_WRITE = 2, USE_RMW = 3 };
enum { G_EAX = 0, G_ECX = 1, G_EDX = 2, G_EBX = 3, G_ESP = 4, G_EBP = 5, G_ESI = 6, G_EDI = 7 };
enum { PTE_RW_ = 2, PTE_A_ = 0x20, PTE_D_ = 0x40, WAYS = 4, NO_REGISTER = 0xff };
#define NOWHERE 0xffffffffu

struct access {
    uint8_t where, use;
    uint16_t size;
};

struct insn {
    uint64_t code[2], mask[2];
    uint64_t count, taken_count;
    uint64_t spent[N_RULES];
    uint32_t address, next;
    int32_t displacement, immediate;
    uint16_t base, taken, fixed;
    uint16_t rep_none, rep_one, rep_start, rep_each;
    uint8_t length, kind, flags, components;
    uint8_t address_registers, reads, writes, byte_writes;
    uint8_t ea_base, ea_index, ea_scale, segment;
    uint8_t source, size, condition, control;
    uint8_t read_miss, access_count;
    struct access access[2];
};

typedef void (*decode_fn)(struct insn *);

struct timing {
    uint64_t env, decode, insns, buckets;
    uint64_t offset;            /* clocks charged outside instructions */
    uint64_t user_cycles;       /* of completed instructions in ring 3 */
    uint64_t before;            /* cycles as the instruction in flight began */
    uint64_t pending[N_RULES], rep_pending[N_RULES];
    uint64_t store_done[4];
    uint32_t capacity, used, bucket_mask, current;
    uint32_t agi, byte_register, misaligned, accessed, memory, i386;
    uint32_t rmw_miss, segment_miss, sequential_code_miss, walk, walk_line, walk_updates[3];
    uint32_t store_clocks, gate_miss[2], iret_miss[2];
    uint32_t at_base[6], at_hflags, at_gdt, at_ldt, at_cr0, at_cr3, at_cr4, at_eip;
    uint32_t previous_writes, previous_bytes, code_line, code_next;
    uint32_t taken, stores, rep_start, rep_left, iterations, user, dirty;
    uint32_t l1_tags[512], l1_bits[128];
    uint32_t tlb_tags[32], tlb_bits[8], tlb_frames[32], tlb_dirty[32];
};

static struct timing *timing_of(struct engine_state *s)
{
    return (struct timing *)(uintptr_t)s->timing;
}

static void add_clocks(struct timing *t, uint32_t rule, uint64_t clocks)
{
    t->pending[rule] += clocks;
    t->dirty |= clocks != 0;
}

/* Most instructions have nothing pending: the table is cleared only after those that had. */
static void clear_pending(struct timing *t)
{
    if (t->dirty)
        memset(t->pending, 0, sizeof t->pending);
    t->dirty = 0;
}

static uint32_t live(const struct timing *t, uint32_t at)
{
    uint32_t value;

    memcpy(&value, (const uint8_t *)(uintptr_t)t->env + at, 4);
    return value;
}

static uint32_t gpr(const struct timing *t, uint32_t number)
{
    return live(t, 8 * number);
}

static uint32_t live_cpl(const struct timing *t)
{
    return live(t, t->at_hflags) & 3;
}

/* A physical word; 0 (nothing present) outside RAM. */
static uint32_t word_at(const struct engine_state *s, uint32_t pa)
{
    return ram32(s, pa);
}

/* As EngineView.frame: without the TLB; NO_FRAME when not mapped or outside RAM. */
static uint32_t plain_frame(const struct engine_state *s, const struct timing *t, uint32_t page)
{
    uint32_t entry, frame;

    page &= 0xfffff;
    if (!(live(t, t->at_cr0) & CR0_PG)) {
        frame = page << 12;
    } else {
        entry = word_at(s, (live(t, t->at_cr3) & ~0xfffu) + (page >> 10) * 4);
        if (!(entry & PTE_P))
            return NO_FRAME;
        if (entry & PDE_PS && live(t, t->at_cr4) & CR4_PSE) {
            frame = (entry & 0xffc00000u) | ((page & 0x3ff) << 12);
        } else {
            entry = word_at(s, (entry & ~0xfffu) + (page & 0x3ff) * 4);
            if (!(entry & PTE_P))
                return NO_FRAME;
            frame = entry & ~0xfffu;
        }
    }
    return (uint64_t)frame + 4096 <= s->ram_size ? frame : NO_FRAME;
}

static uint32_t read_bytes(const struct engine_state *s, const struct timing *t, uint32_t address,
                           uint32_t size, uint8_t *out)
{
    uint32_t done = 0;

    while (done < size) {
        uint32_t offset = address & 0xfff, part = 4096 - offset;
        uint32_t frame = plain_frame(s, t, address >> 12);

        if (frame == NO_FRAME)
            break;
        if (part > size - done)
            part = size - done;
        memcpy(out + done, (const uint8_t *)(uintptr_t)s->ram + frame + offset, part);
        done += part;
        address += part;
    }
    return done;
}

/* An unsigned number at a linear address; `missing` where it is not mapped. */
static uint32_t read_linear(const struct engine_state *s, const struct timing *t, uint32_t address,
                            uint32_t size, uint32_t missing)
{
    uint8_t data[4] = {0, 0, 0, 0};

    if (read_bytes(s, t, address, size, data) != size)
        return missing;
    return data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

/* -- L1, TLB, write buffers: emu/timing/memory.py -------------------------------------------- */

static uint32_t plru_touch(uint32_t bits, uint32_t way)
{
    if (way < 2)
        return ((bits | 1) & ~2u) | (way ? 0 : 2);
    return (bits & ~5u) | (way & 1 ? 0 : 4);
}

static uint32_t plru_victim(uint32_t bits)
{
    if (bits & 1)
        return bits & 4 ? 3 : 2;
    return bits & 2 ? 1 : 0;
}

static int set_find(const uint32_t *tags, uint32_t *bits, uint32_t index, uint32_t tag)
{
    uint32_t way;

    for (way = 0; way < WAYS; way++)
        if (tags[index * WAYS + way] == tag) {
            bits[index] = plru_touch(bits[index], way);
            return (int)way;
        }
    return -1;
}

static uint32_t set_fill(uint32_t *tags, uint32_t *bits, uint32_t index, uint32_t tag)
{
    uint32_t way;

    for (way = 0; way < WAYS; way++)
        if (!tags[index * WAYS + way])
            break;
    if (way == WAYS)
        way = plru_victim(bits[index]);
    tags[index * WAYS + way] = tag;
    bits[index] = plru_touch(bits[index], way);
    return way;
}

static int l1_read(struct timing *t, uint32_t line)
{
    if (set_find(t->l1_tags, t->l1_bits, line & 127, line + 1) >= 0)
        return 0;
    set_fill(t->l1_tags, t->l1_bits, line & 127, line + 1);
    return 1;
}

static void l1_write(struct timing *t, uint32_t line)
{
    set_find(t->l1_tags, t->l1_bits, line & 127, line + 1);
}

static void tlb_flush(struct timing *t)
{
    memset(t->tlb_tags, 0, sizeof t->tlb_tags);
    memset(t->tlb_bits, 0, sizeof t->tlb_bits);
    t->code_line = NOWHERE;
}

static int tlb_drop(struct timing *t, uint32_t page)
{
    uint32_t way, index = (page & 7) * WAYS;

    for (way = 0; way < WAYS; way++)
        if (t->tlb_tags[index + way] == page + 1) {
            t->tlb_tags[index + way] = 0;
            return 1;
        }
    return 0;
}

static void store_one(struct engine_state *s, struct timing *t)
{
    const struct insn *insns = (const struct insn *)(uintptr_t)t->insns;
    uint64_t now = s->cycles + t->offset + t->stores, start, wait;

    if (t->current && insns[t->current - 1].kind == K_REP && t->iterations)
        now += insns[t->current - 1].rep_start +
            (uint64_t)insns[t->current - 1].rep_each * t->iterations;
    t->stores++;
    wait = t->store_done[0] > now ? t->store_done[0] - now : 0;
    start = now + wait > t->store_done[3] ? now + wait : t->store_done[3];
    memmove(t->store_done, t->store_done + 1, 3 * sizeof t->store_done[0]);
    t->store_done[3] = start + t->store_clocks;
    add_clocks(t, R_WRITE_BUFFER, wait);
}

/* Rule 13: the frame of a linear page through the TLB. */
static uint32_t translate(struct engine_state *s, struct timing *t, uint32_t page, int write)
{
    uint32_t index = page & 7, at, entry, frame, missed, updates = 0;
    int way;

    if (!(live(t, t->at_cr0) & CR0_PG))
        return page << 12;
    way = set_find(t->tlb_tags, t->tlb_bits, index, page + 1);
    if (way >= 0 && (!write || t->tlb_dirty[index * WAYS + way]))
        return t->tlb_frames[index * WAYS + way];
    at = (live(t, t->at_cr3) & ~0xfffu) + (page >> 10) * 4;
    entry = word_at(s, at);
    if (!(entry & PTE_P))
        return NO_FRAME;
    missed = (uint32_t)l1_read(t, at >> 4);
    if (entry & PDE_PS && live(t, t->at_cr4) & CR4_PSE) {
        frame = (entry & 0xffc00000u) | ((page & 0x3ff) << 12);
    } else {
        updates = !(entry & PTE_A_);
        at = (entry & ~0xfffu) + (page & 0x3ff) * 4;
        entry = word_at(s, at);
        if (!(entry & PTE_P))
            return NO_FRAME;
        missed += (uint32_t)l1_read(t, at >> 4);
        frame = entry & ~0xfffu;
    }
    updates += !(entry & PTE_A_) || (write && !(entry & PTE_D_));
    add_clocks(t, R_TLB, t->walk + t->walk_line * missed + t->walk_updates[updates]);
    way = set_find(t->tlb_tags, t->tlb_bits, index, page + 1);
    if (way < 0)
        way = (int)set_fill(t->tlb_tags, t->tlb_bits, index, page + 1);
    t->tlb_frames[index * WAYS + way] = frame;
    t->tlb_dirty[index * WAYS + way] = write || (entry & PTE_D_) ? 1 : 0;
    return frame;
}

/* Goes over the physical lines of an access: *line is the next linear one, *frame its page's. */
struct walk_lines {
    uint64_t line, end;
    uint32_t frame;
    int first;
};

static void lines_begin(struct walk_lines *w, uint32_t address, uint32_t size)
{
    w->line = address >> 4;
    w->end = (uint64_t)address + size;
    w->frame = NO_FRAME;
    w->first = 1;
}

/* 1 and a physical line, -1 for a line that is not mapped, 0 at the end. */
static int lines_next(struct engine_state *s, struct timing *t, struct walk_lines *w, int write,
                      uint32_t *physical)
{
    uint32_t linear;

    if (w->line << 4 >= w->end)
        return 0;
    linear = (uint32_t)(w->line << 4);
    if (w->first || !(linear & 0xfff))
        w->frame = translate(s, t, linear >> 12, write);
    w->first = 0;
    w->line++;
    if (w->frame == NO_FRAME)
        return -1;
    *physical = (w->frame | (linear & 0xfff)) >> 4;
    return 1;
}

static uint32_t crossings(uint32_t address, uint32_t size)
{
    uint32_t skew = address & 3, at, count = 0;

    for (at = 0; at < size; at += 4)
        count += skew + (size - at < 4 ? size - at : 4) > 4;
    return count;
}

/* Model._access: first every translation, then L1, as the reference does. */
static void access_memory(struct engine_state *s, struct timing *t, uint32_t address, uint32_t size,
                          uint32_t use, uint32_t miss)
{
    uint32_t lines[16], count = 0, line, n;
    struct walk_lines w;
    int found;

    lines_begin(&w, address, size);
    while ((found = lines_next(s, t, &w, use & USE_WRITE, &line)) != 0)
        if (found > 0 && count < 16)
            lines[count++] = line;
    for (n = 0; n < count; n++) {
        if (!(use & USE_READ))
            l1_write(t, lines[n]);
        else if (l1_read(t, lines[n]))
            add_clocks(t, R_L1_DATA, miss);
    }
    if (use & USE_WRITE && count)
        for (n = (size + 3) / 4 + crossings(address, size); n; n--)
            store_one(s, t);
}

/* Model._share: the part of an all-miss penalty for the lines that miss. */
struct share {
    uint32_t missed, touched;
};

static void share_lines(struct engine_state *s, struct timing *t, struct share *sum,
                        uint32_t address, uint32_t size)
{
    uint32_t lines[16], count = 0, line, n;
    struct walk_lines w;
    int found;

    lines_begin(&w, address, size);
    while ((found = lines_next(s, t, &w, 0, &line)) != 0)
        if (found > 0 && count < 16)
            lines[count++] = line;
    for (n = 0; n < count; n++) {
        sum->touched++;
        sum->missed += (uint32_t)l1_read(t, lines[n]);
    }
}

static uint32_t share_of(const struct share *sum, uint32_t full)
{
    return sum->touched ? (full * sum->missed + sum->touched - 1) / sum->touched : 0;
}

/* -- records --------------------------------------------------------------------------------- */

/* The instruction at an address; NULL where nothing is mapped. */
static struct insn *find_insn(struct engine_state *s, struct timing *t, uint32_t address)
{
    struct insn *insns = (struct insn *)(uintptr_t)t->insns, *insn;
    uint32_t *buckets = (uint32_t *)(uintptr_t)t->buckets, *bucket, number, length = LONGEST;
    uint64_t code[2] = {0, 0};
    uint32_t offset = address & 0xfff;

    if (offset <= 0xff0 && s->code_page_valid && s->code_page == address >> 12 &&
        s->code_frame != NO_FRAME) {
        memcpy(code, (const uint8_t *)(uintptr_t)s->ram + s->code_frame + offset, 16);
    } else {
        length = read_bytes(s, t, address, LONGEST, (uint8_t *)code);
        if (!length)
            return NULL;
    }
    bucket = &buckets[(address ^ address >> 16) & t->bucket_mask];
    for (number = *bucket; number; number = insn->next) {
        insn = &insns[number - 1];
        if (insn->address == address && (code[0] & insn->mask[0]) == insn->code[0] &&
            (code[1] & insn->mask[1]) == insn->code[1] && insn->length <= length)
            return insn;
    }
    insn = &insns[t->used];
    memset(insn, 0, sizeof *insn);
    memcpy(insn->code, code, 16);
    insn->address = address;
    insn->length = (uint8_t)length;
    ((decode_fn)(uintptr_t)t->decode)(insn);
    memset(insn->mask, 0, sizeof insn->mask);
    memset(insn->mask, 0xff, insn->length);
    insn->code[0] &= insn->mask[0];
    insn->code[1] &= insn->mask[1];
    insn->next = *bucket;
    *bucket = ++t->used;
    return insn;
}

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

static uint32_t multiply_clocks(struct engine_state *s, struct timing *t, const struct insn *i)
{
    int64_t m;
    uint32_t size, least;

    if (i->flags & F_IMMEDIATE) {
        m = i->immediate;
    } else {
        m = source_of(s, t, i);
        if (i->flags & F_SIGNED && m >> (8 * i->size - 1))
            m -= (int64_t)1 << (8 * i->size);
    }
    least = m < 0 && !t->i386 ? 5 : 3;
    size = ceil_log2((uint64_t)(m < 0 ? -m : m));
    return size > least ? size : least;
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

static void fetch_line(struct engine_state *s, struct timing *t, uint32_t line, uint32_t dwords,
                       int sequential)
{
    uint32_t linear = line << 4, frame = translate(s, t, linear >> 12, 0);

    if (frame == NO_FRAME || !l1_read(t, (frame | (linear & 0xfff)) >> 4))
        return;
    add_clocks(t, R_L1_CODE, sequential ? t->sequential_code_miss : 1 + (dwords < 4 ? dwords : 4));
}

static void fetch_code(struct engine_state *s, struct timing *t, uint32_t address, uint32_t length)
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

/* -- the life of an instruction -------------------------------------------------------------- */

static void timing_begin(struct engine_state *s, uint32_t address)
{
    struct timing *t = timing_of(s);
    struct insn *i;

    if (t->used + 2 > t->capacity)
        ((decode_fn)(uintptr_t)t->decode)(NULL); /* take the counts, empty the table */
    i = find_insn(s, t, address);
    if (!i)
        return;
    t->current = (uint32_t)(i - (struct insn *)(uintptr_t)t->insns) + 1;
    clear_pending(t);
    t->taken = t->stores = 0;
    t->user = live_cpl(t) == 3;
    t->before = s->cycles;
    if ((t->previous_writes | t->previous_bytes) & i->address_registers)
        add_clocks(t, R_AGI, t->agi);
    if (t->previous_bytes & i->reads)
        add_clocks(t, R_BYTE, t->byte_register);
    if (t->memory)
        fetch_code(s, t, address, i->length);
    if (i->kind == K_REP) {
        t->rep_start = t->rep_left = gpr(t, G_ECX) & count_mask(i);
        t->iterations = 0;
        if (t->rep_start)
            operands(s, t, i);
        return;
    }
    values(s, t, i);
    operands(s, t, i);
}

static struct insn *current_insn(struct timing *t)
{
    return t->current ? (struct insn *)(uintptr_t)t->insns + (t->current - 1) : NULL;
}

static void timing_iterate(struct engine_state *s)
{
    struct timing *t = timing_of(s);
    struct insn *i = current_insn(t);
    uint32_t left;

    if (!i || i->kind != K_REP)
        return;
    left = gpr(t, G_ECX) & count_mask(i);
    if (left == t->rep_left)
        return;
    t->rep_left = left;
    t->iterations++;
    memcpy(t->rep_pending, t->pending, sizeof t->pending);
    if (left)
        operands(s, t, i);
}

static void commit(struct engine_state *s, struct insn *i, const uint64_t *pending)
{
    uint32_t n;

    for (n = 0; n < N_RULES; n++) {
        i->spent[n] += pending[n];
        s->cycles += pending[n];
    }
}

static uint32_t charge_rep(struct engine_state *s, struct timing *t, struct insn *i)
{
    uint32_t done = (t->rep_start - gpr(t, G_ECX)) & count_mask(i);
    uint64_t clocks = done == 0 ? i->rep_none
        : done == 1 ? i->rep_one : i->rep_start + (uint64_t)i->rep_each * done;

    i->spent[R_REP] += clocks;
    s->cycles += clocks;
    return done;
}

static void timing_finish(struct engine_state *s, uint32_t next)
{
    struct timing *t = timing_of(s);
    struct insn *i = current_insn(t), *target;

    if (!i)
        return;
    if (i->kind == K_BRANCH)
        t->taken = next != i->address + i->length;
    else if (i->kind == K_REP)
        charge_rep(s, t, i);
    else if (i->kind == K_FLUSH)
        tlb_flush(t);
    i->count++;
    s->cycles += i->fixed;
    if (t->taken) {
        i->taken_count++;
        s->cycles += (uint64_t)i->taken - i->base;
    }
    if (t->i386 && i->flags & F_PLUS_M && (t->taken || i->kind != K_BRANCH)) {
        target = find_insn(s, t, next);
        add_clocks(t, R_BASE, target ? target->components : 1);
    }
    if (t->dirty)
        commit(s, i, t->pending);
    if (t->user)
        t->user_cycles += s->cycles - t->before;
    t->previous_writes = i->writes;
    t->previous_bytes = i->byte_writes;
    t->current = 0;
}

static void timing_abandon(struct engine_state *s)
{
    struct timing *t = timing_of(s);
    struct insn *i = current_insn(t);
    uint32_t done;

    t->current = 0;
    if (!i || i->kind != K_REP || !((t->rep_start - gpr(t, G_ECX)) & count_mask(i)))
        return;
    done = charge_rep(s, t, i);
    commit(s, i, done > t->iterations ? t->pending : t->rep_pending);
}

/* Model.copy_lines: how many lines of the source miss. */
static uint32_t timing_copy_lines(struct timing *t, uint32_t destination, uint32_t source,
                                  uint32_t length)
{
    uint32_t at, missed = 0;

    for (at = 0; at < length; at += 16) {
        missed += (uint32_t)l1_read(t, (source + at) >> 4);
        l1_write(t, (destination + at) >> 4);
    }
    return missed;
}

/* Model.gate. `reads` is (address, bytes) pairs; the result is clocks. */
static uint64_t timing_gate(struct engine_state *s, const uint32_t *reads, uint32_t count,
                            uint32_t pushed, uint32_t size, uint32_t inward)
{
    struct timing *t = timing_of(s);
    struct share sum = {0, 0};
    uint64_t clocks;
    uint32_t n;

    if (!t->memory)
        return 0;
    clear_pending(t);
    t->stores = 0;
    for (n = 0; n < count; n++)
        share_lines(s, t, &sum, reads[2 * n], reads[2 * n + 1]);
    clocks = share_of(&sum, t->gate_miss[inward]);
    access_memory(s, t, pushed, size, USE_WRITE, 0);
    for (n = 0; n < N_RULES; n++)
        clocks += t->pending[n];
    return clocks;
}

#endif
