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

struct timing {
    uint64_t env, decode, insns, buckets; /* decode: a Python function of an address or None */
    uint64_t user_cycles;       /* of completed instructions in ring 3 */
    uint64_t before;            /* cycles as the instruction in flight began */
    uint64_t gates, gate_memory; /* clocks of deliveries that the clock has not taken over yet */
    uint64_t pending[N_RULES], rep_pending[N_RULES];
    uint64_t store_done[4];
    uint32_t capacity, used, bucket_mask, current;
    uint32_t agi, byte_register, misaligned, accessed, memory, i386;
    uint32_t rmw_miss, segment_miss, sequential_code_miss, walk, walk_line, walk_updates[3];
    uint32_t store_clocks, gate_clocks[2], page_fault, gate_miss[2], iret_miss[2];
    uint32_t at_base[6], at_hflags, at_gdt, at_ldt, at_cr0, at_cr3, at_cr4, at_eip;
    uint32_t previous_writes, previous_bytes;
    uint32_t code_line, code_next;
    uint32_t taken, stores, rep_start, rep_left, iterations, user, dirty;
    uint32_t l1_tags[512], l1_bits[128];
    uint32_t tlb_tags[32], tlb_bits[8], tlb_frames[32], tlb_dirty[32];
    uint32_t l1_last[128], tlb_last[8]; /* by set: the tag that the bits say was touched last; 0 where nobody has noted it */
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

static INLINE uint32_t word_of(const uint8_t *state, uint32_t at)
{
    uint32_t value;

    memcpy(&value, state + at, 4);
    return value;
}

static INLINE uint32_t live(const struct timing *t, uint32_t at)
{
    return word_of((const uint8_t *)(uintptr_t)t->env, at);
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

#include "_timing_memory.h"
#include "_decode_call.h"

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
    ask_to_decode(s, t, insn);
    memset(insn->mask, 0, sizeof insn->mask);
    memset(insn->mask, 0xff, insn->length);
    insn->code[0] &= insn->mask[0];
    insn->code[1] &= insn->mask[1];
    insn->next = *bucket;
    *bucket = ++t->used;
    return insn;
}

#include "_timing_operands.h"

/* -- the life of an instruction -------------------------------------------------------------- */

static void timing_begin(struct engine_state *s, uint32_t address)
{
    struct timing *t = timing_of(s);
    struct insn *i;

    if (t->used + 2 > t->capacity)
        ask_to_decode(s, t, NULL); /* take the counts, empty the table */
    i = find_insn(s, t, address);
    if (!i || !s->limit) /* the latter: Ctrl-C while it was decoded */
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

/* Model.trap_taken. */
static void timing_trap_taken(struct timing *t)
{
    t->previous_writes = t->previous_bytes = 0;
    t->code_line = t->code_next = NOWHERE;
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
