/* Python's headers, limited to what every version from 3.9 on has with the same ABI, and what the
 * limited headers of 3.9 leave out although it is there.
 *
 * Buffers: since 3.9 PyType_FromSpec takes the two slots of the buffer protocol; the headers name
 * them, Py_buffer and its functions in limited mode only from 3.11 on. That is sound, because 3.11
 * declared them part of the stable ABI as they were: the slots' numbers, the struct's layout (the
 * same since 3.3) and the exported functions are those of 3.9 and 3.10.
 *
 * PyUnicode_AsUTF8AndSize: limited from 3.10 on, exported with the same signature since 3.7.
 *
 * Py_RETURN_NONE: the headers of 3.12 and 3.13 count no reference there, for None is immortal to
 * them. Up to 3.11 it is not, and the interpreter ends when its count comes to zero: `none()`. */

#ifndef OTTLA_LIMITED_API_H
#define OTTLA_LIMITED_API_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if !defined(Py_LIMITED_API) || Py_LIMITED_API + 0 != 0x03090000
#error "the wheel says that Python 3.9 can load it: compile with Py_LIMITED_API=0x03090000"
#endif

typedef struct {
  void *buf;
  PyObject *obj;
  Py_ssize_t len;
  Py_ssize_t itemsize;
  int readonly;
  int ndim;
  char *format;
  Py_ssize_t *shape;
  Py_ssize_t *strides;
  Py_ssize_t *suboffsets;
  void *internal;
} Py_buffer;

PyAPI_FUNC(int) PyObject_GetBuffer(PyObject *exporter, Py_buffer *view, int flags);
PyAPI_FUNC(void) PyBuffer_Release(Py_buffer *view);
PyAPI_FUNC(int) PyBuffer_FillInfo(Py_buffer *view, PyObject *exporter, void *start,
                                  Py_ssize_t length, int readonly, int flags);
PyAPI_FUNC(const char *) PyUnicode_AsUTF8AndSize(PyObject *text, Py_ssize_t *length);

#undef Py_RETURN_NONE
static inline PyObject *none(void) {
  Py_INCREF(Py_None);
  return Py_None;
}

#define PyBUF_SIMPLE 0
#ifndef Py_bf_getbuffer
#define Py_bf_getbuffer 1
#endif

#endif
