/*
 * Which objects hold something else than they did: the native half of toykernel/explore/differing.py,
 * whose Python function of the same name is the specification.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Whether a list holds the same objects as a tuple. */
static int list_is(PyObject *list, PyObject *held)
{
    Py_ssize_t size = PyList_Size(list);

    if (size != PyTuple_Size(held))
        return 0;
    for (Py_ssize_t i = 0; i < size; i++)
        if (PyList_GetItem(list, i) != PyTuple_GetItem(held, i))
            return 0;
    return 1;
}

/* The same of a dictionary, whose keys count, too. */
static int dict_is(PyObject *dict, PyObject *held, PyObject *names)
{
    Py_ssize_t size = PyDict_Size(dict), at = 0, i = 0;
    PyObject *key, *value;

    if (size != PyTuple_Size(held) || size != PyTuple_Size(names))
        return 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (i >= size || key != PyTuple_GetItem(names, i) || value != PyTuple_GetItem(held, i))
            return 0;
        i++;
    }
    return 1;
}

/* What an object holds now, as a tuple; None where its keys are others. A new reference. */
static PyObject *values_of(PyObject *one, PyObject *names)
{
    Py_ssize_t at = 0, i = 0, size;
    PyObject *key, *value, *found;

    if (PyList_Check(one))
        return PyList_AsTuple(one);
    size = PyDict_Size(one);
    if (size != PyTuple_Size(names))
        Py_RETURN_NONE;
    found = PyTuple_New(size);
    while (found && PyDict_Next(one, &at, &key, &value)) {
        if (key != PyTuple_GetItem(names, i)) {
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        Py_INCREF(value);
        PyTuple_SetItem(found, i++, value);
    }
    return found;
}

static PyObject *differing(PyObject *module, PyObject *args)
{
    PyObject *watched, *held, *names, *found;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &watched, &PyList_Type, &held, &PyList_Type, &names))
        return NULL;
    Py_ssize_t count = PyList_Size(watched);
    if (PyList_Size(held) != count || PyList_Size(names) != count) {
        PyErr_SetString(PyExc_ValueError, "three lists of one length");
        return NULL;
    }
    found = PyList_New(0);
    for (Py_ssize_t i = 0; found && i < count; i++) {
        PyObject *one = PyList_GetItem(watched, i);
        PyObject *values = PyList_GetItem(held, i), *keys = PyList_GetItem(names, i);
        int same = 1;

        if (!PyTuple_Check(values) || !PyTuple_Check(keys)) {
            PyErr_SetString(PyExc_TypeError, "what an object held is a tuple");
            Py_CLEAR(found);
            break;
        }
        if (PyList_Check(one))
            same = list_is(one, values);
        else if (PyDict_Check(one))
            same = dict_is(one, values, keys);
        if (!same) {
            PyObject *now = values_of(one, keys);
            PyObject *pair = now ? Py_BuildValue("(nN)", i, now) : NULL;

            if (!pair || PyList_Append(found, pair) < 0)
                Py_CLEAR(found);
            Py_XDECREF(pair);
        }
    }
    return found;
}

static PyMethodDef methods[] = {
    {"differing", differing, METH_VARARGS, "The places of objects that hold something else than they did, and what."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_differing", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__differing(void)
{
    return PyModule_Create(&definition);
}
