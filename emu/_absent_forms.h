/* Forms of an opcode that there are not, and forms that the engine takes for others: emu/absent_forms.py. */
#ifndef EMU_ABSENT_FORMS_H
#define EMU_ABSENT_FORMS_H

#include <stdint.h>

/* Prefixes in front of an opcode. `form`: enum sse_form, by the last of F2 and F3, or else by 66. */
struct prefixes { int data, address, lock, repeats, form; };

static void add_prefix(struct prefixes *p, int b)
{
    if (b == 0xf2 || b == 0xf3) {
        p->repeats |= b == 0xf3 ? 1 : 2;
        p->form = b == 0xf3 ? 2 : 3;
    } else if (b == 0xf0)
        p->lock = 1;
    else if (b == 0x67)
        p->address = 1;
    else if (b == 0x66) {
        p->data = 1;
        p->form += !p->form;
    }
}

/* Whether more than one prefix would choose: the last of F2 and F3 does. */
static int is_doubled(const struct prefixes *p)
{
    return p->repeats == 3 || (p->repeats && p->data);
}

/* Whether ModRM names no instruction of this opcode, or of that behind 0F. */
static int is_absent(int op, int modrm)
{
    return (op == 0xc6 || op == 0xc7) && modrm >= 0xc0 && modrm >> 3 & 7;
}

static int is_absent_0f(int op, int form, int modrm)
{
    int memory = modrm < 0xc0;

    switch (op) {
    case 0x12: case 0x16: return form == 1 && !memory;
    case 0x50: case 0x71: case 0x72: case 0x73: case 0xf7: return memory;
    case 0x78: case 0x79: return 1;
    case 0xae: return form != 0;
    case 0xba: return (modrm >> 3 & 7) < 4;
    case 0xc3: return form != 0 || !memory;
    case 0xd6: return form > 1 && memory;
    default: return 0;
    }
}

/* Opcodes behind 0F for which 66, F2 and F3 choose an instruction. */
static int is_chosen_by_prefix(int op)
{
    return (op >= 0x10 && op < 0x18) || (op >= 0x28 && op < 0x30) || (op >= 0x50 && op < 0x80) ||
        op == 0xc2 || (op >= 0xc4 && op < 0xc7) || op >= 0xd0;
}

static int is_hint_of_register(int op, int modrm)
{
    return op == 0x18 && modrm >= 0xc0 && modrm < 0xe0;
}

#endif
