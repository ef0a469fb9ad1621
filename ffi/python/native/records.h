/* What the parts of the extension know of each other. */

#ifndef OTTLA_PYTHON_RECORDS_H
#define OTTLA_PYTHON_RECORDS_H

#include "limited_api.h"

/* For the layouts of its structs. None of its functions is called from here: a second copy of the
 * library would have another table of handles. */
#include "ottla.h"

typedef struct Records Records;

/* A record that was read: one view of a batch, and the batch. */
typedef struct {
  PyObject_HEAD
  Records *batch;
  const ottla_record_view *view;
} Record;

/* Whether `object` is a Record. */
int record_check(PyObject *object);
/* The value of the attribute `headers`: a new reference. */
PyObject *record_headers(PyObject *record, void *closure);

/* Adds what the part has to the module; -1 with an exception. */
int add_received(PyObject *module);
int add_batch(PyObject *module);

#endif
