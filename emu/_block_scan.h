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

/* One-byte opcodes with a ModRM that read, or read and write, their operand and set flags last. */
static int is_alu(int op)
{
    return op < 0x40 && (op & 7) < 4;
}

static uint32_t imm8(const uint8_t *at)
{
    return (uint32_t)(int32_t)(int8_t)*at;
}

static uint32_t imm32(const uint8_t *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static int plain_two_bytes(struct scan *c)
{
    int op = c->op[1];
    const uint8_t *modrm = c->op + 2;

    c->memory = modrm[0] < 0xc0;
    if (op == 0x1f || (op >= 0x80 && op <= 0x8f))
        return 1;
    if ((op >= 0x40 && op <= 0x4f) || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf) {
        lose(c, modrm[0] >> 3);
        return 1;
    }
    if (op >= 0xc8 && op <= 0xcf) {
        lose(c, (uint32_t)op);
        return !c->word;
    }
    return 0;
}

/* Groups: the opcode's ModRM.reg decides. */
static int plain_group(struct scan *c, const struct insn *i)
{
    int op = c->op[0], digit = c->op[1] >> 3 & 7;
    uint32_t number = c->op[1] & 7, step = c->word ? 2 : 4;
    int byte_sized = !(op & 1);

    switch (op) {
    case 0x80: case 0x81: case 0x83:
        if (digit == 7)
            return 1;
        c->stores = c->memory;
        if (op != 0x80 && !c->memory && !c->word && (digit == 0 || digit == 5)) {
            uint32_t by = op == 0x83 ? imm8(c->op + 2) : imm32(c->op + 2);

            move_by(c, number, digit ? 0u - by : by);
            return 1;
        }
        lose_operand(c, byte_sized);
        return 1;
    case 0x8f: /* POP to memory addresses behind the pop */
        return 0;
    case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3:
        if (digit == 2 || digit == 3)
            return 0; /* RCL and RCR lose CF when they fault, and cost what CL says */
        c->stores = c->memory;
        lose_operand(c, byte_sized);
        return 1;
    case 0xc6: case 0xc7:
        if (digit)
            return 0;
        c->stores = c->memory;
        lose_operand(c, byte_sized);
        return 1;
    case 0xf6: case 0xf7:
        if (digit < 2)
            return 1;
        if (digit > 3)
            return 0;
        c->stores = c->memory;
        lose_operand(c, byte_sized);
        return 1;
    case 0xfe: case 0xff:
        if (digit < 2) {
            c->stores = c->memory;
            lose_operand(c, byte_sized);
            return 1;
        }
        if (op == 0xfe || c->word)
            return 0;
        c->ends = 1;
        switch (digit) {
        case 2: c->stores = 1; return 1;
        case 4: return 1;
        case 6:
            c->ends = 0;
            c->stores = 1;
            move_by(c, G_ESP, 0u - step);
            return 1;
        default: return 0;
        }
    default:
        (void)i;
        return 0;
    }
}

static int plain_string(struct scan *c)
{
    int op = c->op[0] & 0xfe;

    c->stores = op == 0xa4 || op == 0xaa;
    if (op == 0xac)
        lose(c, G_EAX);
    if (op != 0xaa && op != 0xae)
        lose(c, G_ESI);
    if (op != 0xac)
        lose(c, G_EDI);
    if (c->rep)
        lose(c, G_ECX);
    return 1;
}

/* Whether this instruction can be one of many: its fault leaves the flags alone, nothing about it has to be
 * looked at when it runs, and what it does to the registers is noted in c->reg. */
static int plain_insn(struct scan *c, const struct insn *i, const uint8_t *code)
{
    int op, prefixes = 0;
    uint32_t step;

    c->word = c->rep = c->memory = c->ends = c->stores = 0;
    for (;; code++) {
        if (*code == 0x66)
            c->word = 1;
        else if (*code == 0xf2 || *code == 0xf3)
            c->rep = 1;
        else if (*code != 0x26 && *code != 0x2e && *code != 0x36 && *code != 0x3e &&
                 *code != 0x64 && *code != 0x65)
            break;
        if (++prefixes > 4)
            return 0;
    }
    c->op = code;
    op = code[0];
    step = c->word ? 2 : 4;
    if ((op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf))
        return plain_string(c);
    if (c->rep)
        return 0;
    if (op == 0x0f)
        return plain_two_bytes(c);
    c->memory = code[1] < 0xc0; /* where there is a ModRM */
    if (is_alu(op)) {
        int to_memory = !(op & 2);

        if (op >> 3 == 7)
            return 1; /* CMP */
        if (to_memory) {
            c->stores = c->memory;
            lose_operand(c, !(op & 1));
        } else
            lose(c, op & 1 ? code[1] >> 3 : code[1] >> 3 & 3);
        return 1;
    }
    if (op < 0x40 && (op & 7) < 6) { /* AL or EAX, immediate */
        if (op >> 3 != 7)
            lose(c, G_EAX);
        return 1;
    }
    if (op >= 0x40 && op <= 0x4f) {
        if (c->word)
            lose(c, (uint32_t)op);
        else
            move_by(c, op & 7, op & 8 ? 0xffffffffu : 1);
        return 1;
    }
    if (op >= 0x50 && op <= 0x57) {
        c->stores = 1;
        move_by(c, G_ESP, 0u - step);
        return 1;
    }
    if (op >= 0x58 && op <= 0x5f) {
        move_by(c, G_ESP, step);
        lose(c, (uint32_t)op);
        return 1;
    }
    if ((op >= 0x70 && op <= 0x7f) || op == 0xeb || op == 0xe9)
        return !c->word;
    if (op >= 0xb0 && op <= 0xbf) {
        lose(c, op & 8 ? (uint32_t)op : op & 3);
        if (op & 8 && !c->word) {
            c->reg[op & 7].known = 1;
            c->reg[op & 7].from = R_NONE;
            c->reg[op & 7].plus = imm32(code + 1);
        }
        return 1;
    }
    if (op >= 0xd8 && op <= 0xdf) { /* x87 */
        if (op == 0xdf && code[1] == 0xe0)
            lose(c, G_EAX);
        c->stores = c->memory;
        return 1;
    }
    switch (op) {
    case 0x68: case 0x6a:
        c->stores = 1;
        move_by(c, G_ESP, 0u - step);
        return 1;
    case 0x84: case 0x85: case 0xa8: case 0xa9: case 0x90:
    case 0xf5: case 0xf8: case 0xf9: case 0xfc: case 0xfd: /* TEST, NOP, flags */
        return 1;
    case 0x86: case 0x87:
        c->stores = c->memory;
        lose(c, op & 1 ? code[1] >> 3 : code[1] >> 3 & 3);
        lose_operand(c, !(op & 1));
        return 1;
    case 0x88: case 0x89:
        c->stores = c->memory;
        if (op == 0x89 && !c->memory && !c->word)
            c->reg[code[1] & 7] = c->reg[code[1] >> 3 & 7];
        else
            lose_operand(c, op == 0x88);
        return 1;
    case 0x8a: case 0x8b:
        if (op == 0x8b && !c->memory && !c->word)
            c->reg[code[1] >> 3 & 7] = c->reg[code[1] & 7];
        else
            lose(c, op & 1 ? code[1] >> 3 : code[1] >> 3 & 3);
        return 1;
    case 0x8d:
        if (!c->memory)
            return 0;
        if (!c->word && i->ea_base != NO_REGISTER && i->ea_index == NO_REGISTER) {
            c->reg[code[1] >> 3 & 7] = c->reg[i->ea_base];
            move_by(c, code[1] >> 3 & 7, (uint32_t)i->displacement);
        } else
            lose(c, code[1] >> 3);
        return 1;
    case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
        lose(c, (uint32_t)op);
        lose(c, G_EAX);
        return 1;
    case 0x98: case 0xa0: case 0xa1:
        lose(c, G_EAX);
        return 1;
    case 0x99:
        lose(c, G_EDX);
        lose(c, G_EAX);
        return 1;
    case 0xa2: case 0xa3:
        c->stores = 1;
        return 1;
    case 0xc2: case 0xc3:
        c->ends = 1;
        return !c->word;
    case 0xc9:
        if (c->word)
            return 0;
        c->reg[G_ESP] = c->reg[G_EBP];
        move_by(c, G_ESP, 4);
        lose(c, G_EBP);
        return 1;
    case 0xcc: case 0xcd:
        return 1;
    case 0xe0: case 0xe1: case 0xe2: case 0xe3:
        return !c->word;
    case 0xe8:
        c->stores = 1;
        return !c->word;
    default:
        return plain_group(c, i);
    }
}

/* Where a direct jump or call goes; 0 and *direct = 0 for another instruction. */
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
    struct check k = {0, (uint16_t)part, NO_REGISTER, NO_REGISTER, 0, 0, (uint8_t)a->size, a->use,
                      a->use == USE_RMW ? (uint8_t)t->rmw_miss : i->read_miss};
    const struct symbol *base = NULL, *index = NULL;

    if (a->size == 1 && !t->memory)
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
        if (!base->known)
            return 0;
        k.displacement += (int32_t)base->plus;
        if (base->from != R_NONE)
            k.base = base->from;
    }
    if (index) {
        if (!index->known)
            return 0;
        k.displacement += (int32_t)(index->plus * k.scale);
        if (index->from != R_NONE)
            k.index = index->from;
    }
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
    return block->rep_count.known && block->rep_source.known && block->rep_target.known;
}

static int whole_kind(const struct timing *t, const struct insn *i)
{
    return (i->kind == K_REP && !t->memory) || i->kind == K_PLAIN || i->kind == K_BRANCH || i->kind == K_JUMP || i->kind == K_INT;
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
    c.ends = 0;
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
        part->record = (uint32_t)(i - (struct insn *)(uintptr_t)t->insns);
        part->offset = (uint16_t)(at - block->address);
        part->agi = part->byte = 0;
        if (b->timed) {
            for (a = 0; a < i->access_count && !c.rep; a++)
                if (!note_check(b, block, &before, i, &i->access[a], n))
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
            block->fixed += i->fixed + part->agi + part->byte;
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
    note_quick_checks(b, block);
    for (n = 0; n < block->check_count; n++)
        block->most += most_of_access(t, b->check[block->checks + n].size);
    if (t->memory)
        block->most += 10u * block->n; /* two code lines each */
    b->parts_used += block->n;
    b->checks_used += block->check_count + block->quick_count;
    block->slow = 0;
}

#endif
