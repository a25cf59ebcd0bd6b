/* Which SSE and MMX instructions the hooks look at besides those that compute: emu/x87/forms.py. */
#ifndef EMU_SSE_FORMS_H
#define EMU_SSE_FORMS_H

#include <stdint.h>

enum { F_PS = 1, F_PD = 2, F_SS = 4, F_SD = 8 };    /* 1 << enum sse_form */

/* 0F xx, by form: the operand in memory must be aligned to 16 bytes. */
static const uint8_t SSE_ALIGNED[256] = {
    [0x12] = F_SS, [0x16] = F_SS,
    [0x14] = F_PS | F_PD, [0x15] = F_PS | F_PD, [0x28] = F_PS | F_PD, [0x29] = F_PS | F_PD, [0x2b] = F_PS | F_PD,
    [0x2c] = F_PD, [0x2d] = F_PD,
    [0x51] = F_PS | F_PD, [0x52] = F_PS, [0x53] = F_PS, [0x54] = F_PS | F_PD, [0x55] = F_PS | F_PD,
    [0x56] = F_PS | F_PD, [0x57] = F_PS | F_PD, [0x58] = F_PS | F_PD, [0x59] = F_PS | F_PD, [0x5a] = F_PD,
    [0x5b] = F_PS | F_PD | F_SS, [0x5c] = F_PS | F_PD, [0x5d] = F_PS | F_PD, [0x5e] = F_PS | F_PD,
    [0x5f] = F_PS | F_PD,
    [0x60] = F_PD, [0x61] = F_PD, [0x62] = F_PD, [0x63] = F_PD, [0x64] = F_PD, [0x65] = F_PD, [0x66] = F_PD,
    [0x67] = F_PD, [0x68] = F_PD, [0x69] = F_PD, [0x6a] = F_PD, [0x6b] = F_PD, [0x6c] = F_PD, [0x6d] = F_PD,
    [0x6f] = F_PD, [0x70] = F_PD | F_SS | F_SD, [0x74] = F_PD, [0x75] = F_PD, [0x76] = F_PD,
    [0x7c] = F_PD | F_SD, [0x7d] = F_PD | F_SD, [0x7f] = F_PD, [0xc2] = F_PS | F_PD, [0xc6] = F_PS | F_PD,
    [0xd0] = F_PD | F_SD, [0xd1] = F_PD, [0xd2] = F_PD, [0xd3] = F_PD, [0xd4] = F_PD, [0xd5] = F_PD,
    [0xd8] = F_PD, [0xd9] = F_PD, [0xda] = F_PD, [0xdb] = F_PD, [0xdc] = F_PD, [0xdd] = F_PD, [0xde] = F_PD,
    [0xdf] = F_PD, [0xe0] = F_PD, [0xe1] = F_PD, [0xe2] = F_PD, [0xe3] = F_PD, [0xe4] = F_PD, [0xe5] = F_PD,
    [0xe6] = F_PD | F_SD, [0xe7] = F_PD, [0xe8] = F_PD, [0xe9] = F_PD, [0xea] = F_PD, [0xeb] = F_PD,
    [0xec] = F_PD, [0xed] = F_PD, [0xee] = F_PD, [0xef] = F_PD, [0xf1] = F_PD, [0xf2] = F_PD, [0xf3] = F_PD,
    [0xf4] = F_PD, [0xf5] = F_PD, [0xf6] = F_PD, [0xf8] = F_PD, [0xf9] = F_PD, [0xfa] = F_PD, [0xfb] = F_PD,
    [0xfc] = F_PD, [0xfd] = F_PD, [0xfe] = F_PD,
};

/* 0F xx, by form, that works on an MMX register, and so reports an x87 exception that waits. */
static uint32_t mmx_forms(int op)
{
    if (op == 0x2a || op == 0x2c || op == 0x2d)
        return F_PS | F_PD;
    if (op == 0xd6)
        return F_SS | F_SD;
    return (op >= 0x60 && op <= 0x7f && (op < 0x78 || op > 0x7d) && op != 0x6c && op != 0x6d) || op == 0xc4 ||
        op == 0xc5 || (op >= 0xd1 && op <= 0xfe && op != 0xe6 && op != 0xf0) ? F_PS : 0;
}

/* The MMX register that an instruction writes; -1: none. */
static int mmx_target(int op, int form, int modrm)
{
    if (!(mmx_forms(op) >> form & 1))
        return -1;
    switch (op) {
    case 0x2a: case 0x77: case 0x7e: case 0xc5: case 0xd7: case 0xe7: case 0xf7: return -1;
    case 0x71: case 0x72: case 0x73: return modrm & 7;
    case 0x7f: return modrm >= 0xc0 ? modrm & 7 : -1;
    case 0xd6: return 1 << form == F_SD ? modrm >> 3 & 7 : -1;
    default: return modrm >> 3 & 7;
    }
}

/* MOVUPS, MOVUPD and MOVDQU to memory, which the engine stores in two halves. */
static int stores_unaligned(int op)
{
    return op == 0x11 || op == 0x7f;
}

static int is_sse_form(int op, int modrm)
{
    return mmx_forms(op) || (modrm < 0xc0 && (SSE_ALIGNED[op & 0xff] || stores_unaligned(op)));
}

#endif
