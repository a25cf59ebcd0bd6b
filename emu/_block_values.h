/*
 * What instructions in the middle of a block will find, worked out at its start: the addresses of operands
 * that earlier instructions of the block compute or load, and the numbers that clocks depend on. Part of
 * _blocks.h.
 *
 * A block gets a short program of steps, each of which makes one value of others; only those that an operand
 * or a clock needs are kept, and most blocks need none. What memory holds is read in advance: where
 * an earlier store of the block may have changed it by then, the block runs exactly.
 */
#ifndef EMU_BLOCK_VALUES_H
#define EMU_BLOCK_VALUES_H

enum { V_LOAD, V_LOAD_SIGNED, V_FORWARD, V_SUM, V_MINUS, V_AND, V_OR, V_XOR, V_SHL, V_SHR, V_SAR, V_TIMES, V_HIGH,
       V_HIGH_SIGNED, V_SIGNED, V_CLOCKS, V_CLOCKS_SIGNED, V_CONDITION,
       MOST_MULTIPLY = 40 };
enum { F_DIFFERENCE = 1, F_RESULT };

static struct symbol constant(uint32_t value)
{
    struct symbol s = {1, R_NONE, value};

    return s;
}

static uint32_t of_size(uint32_t size, uint32_t value)
{
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

static int is_value(const struct symbol *s)
{
    return s->known && s->from < R_FLAG;
}

/* -- while a block is worked out ------------------------------------------------------------- */

/* One more step of a block; what it makes, unknown when one of its parts is or when there is no room. */
static struct symbol add_step(struct blocks *b, struct block *block, struct step step,
                              const struct symbol *x, const struct symbol *y)
{
    struct symbol made = {0, 0, 0};
    uint32_t n;

    if (!is_value(x) || !is_value(y) || block->step_count == VALUES - FIRST_VALUE)
        return made;
    step.a = x->from;
    step.plus = x->plus;
    step.b = y->from;
    step.place_a = place_of(b, step.a);
    step.place_b = place_of(b, step.b);
    step.plus_b = y->plus;
    step.checks = block->check_count;
    for (n = 0; n < step.checks; n++)
        step.stores |= b->check[block->checks + n].use & USE_WRITE;
    step.to = (uint8_t)(FIRST_VALUE + block->step_count);
    b->step[block->steps + block->step_count++] = step;
    made.known = 1;
    made.from = step.to;
    return made;
}

static struct symbol compute(struct blocks *b, struct block *block, int op, struct symbol x,
                             struct symbol y)
{
    struct step step = {0};

    if ((op == V_SUM || op == V_MINUS) && is_value(&x) && y.known && y.from == R_NONE) {
        x.plus += op == V_SUM ? y.plus : 0u - y.plus;
        return x;
    }
    step.op = (uint8_t)op;
    step.scale = 1;
    return add_step(b, block, step, &x, &y);
}

/* The parts of a ModRM operand's address. */
static void address_parts(const struct scan *c, const struct insn *i, struct symbol *base,
                          struct symbol *index)
{
    *base = i->ea_base == NO_REGISTER ? constant(0) : c->reg[i->ea_base];
    base->plus += (uint32_t)i->displacement;
    *index = i->ea_index == NO_REGISTER ? constant(0) : c->reg[i->ea_index];
}

static int same_register(uint8_t in_check, uint8_t from)
{
    return in_check == (from == R_NONE ? NO_REGISTER : from);
}

/* A load: what an earlier instruction of the block has stored there, or else what is there now. */
static struct symbol forwarded(struct blocks *b, struct block *block, struct step step,
                               const struct symbol *base, const struct symbol *index)
{
    uint32_t at = base->plus + index->plus * step.scale, n;
    struct symbol none = {0, 0, 0}, address;
    int elsewhere = 0;

    for (n = block->check_count; is_value(base) && is_value(index) && n-- > 0;) {
        const struct check *k = &b->check[block->checks + n];
        uint32_t ahead = at - (uint32_t)k->displacement;

        if (!(k->use & USE_WRITE))
            continue;
        if (!same_register(k->base, base->from) || !same_register(k->index, index->from) ||
            (k->index != NO_REGISTER && k->scale != step.scale) || k->segment != step.segment) {
            elsewhere = 1;
            continue;
        }
        if (!ahead && k->size == 4 && step.size == 4) {
            if (!elsewhere || !is_value(&b->stored[n]))
                return b->stored[n];
            step.op = V_SUM;
            address = add_step(b, block, step, base, index);
            step.op = V_FORWARD; /* unless a store since then is to the same place */
            step.part = (uint16_t)(n + 1);
            return add_step(b, block, step, &b->stored[n], &address);
        }
        if (ahead < k->size || 0u - ahead < step.size)
            return none;
    }
    return add_step(b, block, step, base, index);
}

/* What memory will hold there; c is from before the instruction. */
static struct symbol load_step(struct blocks *b, struct block *block, const struct scan *c,
                               const struct insn *i, uint32_t size, int is_signed)
{
    struct step step = {0};
    struct symbol base, index, none = {0, 0, 0};

    if (i->flags & F_ADDRESS16 || c->blind)
        return none;
    address_parts(c, i, &base, &index);
    step.op = is_signed ? V_LOAD_SIGNED : V_LOAD;
    step.scale = i->ea_index == NO_REGISTER ? 1 : i->ea_scale;
    step.segment = i->segment;
    step.size = (uint8_t)size;
    return forwarded(b, block, step, &base, &index);
}

static struct symbol load_stack(struct blocks *b, struct block *block, const struct scan *c,
                                uint32_t pointer)
{
    struct step step = {0};
    struct symbol zero = constant(0), none = {0, 0, 0};

    if (c->blind)
        return none;
    step.op = V_LOAD;
    step.scale = 1;
    step.segment = 2;
    step.size = 4;
    return forwarded(b, block, step, &c->reg[pointer], &zero);
}

/* The operand that ModRM names: a register, or what memory will hold. */
static struct symbol operand(struct blocks *b, struct block *block, const struct scan *before,
                             const struct insn *i, const uint8_t *modrm)
{
    return *modrm >= 0xc0 ? before->reg[*modrm & 7] : load_step(b, block, before, i, 4, 0);
}

static const uint8_t ALU_STEP[8] = {V_SUM, V_OR, 0, 0, V_AND, V_MINUS, V_XOR, 0};

static int has_step(int digit)
{
    return digit != 2 && digit != 3 && digit != 7; /* ADC, SBB: the carry; CMP */
}

static void widen(struct blocks *b, struct block *block, const struct scan *before, struct scan *c,
                  const struct insn *i, int op, const uint8_t *modrm)
{
    int wide = op & 1, is_signed = op >= 0xbe, number = *modrm & 7;
    struct symbol *to = &c->reg[*modrm >> 3 & 7], from;

    if (*modrm < 0xc0) {
        *to = load_step(b, block, before, i, wide ? 2 : 1, is_signed);
        return;
    }
    from = before->reg[wide ? number : number & 3];
    if (!wide && number > 3)
        from = compute(b, block, V_SHR, from, constant(8));
    else if (!wide && !is_signed && from.known && from.from >= R_FLAG && to == &c->reg[number]) {
        *to = from; /* MOVZX of a SETcc to its own register: the low byte is the same */
        return;
    }
    *to = is_signed ? compute(b, block, V_SIGNED, from, constant(wide ? 16 : 24))
        : compute(b, block, V_AND, from, constant(wide ? 0xffff : 0xff));
}

static void recover_two_bytes(struct blocks *b, struct block *block, const struct scan *before,
                              struct scan *c, const struct insn *i)
{
    int op = c->op[1];
    const uint8_t *modrm = c->op + 2;

    if (op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf)
        widen(b, block, before, c, i, op, modrm);
    else if (op == 0xaf)
        c->reg[*modrm >> 3 & 7] = compute(b, block, V_TIMES, before->reg[*modrm >> 3 & 7],
                                          operand(b, block, before, i, modrm));
}

static void recover_shift(struct blocks *b, struct block *block, const struct scan *before,
                          struct scan *c, const uint8_t *code)
{
    int digit = code[1] >> 3 & 7, number = code[1] & 7;
    uint32_t by = code[0] == 0xd1 ? 1 : code[2] & 31;

    if (code[1] >= 0xc0 && digit >= 4)
        c->reg[number] = compute(b, block, digit == 5 ? V_SHR : digit == 7 ? V_SAR : V_SHL,
                                 before->reg[number], constant(by));
}

static void recover_group(struct blocks *b, struct block *block, const struct scan *before,
                          struct scan *c, const struct insn *i)
{
    const uint8_t *code = c->op;
    int digit = code[1] >> 3 & 7, number = code[1] & 7;
    struct symbol source;

    switch (code[0]) {
    case 0x81: case 0x83:
        if (code[1] >= 0xc0 && digit != 0 && digit != 5 && has_step(digit))
            c->reg[number] = compute(b, block, ALU_STEP[digit], before->reg[number],
                                     constant(code[0] == 0x83 ? imm8(code + 2) : imm32(code + 2)));
        return;
    case 0xc1: case 0xd1:
        recover_shift(b, block, before, c, code);
        return;
    case 0xf7:
        if (code[1] >= 0xc0 && (digit == 2 || digit == 3))
            c->reg[number] = compute(b, block, V_MINUS, constant(digit == 2 ? 0xffffffffu : 0),
                                     before->reg[number]);
        if (digit == 4 || digit == 5) {
            source = operand(b, block, before, i, code + 1);
            c->reg[G_EAX] = compute(b, block, V_TIMES, before->reg[G_EAX], source);
            c->reg[G_EDX] = compute(b, block, digit == 4 ? V_HIGH : V_HIGH_SIGNED,
                                    before->reg[G_EAX], source);
        }
        return;
    default:
        return;
    }
}

/* ADD, OR, AND, SUB and XOR. */
static void recover_alu(struct blocks *b, struct block *block, const struct scan *before,
                        struct scan *c, const struct insn *i)
{
    const uint8_t *code = c->op;
    int digit = code[0] >> 3, form = code[0] & 7, number = code[1] & 7, reg = code[1] >> 3 & 7;

    if (!has_step(digit))
        return;
    if (form == 5)
        c->reg[G_EAX] = compute(b, block, ALU_STEP[digit], before->reg[G_EAX],
                                constant(imm32(code + 1)));
    else if (form == 3 && (digit == 5 || digit == 6) && code[1] >= 0xc0 && reg == number)
        c->reg[reg] = constant(0);
    else if (form == 3)
        c->reg[reg] = compute(b, block, ALU_STEP[digit], before->reg[reg],
                              operand(b, block, before, i, code + 1));
    else if (form == 1 && code[1] >= 0xc0)
        c->reg[number] = (digit == 5 || digit == 6) && reg == number ? constant(0)
            : compute(b, block, ALU_STEP[digit], before->reg[number], before->reg[reg]);
}

/* Registers that plain_insn has given up, where a step can make their values. */
static void recover(struct blocks *b, struct block *block, const struct scan *before, struct scan *c,
                    const struct insn *i)
{
    const uint8_t *code = c->op;
    int op = code[0], reg = code[1] >> 3 & 7;
    struct symbol base, index;
    struct step sum = {0};

    if (c->word || c->rep)
        return;
    if (op == 0x0f)
        recover_two_bytes(b, block, before, c, i);
    else if (op < 0x40 && ((op & 5) == 1 || (op & 7) == 5))
        recover_alu(b, block, before, c, i);
    else if (op == 0x8b && code[1] < 0xc0)
        c->reg[reg] = load_step(b, block, before, i, 4, 0);
    else if (op == 0x8d && (i->ea_base == NO_REGISTER || i->ea_index != NO_REGISTER)) {
        address_parts(before, i, &base, &index);
        sum.op = V_SUM;
        sum.scale = i->ea_index == NO_REGISTER ? 1 : i->ea_scale;
        if (!(i->flags & F_ADDRESS16))
            c->reg[reg] = add_step(b, block, sum, &base, &index);
    } else if (op >= 0x58 && op <= 0x5f) {
        if ((op & 7) != G_ESP)
            c->reg[op & 7] = load_stack(b, block, before, G_ESP);
    } else if (op == 0xc9)
        c->reg[G_EBP] = load_stack(b, block, before, G_EBP);
    else if (op == 0x69 || op == 0x6b) {
        const uint8_t *end = b->code + block->code + (i->address - block->address) + i->length;

        c->reg[reg] = compute(b, block, V_TIMES, operand(b, block, before, i, code + 1),
                              constant(op == 0x6b ? imm8(end - 1) : imm32(end - 4)));
    } else if (op == 0x99)
        c->reg[G_EDX] = compute(b, block, V_SAR, before->reg[G_EAX], constant(31));
    else
        recover_group(b, block, before, c, i);
}

/* Clocks that depend on a number: 0 when it cannot be foreseen. */
static int note_clocks(struct blocks *b, struct block *block, struct part *part, const struct scan *before,
                       const struct insn *i, uint32_t n)
{
    const struct timing *t = records_of(b);
    struct step step = {0};
    struct symbol source, zero = constant(0);

    if (i->flags & F_MEMORY_SOURCE)
        source = load_step(b, block, before, i, i->size, 0);
    else if (i->size == 1 && i->source > 3)
        source = compute(b, block, V_SHR, before->reg[i->source & 3], constant(8));
    else
        source = before->reg[i->source & 7];
    if (source.known && source.from == R_NONE) {
        part->multiply = (uint8_t)multiply_clocks_of(t, i, of_size(i->size, source.plus));
        return 1;
    }
    step.op = i->flags & F_SIGNED ? V_CLOCKS_SIGNED : V_CLOCKS;
    step.scale = (uint8_t)least_of_negative(t);
    step.size = i->size;
    step.part = (uint16_t)n;
    step.counter = (uintptr_t)&i->spent[R_MULTIPLY];
    return add_step(b, block, step, &source, &zero).known;
}

static int note_multiply(struct blocks *b, struct block *block, struct part *part,
                         const struct scan *before, const struct insn *i, uint32_t n)
{
    if (!(i->flags & F_IMMEDIATE))
        return note_clocks(b, block, part, before, i, n);
    part->multiply = (uint8_t)multiply_clocks_of(records_of(b), i, 0);
    return 1;
}

#include "_block_conditions.h"

/* Mark what operands need; whether a load is needed, too. */
static int mark_needed(struct blocks *b, const struct block *block, uint8_t *needed, uint32_t least)
{
    const struct step *steps = &b->step[block->steps];
    uint32_t n;
    int loads = 0;

    for (n = 0; n < block->check_count; n++) {
        const struct check *k = &b->check[block->checks + n];

        if (k->size < least)
            continue;
        if (k->base != NO_REGISTER)
            needed[k->base] = 1;
        if (k->index != NO_REGISTER)
            needed[k->index] = 1;
    }
    for (n = block->step_count; n-- > 0;)
        if (steps[n].op >= V_CLOCKS || needed[steps[n].to]) {
            needed[steps[n].to] = needed[steps[n].a] = needed[steps[n].b] = 1;
            loads |= steps[n].op == V_LOAD || steps[n].op == V_LOAD_SIGNED;
        }
    return loads;
}

/* What an instruction makes of a word in memory. */
static struct symbol changed_word(struct blocks *b, struct block *block, const struct scan *before,
                                  const uint8_t *code, const struct insn *i)
{
    const uint8_t *end = b->code + block->code + (i->address - block->address) + i->length;
    int op = code[0], digit = code[1] >> 3 & 7;
    struct symbol right, none = {0, 0, 0};

    if (op == 0x81 || op == 0x83)
        right = constant(op == 0x83 ? imm8(end - 1) : imm32(end - 4));
    else if (op == 0xff && digit < 2) {
        right = constant(digit ? 0xffffffffu : 1);
        digit = 0;
    } else if (op < 0x40 && (op & 7) == 1) {
        right = before->reg[digit];
        digit = op >> 3;
    } else
        return none;
    return has_step(digit) ? compute(b, block, ALU_STEP[digit],
                                     load_step(b, block, before, i, 4, 0), right) : none;
}

/* What an instruction stores, where that is a value. */
static struct symbol stored_value(struct blocks *b, struct block *block, const struct scan *before,
                                  const struct scan *c, const struct insn *i, uint32_t size)
{
    const uint8_t *code = c->op;
    struct symbol none = {0, 0, 0};

    if (c->word || size != 4)
        return none;
    if (code[0] == 0x89)
        return before->reg[code[1] >> 3 & 7];
    if (code[0] >= 0x50 && code[0] <= 0x57)
        return before->reg[code[0] & 7];
    if (code[0] == 0xa3)
        return before->reg[G_EAX];
    if (code[0] == 0x6a)
        return constant(imm8(code + 1));
    if (code[0] == 0x68)
        return constant(imm32(code + 1));
    if (code[0] == 0xc7)
        return constant(imm32(b->code + block->code + (i->address - block->address) + i->length - 4));
    return changed_word(b, block, before, code, i);
}

/* Keep the steps that an operand, a REP instruction or a clock needs. Where L1 does not count, a byte's address
 * matters only to loads behind it. */
static void keep_needed_steps(struct blocks *b, struct block *block)
{
    struct step *steps = &b->step[block->steps];
    uint8_t needed[VALUES] = {0};
    uint32_t n, kept = 0;

    if (block->repeats && b->timed)
        needed[block->rep_count.from] = needed[block->rep_source.from] =
            needed[block->rep_target.from] = 1;
    if (mark_needed(b, block, needed, records_of(b)->memory ? 1 : 2))
        mark_needed(b, block, needed, 1);
    for (n = 0; n < block->step_count; n++)
        if (needed[steps[n].to])
            steps[kept++] = steps[n];
    block->step_count = (uint16_t)kept;
    for (n = 1; n < kept; n++)
        steps[n - 1].multiplies = steps[n - 1].op <= V_LOAD_SIGNED && steps[n].op == V_CLOCKS_SIGNED &&
            steps[n].a == steps[n - 1].to && !steps[n].plus;
}

#endif
