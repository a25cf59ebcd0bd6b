/* What SETcc will make of the flags, foreseen at a block's start or found in its register at the end. Part of
 * _block_values.h. */

/* A SETcc: its register must keep the byte to the block's end. */
static int note_flag(struct block *block, struct scan *c, uint32_t part)
{
    int number = c->op[2] & 7;

    if (number > 3 || block->flag_count == LATE_FLAGS)
        return 0;
    c->reg[number].known = 1;
    c->reg[number].from = (uint8_t)(R_FLAG + block->flag_count);
    c->reg[number].plus = 0;
    block->flag_register[block->flag_count] = (uint8_t)number;
    block->flag_part[block->flag_count++] = (uint16_t)part;
    return 1;
}

static int flags_kept(const struct block *block, const struct scan *c)
{
    uint32_t n;

    for (n = 0; n < block->flag_count; n++) {
        const struct symbol *now = &c->reg[block->flag_register[n]];

        if (!now->known || now->from != R_FLAG + n || now->plus)
            return 0;
    }
    return 1;
}

static struct symbol part_of_register(struct blocks *b, struct block *block,
                                      const struct scan *c, int number, int size)
{
    return size == 1 && number > 3 ? compute(b, block, V_SHR, c->reg[number & 3], constant(8))
        : c->reg[number];
}

/* An operand that ModRM names, or the register beside it. */
static struct symbol compared(struct blocks *b, struct block *block, const struct scan *before,
                              const struct insn *i, const uint8_t *modrm, int size, int beside)
{
    if (beside)
        return part_of_register(b, block, before, *modrm >> 3 & 7, size);
    return *modrm < 0xc0 ? load_step(b, block, before, i, (uint32_t)size, 0)
        : part_of_register(b, block, before, *modrm & 7, size);
}

static int keeps_flags(const uint8_t *code)
{
    int op = code[0], digit = code[1] >> 3 & 7;

    if (op == 0x0f)
        return (code[1] >= 0x40 && code[1] <= 0x4f) || (code[1] >= 0x90 && code[1] <= 0x9f) ||
            code[1] == 0x1f || code[1] == 0xb6 || code[1] == 0xb7 || code[1] == 0xbe || code[1] == 0xbf;
    return (op >= 0x50 && op <= 0x5f) || op == 0x68 || op == 0x6a || (op >= 0x86 && op <= 0x8b) ||
        op == 0x8d || (op >= 0x90 && op <= 0x99) || (op >= 0xa0 && op <= 0xa3) ||
        (op >= 0xb0 && op <= 0xbf) || op == 0xc6 || op == 0xc7 || (op == 0xf7 && digit == 2);
}

/* Which values the flags are made of, behind CMP and TEST; behind others nothing is known of them. */
static void follow_flags(struct blocks *b, struct block *block, const struct scan *before,
                         struct scan *c, const struct insn *i)
{
    const uint8_t *code = c->op, *end = b->code + block->code + (i->address - block->address) + i->length;
    int op = code[0], size = op & 1 ? 4 : 1, digit = code[1] >> 3 & 7;

    if (!c->rep && keeps_flags(code))
        return;
    c->flags = 0;
    c->flags_size = size;
    if (c->word || c->rep)
        return;
    if (op >= 0x38 && op <= 0x3b) {
        c->flags = F_DIFFERENCE;
        c->left = compared(b, block, before, i, code + 1, size, op & 2);
        c->right = compared(b, block, before, i, code + 1, size, !(op & 2));
    } else if (op == 0x3c || op == 0x3d) {
        c->flags = F_DIFFERENCE;
        c->left = before->reg[G_EAX];
        c->right = constant(size == 1 ? imm8(end - 1) : imm32(end - 4));
    } else if ((op == 0x80 || op == 0x81 || op == 0x83) && digit == 7) {
        c->flags = F_DIFFERENCE;
        c->left = compared(b, block, before, i, code + 1, size, 0);
        c->right = constant(op == 0x81 ? imm32(end - 4) : imm8(end - 1));
    } else if (op == 0x84 || op == 0x85) {
        c->flags = F_RESULT;
        c->left = compared(b, block, before, i, code + 1, size, 0);
        c->right = compared(b, block, before, i, code + 1, size, 1);
    } else if (op == 0xa8 || op == 0xa9) {
        c->flags = F_RESULT;
        c->left = before->reg[G_EAX];
        c->right = constant(size == 1 ? imm8(end - 1) : imm32(end - 4));
    } else if ((op & 0xfe) == 0xf6 && digit == 0) {
        c->flags = F_RESULT;
        c->left = compared(b, block, before, i, code + 1, size, 0);
        c->right = constant(size == 1 ? imm8(end - 1) : imm32(end - 4));
    }
}

/* A SETcc that is known in advance. */
static int note_condition(struct blocks *b, struct block *block, const struct scan *c,
                          const struct insn *i, uint32_t part)
{
    struct step step = {0};

    if (!c->flags)
        return 0;
    step.op = V_CONDITION;
    step.scale = i->condition;
    step.size = (uint8_t)c->flags_size;
    step.segment = (uint8_t)c->flags;
    step.part = (uint16_t)part;
    step.counter = (uintptr_t)&i->taken_count;
    return add_step(b, block, step, &c->left, &c->right).known;
}
