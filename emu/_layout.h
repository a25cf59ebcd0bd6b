/*
 * Where the fields of the structures lie that Python shares, for emu/layout.py to compare with its
 * mirrors of them.  Included by emu/_native.c behind the structures.
 */
#include <stddef.h>

struct field_place {
    const char *name;
    size_t offset, size; /* bytes */
};

#define F(structure, field) {#field, offsetof(struct structure, field), sizeof(((struct structure *)0)->field)}

static const struct field_place engine_state_fields[] = {
    F(engine_state, retired), F(engine_state, limit), F(engine_state, cycles),
    F(engine_state, cycle_limit), F(engine_state, extra), F(engine_state, deadline),
    F(engine_state, gate), F(engine_state, timing), F(engine_state, blocks),
    F(engine_state, traps), F(engine_state, x87), F(engine_state, deliveries),
    F(engine_state, delivery_limit), F(engine_state, instructions), F(engine_state, event), F(engine_state, vector),
    F(engine_state, port), F(engine_state, size), F(engine_state, value),
    F(engine_state, in_flight), F(engine_state, in_flight_valid), F(engine_state, watch_if),
    F(engine_state, skip_break), F(engine_state, allow_io), F(engine_state, in_flight_kind),
    F(engine_state, flags_known), F(engine_state, code_page), F(engine_state, code_page_valid),
    F(engine_state, code_frame), F(engine_state, break_count), F(engine_state, break_capacity),
    F(engine_state, previous_kind), F(engine_state, completed), F(engine_state, resume),
    F(engine_state, careful), F(engine_state, debug_hits), F(engine_state, debug_pending),
    F(engine_state, system_changed), F(engine_state, gate_port), F(engine_state, at_ease),
    F(engine_state, settled), F(engine_state, breaks), F(engine_state, watches),
    F(engine_state, watch_count), F(engine_state, accesses), F(engine_state, access_room),
    F(engine_state, access_count), F(engine_state, ram),
    F(engine_state, ram_size), F(engine_state, held_code), F(engine_state, engine),
    F(engine_state, context), F(engine_state, regs), F(engine_state, fields),
    F(engine_state, env),
    F(engine_state, field_count), F(engine_state, old_exception_offset),
    F(engine_state, is_int_field), F(engine_state, reg_eflags), F(engine_state, reg_cr0),
    F(engine_state, reg_cr3), F(engine_state, reg_cr4), F(engine_state, reg_cs),
    F(engine_state, reg_eax), F(engine_state, error), F(engine_state, fn_start),
    F(engine_state, fn_stop), F(engine_state, fn_save), F(engine_state, fn_restore),
    F(engine_state, fn_reg_read), F(engine_state, fn_reg_write), F(engine_state, flags_at),
    F(engine_state, flags_kept),
    {NULL, 0, 0},
};

static const struct field_place watch_fields[] = {
    F(watch, start), F(watch, end), F(watch, reads), F(watch, writes), F(watch, seen),
    F(watch, padding), F(watch, first), F(watch, last),
    {NULL, 0, 0},
};

static const struct field_place user_access_fields[] = {
    F(user_access, retired), F(user_access, code), F(user_access, address), F(user_access, size),
    F(user_access, write),
    {NULL, 0, 0},
};

static const struct field_place field_fields[] = {
    F(field, offset), F(field, width), F(field, writable),
    {NULL, 0, 0},
};

static const struct field_place access_fields[] = {
    F(access, where), F(access, use), F(access, size),
    {NULL, 0, 0},
};

static const struct field_place insn_fields[] = {
    F(insn, code), F(insn, mask), F(insn, count), F(insn, taken_count), F(insn, spent),
    F(insn, address), F(insn, next), F(insn, displacement), F(insn, immediate), F(insn, base),
    F(insn, taken), F(insn, fixed), F(insn, rep_none), F(insn, rep_one), F(insn, rep_start),
    F(insn, rep_each), F(insn, length), F(insn, kind), F(insn, flags), F(insn, components),
    F(insn, address_registers), F(insn, reads), F(insn, writes), F(insn, byte_writes),
    F(insn, ea_base), F(insn, ea_index), F(insn, ea_scale), F(insn, segment), F(insn, source),
    F(insn, size), F(insn, condition), F(insn, control), F(insn, read_miss),
    F(insn, access_count), F(insn, access),
    {NULL, 0, 0},
};

static const struct field_place timing_fields[] = {
    F(timing, env), F(timing, decode), F(timing, insns), F(timing, buckets),
    F(timing, user_cycles), F(timing, before), F(timing, gates),
    F(timing, gate_memory), F(timing, pending), F(timing, rep_pending),
    F(timing, store_done), F(timing, capacity), F(timing, used), F(timing, bucket_mask),
    F(timing, current), F(timing, agi), F(timing, byte_register), F(timing, misaligned),
    F(timing, accessed), F(timing, memory), F(timing, i386), F(timing, rmw_miss),
    F(timing, segment_miss), F(timing, sequential_code_miss), F(timing, walk),
    F(timing, walk_line), F(timing, walk_updates), F(timing, store_clocks),
    F(timing, gate_clocks), F(timing, page_fault), F(timing, gate_miss),
    F(timing, iret_miss), F(timing, at_base), F(timing, at_hflags), F(timing, at_gdt),
    F(timing, at_ldt), F(timing, at_cr0), F(timing, at_cr3), F(timing, at_cr4), F(timing, at_eip),
    F(timing, previous_writes), F(timing, previous_bytes), F(timing, code_line),
    F(timing, code_next), F(timing, taken), F(timing, stores), F(timing, rep_start),
    F(timing, rep_left), F(timing, iterations), F(timing, user), F(timing, dirty),
    F(timing, l1_tags), F(timing, l1_bits), F(timing, tlb_tags), F(timing, tlb_bits),
    F(timing, tlb_frames), F(timing, tlb_dirty), F(timing, l1_last), F(timing, tlb_last),
    {NULL, 0, 0},
};

static const struct field_place blocks_fields[] = {
    F(blocks, records), F(blocks, bounds), F(blocks, timed), F(blocks, mode),
    F(blocks, exact_until), F(blocks, whole_since), F(blocks, span),
    F(blocks, epoch), F(blocks, given),
    {NULL, 0, 0},
};

static const struct field_place trap_plan_fields[] = {
    F(trap_plan, vector), F(trap_plan, kind), F(trap_plan, cpl), F(trap_plan, reads),
    F(trap_plan, tables), F(trap_plan, linear), F(trap_plan, physical), F(trap_plan, words),
    F(trap_plan, stack_at), F(trap_plan, stack_physical), F(trap_plan, stack_selector),
    F(trap_plan, offset), F(trap_plan, code), F(trap_plan, stack), F(trap_plan, keep),
    F(trap_plan, hflags),
    {NULL, 0, 0},
};

static const struct field_place trap_plans_fields[] = {
    F(trap_plans, count), F(trap_plans, plan),
    {NULL, 0, 0},
};

static const struct field_place x87_unit_fields[] = {
    F(x87_unit, env), F(x87_unit, fpu_at), F(x87_unit, reg_fp0), F(x87_unit, reg_words),
    F(x87_unit, reg_xmm0), F(x87_unit, reg_mxcsr),
    {NULL, 0, 0},
};

#undef F

static const struct {
    const char *name;
    size_t size;
    const struct field_place *fields; /* of struct blocks and x87_unit: the head, which is all that Python knows */
} layouts[] = {
    {"engine_state", sizeof(struct engine_state), engine_state_fields},
    {"field", sizeof(struct field), field_fields},
    {"watch", sizeof(struct watch), watch_fields},
    {"user_access", sizeof(struct user_access), user_access_fields},
    {"access", sizeof(struct access), access_fields},
    {"insn", sizeof(struct insn), insn_fields},
    {"timing", sizeof(struct timing), timing_fields},
    {"blocks", sizeof(struct blocks), blocks_fields},
    {"trap_plan", sizeof(struct trap_plan), trap_plan_fields},
    {"trap_plans", sizeof(struct trap_plans), trap_plans_fields},
    {"x87_unit", sizeof(struct x87_unit), x87_unit_fields},
};

/* {structure: (size, {field: (offset, size)})} */
static PyObject *layouts_dict(void)
{
    PyObject *all = PyDict_New();

    for (size_t i = 0; all && i < sizeof layouts / sizeof layouts[0]; i++) {
        PyObject *fields = PyDict_New(), *entry = NULL;

        for (const struct field_place *f = layouts[i].fields; fields && f->name; f++) {
            PyObject *place = Py_BuildValue("(nn)", (Py_ssize_t)f->offset, (Py_ssize_t)f->size);

            if (!place || PyDict_SetItemString(fields, f->name, place) < 0)
                Py_CLEAR(fields);
            Py_XDECREF(place);
        }
        if (fields)
            entry = Py_BuildValue("(nN)", (Py_ssize_t)layouts[i].size, fields);
        if (!entry || PyDict_SetItemString(all, layouts[i].name, entry) < 0)
            Py_CLEAR(all);
        Py_XDECREF(entry);
    }
    return all;
}
