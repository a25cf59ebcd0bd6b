/*
 * Remembered deliveries (emu/trap_plan.py), taken without leaving the run.
 *
 * Python fills the plans and is the specification: TrapPlans.deliver. Whatever is not exactly as it was
 * when the trap came last, or would have to set an Accessed or Dirty bit, is left to Python,
 * with nothing changed.
 */
#ifndef EMU_TRAPS_H
#define EMU_TRAPS_H

enum { TRAP_PLANS = 32, TRAP_READS = 3, TRAP_TABLES = 6, TRAP_FRAME = 6, LARGEST_OPERAND = 8 };
enum { KIND_EXCEPTION, KIND_SOFTWARE };
enum { FIELD_ESP = 4, FIELD_ES = 10, FIELD_CS = 14, FIELD_SS = 18, FIELD_DS = 22, FIELD_TR = 38,
       FIELD_GDT = 42, FIELD_IDT = 44, FIELD_CR0 = 46, FIELD_CR2 = 47, FIELD_CR3 = 48, FIELD_CR4 = 49,
       FIELD_ERROR_CODE = 57 };
enum { PTE_A = 0x20, PTE_D = 0x40 };
enum { TRAP_HF_CPL = 3, TRAP_HF_ADDSEG = 1 << 6, TRAP_HF_REPLACED = 3 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 };
/* #DF #TS #NP #SS #GP #PF #AC push a code; #DE #BR #UD #NM #TS #NP #SS #GP #PF #MF #AC #XM are faults */
#define PUSHES_CODE 0x27d00u
#define IS_FAULT 0xb7ce1u

struct trap_plan {          /* TrapPlanRecord in emu/trap_plan.py: change both */
    uint32_t vector, kind, cpl, reads;
    uint32_t tables[TRAP_TABLES];                 /* base and limit of IDT, GDT and TSS */
    uint32_t linear[TRAP_READS], physical[TRAP_READS];
    uint64_t words[TRAP_READS];
    uint32_t stack_at, stack_physical, stack_selector, offset;
    uint32_t code[4], stack[4];
    uint32_t keep, hflags;
};

struct trap_plans {         /* TrapPlanTable there */
    uint64_t count;
    struct trap_plan plan[TRAP_PLANS];
};

/* Where a supervisor access goes; NO_FRAME when it faults, leaves RAM or has a bit to set. */
static uint32_t supervisor_address(const struct engine_state *s, uint32_t linear, int write)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint32_t leaf = PTE_P | PTE_A | (write ? PTE_RW | PTE_D : 0);
    uint32_t need = PTE_P | PTE_A | (write ? PTE_RW : 0);
    uint32_t entry, address;

    if (!(regs[FIELD_CR0] & CR0_PG))
        return linear < s->ram_size ? linear : NO_FRAME;
    entry = ram32(s, (regs[FIELD_CR3] & 0xfffff000u) + (linear >> 22) * 4);
    if (entry & PDE_PS && regs[FIELD_CR4] & CR4_PSE) {
        if ((entry & leaf) != leaf)
            return NO_FRAME;
        address = (entry & 0xffc00000u) | (linear & 0x3fffff);
    } else {
        if ((entry & need) != need)
            return NO_FRAME;
        entry = ram32(s, (entry & 0xfffff000u) + ((linear >> 12) & 0x3ff) * 4);
        if ((entry & leaf) != leaf)
            return NO_FRAME;
        address = (entry & 0xfffff000u) | (linear & 0xfff);
    }
    return address < s->ram_size ? address : NO_FRAME;
}

static int same_tables(const struct engine_state *s, const struct trap_plan *plan)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    const uint8_t *ram = (const uint8_t *)(uintptr_t)s->ram;
    uint32_t n;

    if (memcmp(plan->tables, regs + FIELD_IDT, 8) || memcmp(plan->tables + 2, regs + FIELD_GDT, 8) ||
        plan->tables[4] != regs[FIELD_TR + 1] || plan->tables[5] != regs[FIELD_TR + 2])
        return 0;
    for (n = 0; n < plan->reads; n++)
        if (supervisor_address(s, plan->linear[n], 0) != plan->physical[n] ||
            memcmp(ram + plan->physical[n], &plan->words[n], 8))
            return 0;
    return !plan->stack_at || (supervisor_address(s, plan->stack_at, 0) == plan->stack_physical &&
        (ram32(s, plan->stack_physical + 4) & 0xffff) == plan->stack_selector);
}

static struct trap_plan *plan_of(const struct engine_state *s, uint32_t kind)
{
    struct trap_plans *plans = (struct trap_plans *)(uintptr_t)s->traps;
    uint32_t cpl = ((const uint32_t *)(uintptr_t)s->regs)[FIELD_HFLAGS] & TRAP_HF_CPL;
    uint64_t n;

    for (n = 0; n < plans->count; n++)
        if (plans->plan[n].vector == s->vector && plans->plan[n].kind == kind && plans->plan[n].cpl == cpl)
            return &plans->plan[n];
    return NULL;
}

/* Push the frame below esp; 0, with nothing changed, when Python has to. */
static int push_frame(struct engine_state *s, uint32_t esp, const uint32_t *frame, uint32_t words)
{
    uint32_t size = 4 * words, top = esp - size, physical;

    if (esp < size || (top & 0xfff) + size > 0x1000)
        return 0;
    physical = supervisor_address(s, top, 1);
    if (physical == NO_FRAME || ((const uint8_t *)(uintptr_t)s->held_code)[physical >> 12])
        return 0;
    memcpy((uint8_t *)(uintptr_t)s->ram + physical, frame, size);
    return 1;
}

/* PUSHA and FBSTP. */
static int stores_in_another_order(struct engine_state *s, uint32_t address)
{
    int n, opcode;

    for (n = 0; n < LONGEST && is_prefix(code_byte(s, address)); n++)
        address++;
    opcode = code_byte(s, address);
    return opcode == 0x60 || (opcode == 0xdf && digit_of(code_byte(s, address + 1)) == 6);
}

static void charge_outside(struct engine_state *s, uint64_t clocks, uint64_t *rule)
{
    *rule += clocks;
    s->extra += clocks;
}

/* TrapCosts in emu/timing/traps.py, for a delivery that has set no Accessed bit. */
static void charge_delivery(struct engine_state *s, const struct trap_plan *plan, uint32_t words)
{
    struct timing *t = timing_of(s);
    uint32_t inward = plan->stack_at != 0;
    uint32_t reads[8] = {plan->linear[0], 8, plan->linear[1], 8, plan->stack_at, 8, plan->linear[2], 8};
    uint32_t esp = ((const uint32_t *)(uintptr_t)s->regs)[FIELD_ESP];
    int page_fault = plan->kind == KIND_EXCEPTION && plan->vector == VECTOR_PF;

    charge_outside(s, t->gate_clocks[inward] + (page_fault ? t->page_fault : 0), &t->gates);
    charge_outside(s, timing_gate(s, reads, inward ? 4 : 2, esp, 4 * words, inward), &t->gate_memory);
    timing_trap_taken(t);
}

/* Take the trap that the run has ended with, as the last time; 0, with nothing changed, if it may differ. */
static int take_trap(struct engine_state *s)
{
    uint32_t *regs = (uint32_t *)(uintptr_t)s->regs;
    uint32_t kind = regs[s->is_int_field] ? KIND_SOFTWARE : KIND_EXCEPTION;
    uint32_t bit = kind == KIND_EXCEPTION ? 1u << (s->vector & 31) : 0;
    uint32_t flags = regs[FIELD_EFLAGS], frame[TRAP_FRAME], *at = frame, esp, n;
    struct trap_plan *plan;

    if (kind == KIND_EXCEPTION && (s->vector == VECTOR_DB || s->vector > 31 || !s->in_flight_valid ||
                                   s->in_flight != regs[FIELD_EIP] + regs[FIELD_CS + 1]))
        return 0; /* #DB has DR6; a page fault for code ahead is looked into: Machine._ends_block_early */
    if (kind == KIND_EXCEPTION && s->vector == VECTOR_PF &&
        (!(regs[FIELD_ERROR_CODE] & 2) || regs[FIELD_CR2] > 0xffffffffu - LARGEST_OPERAND ||
         stores_in_another_order(s, s->in_flight)))
        return 0; /* read-modify-write, beyond a segment's limit, in another order: emu/page_fault.py */
    plan = plan_of(s, kind);
    if (!plan || flags & EFLAGS_VM || !same_tables(s, plan))
        return 0;
    if (bit & PUSHES_CODE)
        *at++ = regs[FIELD_ERROR_CODE];
    *at++ = regs[FIELD_EIP];
    *at++ = regs[FIELD_CS];
    *at++ = bit & IS_FAULT ? flags | EFLAGS_RF : flags;
    if (plan->stack_at) {
        *at++ = regs[FIELD_ESP];
        *at++ = regs[FIELD_SS];
        esp = ram32(s, plan->stack_physical);
    } else {
        uint32_t type = regs[FIELD_SS + 3];

        if (regs[FIELD_SS + 1] || regs[FIELD_SS + 2] != 0xffffffffu || !(type & 1u << 22) || type & 4u << 8)
            return 0; /* not the flat stack that was remembered */
        esp = regs[FIELD_ESP];
    }
    n = (uint32_t)(at - frame);
    if (!push_frame(s, esp, frame, n))
        return 0;
    if (plan->stack_at)
        memcpy(regs + FIELD_SS, plan->stack, sizeof plan->stack);
    regs[FIELD_ESP] = esp - 4 * n;
    memcpy(regs + FIELD_CS, plan->code, sizeof plan->code);
    regs[FIELD_EIP] = plan->offset;
    regs[FIELD_EFLAGS] = flags & plan->keep;
    regs[FIELD_HFLAGS] = (regs[FIELD_HFLAGS] & ~(uint32_t)TRAP_HF_REPLACED) | plan->hflags |
        (regs[FIELD_DS + 1] || regs[FIELD_ES + 1] ? TRAP_HF_ADDSEG : 0);
    s->skip_break = 0;
    s->deliveries++;
    if (s->timing)
        charge_delivery(s, plan, n);
    return 1;
}

#endif
