/* ottla._records: what happens once for each record, and would cost too much in Python.
 *
 * Two things: the array of ottla_record that a list of Python objects stands for (batch.c), and the
 * Python objects that an array of ottla_record_view stands for (received.c). Addresses go in and
 * come out as numbers; the calls of the library are made elsewhere, through cffi.
 *
 * The invariant: memory that an address leads to outlives the object that has the address. */

#include "records.h"

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ottla._records",
    .m_doc = "What happens once for each record.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__records(void) {
  PyObject *module = PyModule_Create(&definition);
  if (module != NULL && (add_received(module) < 0 || add_batch(module) < 0)) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
