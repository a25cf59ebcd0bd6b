/*
 * Asking Python for what an instruction costs, during a run. Part of _timing.h.
 *
 * Python calls the handler of SIGINT, which raises, when it begins a function, where no `try` of the
 * function's is in force. So what is raised is kept for the end of the run, and the question asked again.
 */
#ifndef EMU_DECODE_CALL_H
#define EMU_DECODE_CALL_H

enum { TRIES = 8 };

static __thread PyObject *raised_type, *raised_value, *raised_traceback;

/* Keep the first exception; the run ends before its next instruction. */
static void keep_raised(struct engine_state *s)
{
    if (raised_type)
        PyErr_Clear();
    else
        PyErr_Fetch(&raised_type, &raised_value, &raised_traceback);
    s->limit = 0;
}

/* Raise what was kept; 0 when there is nothing. */
static int raise_kept(void)
{
    if (!raised_type)
        return 0;
    PyErr_Restore(raised_type, raised_value, raised_traceback);
    raised_type = raised_value = raised_traceback = NULL;
    return 1;
}

static PyObject *call_decoder(const struct timing *t, const struct insn *insn)
{
    PyObject *argument = insn ? PyLong_FromVoidPtr((void *)insn) : Py_NewRef(Py_None), *result;

    if (!argument)
        return NULL;
    result = PyObject_CallFunctionObjArgs((PyObject *)(uintptr_t)t->decode, argument, NULL);
    Py_DECREF(argument);
    return result;
}

/* Fill a record in, from its address and bytes; NULL: put the counts of all records aside and empty the table.
 * A record that was filled in is filled in alike the second time; a table that is empty is done with. */
static void ask_to_decode(struct engine_state *s, struct timing *t, struct insn *insn)
{
    uint8_t length = insn ? insn->length : 0;
    int n;

    for (n = 0; n < TRIES; n++) {
        PyObject *result = call_decoder(t, insn);

        if (result) {
            Py_DECREF(result);
            return;
        }
        keep_raised(s);
        if (!insn && !t->used)
            return;
        if (insn)
            insn->length = length;
    }
}

#endif
