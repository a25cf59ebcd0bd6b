/*
 * What a block is made of: which instructions may run among others, and which operands can be
 * foreseen from the registers at its start. Part of _blocks.h.
 */
#ifndef EMU_BLOCK_SCAN_H
#define EMU_BLOCK_SCAN_H

struct scan {
    struct symbol reg[8];
    const uint8_t *op;      /* behind the prefixes */
    int word, rep;          /* 66; F2 or F3 */
    int memory;             /* a ModRM memory operand */
    int ends;               /* of a block: direct target, indirect, or neither */
    int stores;
    int blind;              /* has stored where nobody knows: loads cannot be foreseen any more */
    int flags;              /* what made the flags: F_DIFFERENCE or F_RESULT of the next two, or nothing known */
    int flags_size;
    struct symbol left, right;
};

static void lose(struct scan *c, uint32_t number)
{
    c->reg[number & 7].known = 0;
}

static void lose_operand(struct scan *c, int byte_sized)
{
    if (!c->memory)
        lose(c, c->op[1] & (byte_sized ? 3 : 7));
}

static void move_by(struct scan *c, uint32_t number, uint32_t by)
{
    c->reg[number].plus += by;
}

#include "_block_plain.h"
#include "_block_values.h"

static uint32_t direct_target(const struct insn *i, const uint8_t *op, int *direct)
{
    uint32_t end = i->address + i->length;

    *direct = 1;
    if ((op[0] >= 0x70 && op[0] <= 0x7f) || op[0] == 0xeb || (op[0] >= 0xe0 && op[0] <= 0xe3))
        return end + imm8(op + 1);
    if (op[0] == 0xe8 || op[0] == 0xe9)
        return end + imm32(op + 1);
    if (op[0] == 0x0f && op[1] >= 0x80 && op[1] <= 0x8f)
        return end + imm32(op + 2);
    *direct = 0;
    return 0;
}

/* One memory operand: a check, when its alignment can be foreseen; 0 when it cannot. */
static int note_check(struct blocks *b, struct block *block, const struct scan *c,
                      const struct insn *i, const struct access *a, uint32_t part)
{
    const struct timing *t = records_of(b);
    struct check k = {.part = (uint16_t)part, .base = NO_REGISTER, .index = NO_REGISTER,
                      .size = (uint8_t)a->size, .word = a->size < 4 ? (uint8_t)a->size : 4, .use = a->use,
                      .miss = a->use == USE_RMW ? (uint8_t)t->rmw_miss : i->read_miss};
    const struct symbol *base = NULL, *index = NULL;

    if (a->size == 1 && !t->memory && !(a->use & USE_WRITE))
        return 1;
    if (i->flags & F_ADDRESS16 || a->size > 255)
        return 0;
    k.segment = 2;
    switch (a->where) {
    case AT_PUSH:
        base = &c->reg[G_ESP];
        k.displacement = -(int32_t)a->size;
        break;
    case AT_POP:
        base = &c->reg[G_ESP];
        break;
    case AT_EBP:
        base = &c->reg[G_EBP];
        break;
    case AT_ESI:
        k.segment = i->segment;
        base = &c->reg[G_ESI];
        break;
    case AT_EDI:
        k.segment = 0;
        base = &c->reg[G_EDI];
        break;
    case AT_MODRM:
        k.segment = i->segment;
        k.displacement = i->displacement;
        if (i->ea_base != NO_REGISTER)
            base = &c->reg[i->ea_base];
        if (i->ea_index != NO_REGISTER)
            index = &c->reg[i->ea_index];
        k.scale = i->ea_scale;
        break;
    default:
        return 0;
    }
    if (base) {
        if (!is_value(base))
            return 0;
        k.displacement += (int32_t)base->plus;
        if (base->from != R_NONE)
            k.base = base->from;
    }
    if (index) {
        if (!is_value(index))
            return 0;
        k.displacement += (int32_t)(index->plus * k.scale);
        if (index->from != R_NONE)
            k.index = index->from;
    }
    k.segment_place = t->env + t->at_base[k.segment];
    k.base_place = place_of(b, k.base == NO_REGISTER ? R_NONE : k.base);
    k.index_place = place_of(b, k.index == NO_REGISTER ? R_NONE : k.index);
    b->check[block->checks + block->check_count++] = k;
    return 1;
}

/* The registers of a REP instruction, which is the last of its block; 0 when they cannot be foreseen. */
static int note_rep(struct block *block, const struct scan *c, const struct insn *i, uint64_t timed)
{
    uint32_t a;

    if (!timed)
        return 1;
    if (i->kind != K_REP || i->flags & F_ADDRESS16)
        return 0;
    block->rep_count = c->reg[G_ECX];
    block->rep_source = block->rep_target = (struct symbol){1, R_NONE, 0};
    for (a = 0; a < i->access_count; a++)
        if (i->access[a].where == AT_ESI)
            block->rep_source = c->reg[G_ESI];
        else if (i->access[a].where == AT_EDI)
            block->rep_target = c->reg[G_EDI];
        else
            return 0;
    return is_value(&block->rep_count) && is_value(&block->rep_source) && is_value(&block->rep_target);
}

/* What is stored by the operands from `first` on, which are those of this instruction. */
static void note_stored(struct blocks *b, struct block *block, const struct scan *before,
                        const struct scan *c, const struct insn *i, uint32_t first)
{
    uint16_t count = block->check_count;

    for (; first < count; first++) {
        block->check_count = (uint16_t)first; /* of what was there before */
        b->stored[first] = stored_value(b, block, before, c, i, b->check[block->checks + first].size);
        block->check_count = count;
    }
}

static int whole_kind(const struct timing *t, const struct insn *i)
{
    return (i->kind == K_REP && !t->memory) || i->kind == K_PLAIN || i->kind == K_BRANCH ||
        i->kind == K_JUMP ||
        i->kind == K_INT || i->kind == K_MULTIPLY || i->kind == K_SETCC;
}

/* What an operand may cost beyond its instruction, generously. */
static uint32_t most_of_access(const struct timing *t, uint32_t size)
{
    uint32_t words = (size + 3) / 4, clocks = t->misaligned * 2 * words;

    if (t->memory)
        clocks += (size / 16 + 2) * t->segment_miss + (2 * words + 1) * 4 * t->store_clocks;
    return clocks;
}

/* Two operands that are aligned or not together. */
static int alike(const struct check *a, const struct check *b)
{
    return a->base == b->base && a->index == b->index && a->scale == b->scale &&
        a->segment == b->segment && !((a->displacement - b->displacement) & 3);
}

/* When one of each kind is aligned, all are. */
static void note_quick_checks(struct blocks *b, struct block *block)
{
    struct check *quick = &b->check[block->checks + block->check_count];
    uint32_t n, m;

    for (n = 0; n < block->check_count; n++) {
        const struct check *k = &b->check[block->checks + n];

        for (m = 0; m < block->quick_count && !alike(k, &quick[m]); m++)
            ;
        if (m == block->quick_count && k->size > 1)
            quick[block->quick_count++] = *k;
    }
}

/* What write buffers hear of when every operand is aligned; 0 when there are too many. */
static int note_stores(struct blocks *b, struct block *block)
{
    const struct check *k = &b->check[block->checks], *end = k + block->check_count;
    struct store *store = &b->store[block->stores];
    uint32_t word;

    for (; k != end; k++) {
        uint32_t of_part = block->store_count && store[block->store_count - 1].part == k->part
            ? store[block->store_count - 1].clocks + 1 : b->part[block->parts + k->part].before;

        for (word = 0; k->use & USE_WRITE && word < k->size; word += 4) {
            if (block->store_count == MOST_STORES)
                return 0;
            store[block->store_count].part = k->part;
            store[block->store_count++].clocks = of_part++;
        }
    }
    return 1;
}

/* Which instructions the caches hear of: `replay` passes the others by. The first always does. */
static void note_events(struct blocks *b, const struct block *block)
{
    struct part *parts = &b->part[block->parts];
    uint32_t n, k, before = 0, check = 0, line = 0;

    for (n = 0; n < block->n; n++) {
        const struct insn *i = part_insn(b, &parts[n]);
        uint32_t first = i->address >> 4, last = (i->address + i->length - 1) >> 4;
        int event = !n || first != line || last != first;

        for (; check < block->check_count && b->check[block->checks + check].part == n; check++)
            event = 1;
        for (k = 0; k < block->step_count; k++)
            event |= b->step[block->steps + k].op >= V_CLOCKS && b->step[block->steps + k].part == n;
        for (k = 0; k < block->flag_count; k++)
            event |= block->flag_part[k] == n;
        if (event)
            for (; before < n; before++)
                parts[before].next_event = (uint16_t)n;
        line = last;
    }
    for (; before < n; before++)
        parts[before].next_event = (uint16_t)n;
}

/* Work a new block out; it stays slow where that cannot be done. */
static COLD void build_block(struct engine_state *s, struct blocks *b, struct block *block)
{
    struct timing *t = records_of(b);
    struct scan c;
    uint32_t at = block->address, end = block->address + block->size, n;
    uint8_t writes = 0, bytes = 0;
    int direct = 0, last_stores = 0;
    uint32_t last_at = at;

    block->slow = 1;
    block->parts = b->parts_used;
    block->checks = b->checks_used;
    block->stores = b->stores_used;
    block->steps = b->steps_used;
    c.ends = c.blind = c.flags = 0;
    for (n = 0; n < 8; n++) {
        c.reg[n].known = 1;
        c.reg[n].from = (uint8_t)n;
        c.reg[n].plus = 0;
    }
    for (n = 0; at != end; n++) {
        struct part *part = &b->part[block->parts + n];
        const uint8_t *code = b->code + block->code + (at - block->address);
        struct scan before = c;
        struct insn *i;
        uint32_t a;

        if (n == LONGEST_BLOCK || c.ends || direct || block->repeats)
            return;
        i = find_insn(s, t, at);
        if (!i || i->length > end - at || classify(s, at) & ~(uint32_t)KIND_REP ||
            !plain_insn(&c, i, code))
            return;
        block->repeats = (uint8_t)c.rep;
        if (c.rep && !note_rep(block, &before, i, b->timed))
            return;
        if (b->timed && !whole_kind(t, i))
            return;
        part->before = block->fixed;
        part->record = (uint32_t)(i - (struct insn *)(uintptr_t)t->insns);
        part->offset = (uint16_t)(at - block->address);
        part->length = i->length;
        part->agi = part->byte = part->multiply = 0;
        if (b->timed) {
            uint32_t checks = block->check_count;

            for (a = 0; a < i->access_count && !c.rep; a++)
                if (!note_check(b, block, &before, i, &i->access[a], n)) {
                    if (i->access[a].size > 1 || t->memory)
                        return;
                    c.blind = 1;
                }
            if (c.stores && checks == block->check_count)
                c.blind = 1;
            note_stored(b, block, &before, &c, i, checks);
            recover(b, block, &before, &c, i);
            if (i->kind == K_SETCC && !note_condition(b, block, &c, i, n) && !note_flag(block, &c, n))
                return;
            follow_flags(b, block, &before, &c, i);
            if (i->kind == K_MULTIPLY && !note_multiply(b, block, part, &before, i, n))
                return;
            if (!flags_kept(block, &c))
                return;
            if (n == 0) {
                block->first_address = i->address_registers;
                block->first_reads = i->reads;
            } else {
                part->agi = (writes | bytes) & i->address_registers ? (uint8_t)t->agi : 0;
                part->byte = bytes & i->reads ? (uint8_t)t->byte_register : 0;
            }
            writes = i->writes;
            bytes = i->byte_writes;
            block->fixed += i->fixed + part->agi + part->byte + part->multiply;
            part->behind = block->fixed;
            block->branch = i->kind == K_BRANCH;
            block->taken_more = (int32_t)i->taken - (int32_t)i->base;
        }
        block->target = direct_target(i, c.op, &direct);
        block->indirect = (uint8_t)c.ends;
        last_stores = c.stores;
        last_at = at;
        at += i->length;
    }
    if (!n)
        return;
    /* A block of one instruction that stores and jumps to itself looks as if it had been begun anew. */
    if (direct && last_stores && block->target == last_at)
        return;
    block->n = (uint16_t)n;
    block->last_stores = (uint8_t)last_stores;
    block->last_writes = writes;
    block->last_bytes = bytes;
    block->most = block->fixed + t->agi + t->byte_register;
    if (block->branch && block->taken_more > 0)
        block->most += (uint32_t)block->taken_more;
    keep_needed_steps(b, block);
    note_quick_checks(b, block);
    note_events(b, block);
    for (n = 0; n < block->check_count; n++)
        block->most += most_of_access(t, b->check[block->checks + n].size);
    if (t->memory)
        block->most += 10u * block->n; /* two code lines each */
    b->parts_used += block->n;
    for (n = 0; n < block->step_count; n++)
        if (b->step[block->steps + n].op >= V_CLOCKS)
            block->most += MOST_MULTIPLY;
    block->most += block->flag_count;
    b->checks_used += block->check_count + block->quick_count;
    b->steps_used += block->step_count;
    block->end = block->address + block->size;
    block->needs = (uint16_t)(block->first_address | block->first_reads << 8);
    block->leaves = (uint16_t)((writes | bytes) | bytes << 8);
    block->room = note_stores(b, block) && !block->repeats ? block->most : NEVER;
    block->costly = block->step_count || block->flag_count;
    b->stores_used += block->store_count;
    block->slow = 0;
}

#endif
