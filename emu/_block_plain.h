/* Which instructions can be one of many in a block. Part of _block_scan.h. */

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

/* Not BT and its friends: the flags that they leave undefined depend on where the engine's block began. */
static int plain_two_bytes(struct scan *c)
{
    int op = c->op[1];
    const uint8_t *modrm = c->op + 2;

    c->memory = modrm[0] < 0xc0;
    if (op == 0x1f || (op >= 0x80 && op <= 0x8f))
        return 1;
    if ((op >= 0x40 && op <= 0x4f) || op == 0xaf || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf) {
        lose(c, modrm[0] >> 3);
        return 1;
    }
    if (op >= 0xc8 && op <= 0xcf) {
        lose(c, (uint32_t)op);
        return !c->word;
    }
    if (op >= 0x90 && op <= 0x9f) { /* SETcc */
        lose(c, modrm[0] & 3);
        return !c->memory;
    }
    if (op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad) { /* SHLD, SHRD */
        lose(c, modrm[0]);
        return !c->memory;
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
        if (digit > 3) { /* multiplications and divisions */
            lose(c, G_EAX);
            lose(c, G_EDX);
            return 1;
        }
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
    case 0x69: case 0x6b:
        lose(c, code[1] >> 3);
        return 1;
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
