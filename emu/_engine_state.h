/* The state that Python and the hooks share, and looking at the code that is about to run. Part of _native.c. */

#ifdef __GNUC__
#define COLD __attribute__((noinline, cold))
#define HOT __attribute__((noinline))
#define INLINE inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define COLD
#define HOT
#define INLINE inline
#define UNLIKELY(x) (x)
#endif

typedef struct uc_struct uc_engine;
typedef struct uc_context uc_context;

enum { EV_NONE, EV_LIMIT, EV_TRAP, EV_IN, EV_OUT, EV_INVALID, EV_BREAK, EV_IO, EV_DEBUG,
       EV_ABORT, EV_GATE, EV_MODE };
enum { FIELD_EIP = 8, FIELD_EFLAGS = 9, FIELD_CS_BASE = 15, FIELD_DR0 = 50, FIELD_DR7 = 55,
       FIELD_HFLAGS = 56 };
enum { EFLAGS_IF = 0x200, EFLAGS_RF = 0x10000, EFLAGS_VM = 0x20000, ARITHMETIC = 0x8d5, COMPARED = 0x45,
       CR4_PSE = 0x10, PTE_P = 1, PTE_RW = 2, PTE_US = 4, PDE_PS = 0x80, CR0_WP = 0x10000 };
enum { VECTOR_DB = 1, VECTOR_PF = 14, MEM_WRITE = 17, LONGEST = 15 };
enum { DR_EXECUTE = 0, DR_WRITE = 1, DR_ACCESS = 3 };
enum { KIND_REP = 1, KIND_IO = 2, KIND_EMULATED = 4, KIND_SYSTEM = 8, KIND_IRET = 16,
       KIND_UNDEFINED = 32, KIND_READS_FLAGS = 64, KIND_CLEARS_FLAGS = 128,
       KIND_X87 = 256 };
enum { FLAG_WORDS = 5 }; /* EFLAGS and the operands that its arithmetic flags are still to be made of */
#define NO_FRAME 0xffffffffu
#define NO_LIMIT 0x7fffffffffffffffu
#define CR0_PG 0x80000000u

struct field {
    uint32_t offset;    /* in the context, bytes */
    uint16_t width;     /* 4 or 8 bytes */
    uint16_t writable;
};

/* A physical range that somebody watches: first and last access, by instructions and deliveries then. */
struct watch {
    uint32_t start, end;        /* end: behind its last byte */
    uint32_t reads, writes;     /* which of them count */
    uint32_t seen, padding;
    uint64_t first[2], last[2];
};

/* A data access of user mode. */
struct user_access {
    uint64_t retired;           /* instructions, that one included */
    uint32_t code, address;     /* of the instruction, linear; of the data, physical */
    uint32_t size, write;
};

struct engine_state {
    uint64_t retired;      /* instructions completed, and the one in flight */
    uint64_t limit;        /* stop before an instruction once retired >= limit */
    uint64_t cycles;       /* of completed instructions, under a timing profile */
    uint64_t cycle_limit;  /* stop before an instruction once cycles >= cycle_limit */
    uint64_t extra;        /* cycles that no instruction accounts for */
    uint64_t deadline;     /* the clock at which the run is over, or NO_LIMIT: it makes the limits */
    uint64_t gate;         /* PyObject *, called when the guest writes to gate_port; 0: the run ends then */
    uint64_t timing;       /* struct timing *; 0: instructions are counted, not timed */
    uint64_t blocks;       /* struct blocks *; 0: every instruction goes through on_code */
    uint64_t traps;        /* struct trap_plans *; 0: every trap goes through Python */
    uint64_t x87;          /* struct x87_unit * */
    uint64_t deliveries;   /* of traps, since power-on */
    uint64_t delivery_limit; /* stop as soon as there are so many */
    uint64_t instructions; /* `retired` at which the run is over, whatever limits it has on the way */
    uint32_t event, vector, port, size, value;
    uint32_t in_flight;    /* linear address of the instruction counted last */
    uint32_t in_flight_valid;
    uint32_t watch_if;     /* stop as soon as EFLAGS.IF is set */
    uint32_t skip_break;   /* let the first instruction pass its breakpoint */
    uint32_t allow_io;     /* let the first instruction pass its check */
    uint32_t in_flight_kind;
    uint32_t flags_known;  /* EFLAGS before the instruction in flight were kept */
    uint32_t code_page;    /* linear page number of the last instruction, until the TLB is flushed */
    uint32_t code_page_valid;
    uint32_t code_frame;   /* its physical address; NO_FRAME outside RAM */
    uint32_t break_count, break_capacity;
    uint32_t previous_kind;  /* of the instruction before the one in flight */
    uint32_t completed;      /* an instruction has completed since the run began */
    uint32_t resume;         /* EFLAGS.RF as the run began */
    uint32_t careful;        /* breakpoints of some kind: look at every address */
    uint32_t debug_hits;     /* DR6 bits 0-3 that the instruction in flight has earned */
    uint32_t debug_pending;  /* TF trapped behind a port access */
    uint32_t system_changed; /* CR, DR or TLB instruction executed; cleared by Python */
    uint32_t gate_port;
    uint32_t at_ease;      /* a whole block runs that costs what it always does, and nobody wants to be asked about the next */
    uint32_t settled;      /* nothing is to be read from the engine when it has stopped: enum in _engine_inside.h */
    uint64_t breaks;       /* const uint32_t *, sorted linear addresses */
    uint64_t watches;      /* struct watch * */
    uint64_t watch_count;
    uint64_t accesses;     /* struct user_access *, for who wants to know all of them; 0: nobody */
    uint64_t access_room;  /* how many there is room for */
    uint64_t access_count; /* how many there were, those without room too */
    uint64_t ram;          /* const uint8_t * */
    uint64_t ram_size;
    uint64_t held_code;    /* uint8_t *, one byte a frame */
    uint64_t engine, context, regs, fields;
    uint64_t env;          /* host address of the engine's live state, laid out as a context; or 0 */
    uint32_t field_count;
    uint32_t old_exception_offset;
    uint32_t is_int_field;
    uint32_t reg_eflags, reg_cr0, reg_cr3, reg_cr4;
    uint32_t reg_cs, reg_eax;
    uint32_t error;        /* uc_err of the last uc_emu_start */
    uint64_t fn_start, fn_stop, fn_save, fn_restore, fn_reg_read, fn_reg_write;
    uint64_t flags_at;     /* host address of the live flags, as the engine keeps them; or 0 */
    uint64_t flags_kept[FLAG_WORDS]; /* those, or EFLAGS itself, before the instruction in flight */
};

typedef int (*start_fn)(uc_engine *, uint64_t, uint64_t, uint64_t, size_t);
typedef int (*stop_fn)(uc_engine *);
typedef int (*context_fn)(uc_engine *, uc_context *);
typedef int (*reg_read_fn)(uc_engine *, int, void *);
typedef int (*reg_write_fn)(uc_engine *, int, const void *);

static uint32_t read_reg(struct engine_state *s, uint32_t id)
{
    uint64_t value = 0;

    ((reg_read_fn)(uintptr_t)s->fn_reg_read)((uc_engine *)(uintptr_t)s->engine, (int)id, &value);
    return (uint32_t)value;
}

static void write_reg(struct engine_state *s, uint32_t id, uint32_t value)
{
    uint64_t wide = value;

    ((reg_write_fn)(uintptr_t)s->fn_reg_write)((uc_engine *)(uintptr_t)s->engine, (int)id, &wide);
}

static void stop(struct engine_state *s, uint32_t event)
{
    s->event = event;
    s->at_ease = 0;
    ((stop_fn)(uintptr_t)s->fn_stop)((uc_engine *)(uintptr_t)s->engine);
}

static uint32_t ram32(const struct engine_state *s, uint32_t pa)
{
    uint32_t value = 0;

    if ((uint64_t)pa + 4 <= s->ram_size)
        memcpy(&value, (const uint8_t *)(uintptr_t)s->ram + pa, 4);
    return value;
}

/* Physical address of a linear page's frame; 0xffffffff when not mapped. */
static uint32_t frame_of(struct engine_state *s, uint32_t page)
{
    uint32_t cr3, pde, pte;

    if (!(read_reg(s, s->reg_cr0) & CR0_PG))
        return page << 12;
    cr3 = read_reg(s, s->reg_cr3) & 0xfffff000u;
    pde = ram32(s, cr3 + (page >> 10) * 4);
    if (!(pde & PTE_P))
        return NO_FRAME;
    if ((pde & PDE_PS) && (read_reg(s, s->reg_cr4) & CR4_PSE))
        return (pde & 0xffc00000u) | ((page & 0x3ff) << 12);
    pte = ram32(s, (pde & 0xfffff000u) + (page & 0x3ff) * 4);
    return pte & PTE_P ? pte & 0xfffff000u : NO_FRAME;
}

static uint32_t frame_from_state(const struct engine_state *s, uint32_t page);

/* Note that this page's frame holds translated code, so that a later host
 * write to it drops the translations. */
static void enter_code_page(struct engine_state *s, uint32_t page)
{
    uint32_t pa = s->blocks ? frame_from_state(s, page) : frame_of(s, page);

    if (pa >= s->ram_size)
        pa = NO_FRAME;
    else
        ((uint8_t *)(uintptr_t)s->held_code)[pa >> 12] = 1;
    s->code_page = page;
    s->code_page_valid = 1;
    s->code_frame = pa;
}

/* The frames that this instruction may have been translated from. */
static void enter_code(struct engine_state *s, uint32_t address)
{
    uint32_t page = address >> 12;

    if (page != s->code_page || !s->code_page_valid)
        enter_code_page(s, page);
    if ((address & 0xfff) > 0x1000 - LONGEST) {
        uint32_t next = frame_of(s, (page + 1) & 0xfffff);

        if (next < s->ram_size)
            ((uint8_t *)(uintptr_t)s->held_code)[next >> 12] = 1;
    }
}

/* Whether there is a breakpoint at one of `size` addresses. */
static int is_break_in(const struct engine_state *s, uint32_t address, uint32_t size)
{
    const uint32_t *breaks = (const uint32_t *)(uintptr_t)s->breaks;
    uint32_t low = 0, high = s->break_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (breaks[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->break_count && breaks[low] - address < size;
}

static int is_break(const struct engine_state *s, uint32_t address)
{
    return is_break_in(s, address, 1);
}

/* Debug registers whose breakpoint is of this kind (DR7.R/W) and enabled. */
static uint32_t armed(const struct engine_state *s, int n)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;

    return (regs[FIELD_DR7] >> (2 * n)) & 3;
}

static uint32_t debug_kind(const struct engine_state *s, int n)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;

    return (regs[FIELD_DR7] >> (16 + 4 * n)) & 3;
}

static uint32_t execute_hits(const struct engine_state *s, uint32_t address)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint32_t hits = 0;
    int n;

    for (n = 0; n < 4; n++)
        if (armed(s, n) && debug_kind(s, n) == DR_EXECUTE && regs[FIELD_DR0 + n] == address)
            hits |= 1u << n;
    return hits;
}

/* First bytes that need a second look: prefixes, strings, I/O, system, IRET, x87, TEST and NEG, absent forms. */
static const uint8_t SPECIAL[256] = {
    [0x26] = 1, [0x2e] = 1, [0x36] = 1, [0x3e] = 1, [0x64] = 1, [0x65] = 1, [0x66] = 1,
    [0x67] = 1, [0xf0] = 1, [0xf2] = 1, [0xf3] = 1,
    [0x6c] = 1, [0x6d] = 1, [0x6e] = 1, [0x6f] = 1,
    [0xe4] = 1, [0xe5] = 1, [0xe6] = 1, [0xe7] = 1, [0xec] = 1, [0xed] = 1, [0xee] = 1, [0xef] = 1,
    [0xa4] = 1, [0xa5] = 1, [0xa6] = 1, [0xa7] = 1,
    [0xaa] = 1, [0xab] = 1, [0xac] = 1, [0xad] = 1, [0xae] = 1, [0xaf] = 1,
    [0x0f] = 1, [0xc6] = 1, [0xc7] = 1, [0xcf] = 1, [0xc4] = 1, [0xc5] = 1, [0x8f] = 1, [0xf6] = 1, [0xf7] = 1, [0x9b] = 1,
    [0xd8] = 1, [0xd9] = 1, [0xda] = 1, [0xdb] = 1, [0xdc] = 1, [0xdd] = 1, [0xde] = 1, [0xdf] = 1,
};

static int code_byte(struct engine_state *s, uint32_t address)
{
    uint32_t frame = address >> 12 == s->code_page ? s->code_frame : frame_of(s, address >> 12);

    if (frame == NO_FRAME || frame >= s->ram_size)
        return -1;
    return ((const uint8_t *)(uintptr_t)s->ram)[frame + (address & 0xfff)];
}

static int is_prefix(int b)
{
    return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || (b >= 0x64 && b <= 0x67) ||
        b == 0xf0 || b == 0xf2 || b == 0xf3;
}

/* The values of ModRM.reg, as bits, with which LOCK may stand before an opcode. */
static uint32_t lockable(int b)
{
    if (b < 0x38 && (b & 7) < 2)
        return 0xff;
    if (b >= 0x80 && b <= 0x83)
        return 0x7f;
    switch (b) {
    case 0x86: case 0x87: return 0xff;
    case 0xf6: case 0xf7: return 0x0c;
    case 0xfe: case 0xff: return 0x03;
    default: return 0;
    }
}

static uint32_t lockable_0f(int b)
{
    switch (b) {
    case 0xab: case 0xb0: case 0xb1: case 0xb3: case 0xbb: case 0xc0: case 0xc1: return 0xff;
    case 0xba: return 0xe0;
    case 0xc7: return 0x02;
    default: return 0;
    }
}

static int may_lock(struct engine_state *s, uint32_t address, int b)
{
    uint32_t digits = b == 0x0f ? lockable_0f(code_byte(s, ++address)) : lockable(b);
    int modrm = code_byte(s, address + 1);

    return modrm < 0 || (modrm < 0xc0 && (digits >> ((modrm >> 3) & 7)) & 1);
}

static int digit_of(int modrm)
{
    return modrm < 0 ? -1 : (modrm >> 3) & 7;
}

/* MOV to or from a control register that there is not: CR1, CR5 to CR7. */
static int absent_control_register(int digit)
{
    return digit == 1 || digit > 4;
}

/* FUCOMI and FCOMI, with and without POP. */
static int compares_into_flags(int b, int modrm)
{
    return (b == 0xdb || b == 0xdf) && modrm >= 0xe8 && modrm <= 0xf7;
}

/* Where a ModRM byte's operand ends. */
static uint32_t behind_operand(struct engine_state *s, uint32_t at, int address16)
{
    int modrm = code_byte(s, at++), mod = modrm >> 6, rm = modrm & 7;

    if (mod == 3)
        return at;
    if (address16)
        return at + (mod == 0 ? rm == 6 ? 2 : 0 : (uint32_t)mod);
    if (rm == 4)
        rm = code_byte(s, at++) & 7;
    return at + (mod == 0 ? rm == 5 ? 4 : 0 : mod == 1 ? 1 : 4);
}

/* Of CMPPS and its kin the processor takes three bits of the predicate, and the engine only what is below 8. */
static int has_wide_predicate(struct engine_state *s, uint32_t start, uint32_t at, const struct prefixes *p)
{
    uint32_t end = behind_operand(s, at, p->address);

    return end - start < LONGEST && code_byte(s, end) > 7;
}

/* The instruction at `start`, which is the one behind 0F. */
static uint32_t classify_0f(struct engine_state *s, uint32_t start, uint32_t address, const struct prefixes *p)
{
    int second = code_byte(s, address), modrm = code_byte(s, address + 1);

    if (modrm >= 0) {
        if (is_absent_0f(second, p->form, modrm))
            return KIND_UNDEFINED;
        if (is_hint_of_register(second, modrm) || (is_chosen_by_prefix(second) && is_doubled(p)) ||
            (second == 0xc2 && has_wide_predicate(s, start, address + 1, p)))
            return KIND_EMULATED; /* emu/shown_code.py */
    }
    switch (second) {
    case 0x31: case 0x33: /* RDTSC, RDPMC */
        return KIND_EMULATED;
    case 0xc7: /* CMPXCHG8B */
        return KIND_READS_FLAGS;
    case 0x20: case 0x22:
        if (absent_control_register(digit_of(modrm)))
            return KIND_UNDEFINED;
        return second == 0x22 ? KIND_SYSTEM : 0;
    case 0x01: case 0x06: case 0x23:
        return KIND_SYSTEM;
    default: /* FXSAVE, FXRSTOR, SSE, MMX */
        return second == 0xae || is_sse(second) ||
                (second >= 0 && is_sse_form(second, modrm)) ? KIND_X87 : 0;
    }
}

/* What kind of instruction this is, as far as the hooks care. */
static uint32_t classify(struct engine_state *s, uint32_t address)
{
    struct prefixes p = {0};
    int i;

    for (i = 0; i < LONGEST; i++) {
        int b = code_byte(s, address + i);

        if (is_prefix(b))
            add_prefix(&p, b);
        else if (p.lock && b >= 0)
            return !may_lock(s, address + i, b) ? KIND_UNDEFINED
                : b == 0x0f && code_byte(s, address + i + 1) == 0xc7 ? KIND_READS_FLAGS
                : (b & 0xfe) == 0xf6 && digit_of(code_byte(s, address + i + 1)) == 3 ? KIND_EMULATED
                : 0; /* of LOCK NEG the engine makes the wrong flags */
        else if (b == 0xc4 || b == 0xc5) /* LES, LDS of a register: the engine sees VEX */
            return code_byte(s, address + i + 1) >= 0xc0 ? KIND_UNDEFINED : 0;
        else if (b >= 0x6c && b <= 0x6f)
            return KIND_EMULATED;
        else if ((b >= 0xe4 && b <= 0xe7) || (b >= 0xec && b <= 0xef))
            return KIND_IO;
        else if ((b >= 0xa4 && b <= 0xa7) || (b >= 0xaa && b <= 0xaf))
            return p.repeats ? KIND_REP : 0;
        else if (b == 0xcf)
            return KIND_IRET;
        else if (b == 0x0f)
            return classify_0f(s, address, address + i + 1, &p);
        else if ((b & 0xfe) == 0xc6)
            return is_absent(b, code_byte(s, address + i + 1)) ? KIND_UNDEFINED : 0;
        else if (b == 0x8f) /* POP has /0 */
            return digit_of(code_byte(s, address + i + 1)) > 0 ? KIND_UNDEFINED : 0;
        else if ((b & 0xfe) == 0xf6) /* the second opcode of TEST, which the engine does not know */
            return digit_of(code_byte(s, address + i + 1)) == 1 ? KIND_EMULATED : 0;
        else if (b == 0x9b || (b >= 0xd8 && b <= 0xdf))
            return compares_into_flags(b, code_byte(s, address + i + 1)) ? KIND_X87 | KIND_CLEARS_FLAGS : KIND_X87;
        else if (b < 0 || !SPECIAL[b])
            return 0;
    }
    return 0;
}

/* Keep the flags before an instruction: it may fault. */
static void keep_flags(struct engine_state *s)
{
    s->flags_known = 1;
    if (s->flags_at)
        memcpy(s->flags_kept, (const void *)(uintptr_t)s->flags_at, sizeof s->flags_kept);
    else
        s->flags_kept[0] = read_reg(s, s->reg_eflags);
}

/* Make them the engine's again. */
static void put_back_flags(struct engine_state *s)
{
    if (s->flags_at)
        memcpy((void *)(uintptr_t)s->flags_at, s->flags_kept, sizeof s->flags_kept);
    else
        write_reg(s, s->reg_eflags, (uint32_t)s->flags_kept[0]);
}
