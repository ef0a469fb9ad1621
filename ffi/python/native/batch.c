/* Records to be written: the array of ottla_record that a list of Python objects stands for.
 *
 * A record is its value (bytes, str, None or anything with a buffer), a tuple (key, value), a longer
 * tuple (key, value, headers, partition, timestamp), or a Record that was read. Text is UTF-8.
 * Nothing is copied: the array leads into the objects.
 *
 * The invariant: every object that the array leads into is kept, and unchanged, until release(). A
 * tuple cannot change, so it keeps what is in it; buffers are locked by their export; what else is
 * found on the way is put into `kept`. */

#include <limits.h>
#include <string.h>

#include "records.h"

/* An export of a buffer. It stays where it is, for some exporters point into it. */
typedef struct Export {
  Py_buffer buffer;
  struct Export *next;
} Export;

typedef struct {
  PyObject_HEAD
  ottla_record *records;
  Py_ssize_t count;
  ottla_header *headers;
  size_t header_count;
  size_t header_room;
  /* The records as they were given. */
  PyObject *given;
  /* A list, or NULL for an empty one. */
  PyObject *kept;
  Export *exports;
} Batch;

/* What is being read, for messages. */
typedef struct {
  Py_ssize_t record;
  const char *part;
} Place;

static void batch_clear(Batch *batch) {
  PyMem_Free(batch->records);
  PyMem_Free(batch->headers);
  batch->records = NULL;
  batch->headers = NULL;
  batch->count = 0;
  while (batch->exports != NULL) {
    Export *export = batch->exports;
    batch->exports = export->next;
    PyBuffer_Release(&export->buffer);
    PyMem_Free(export);
  }
  Py_CLEAR(batch->given);
  Py_CLEAR(batch->kept);
}

static int keep(Batch *batch, PyObject *object) {
  if (batch->kept == NULL) {
    batch->kept = PyList_New(0);
  }
  return batch->kept == NULL ? -1 : PyList_Append(batch->kept, object);
}

static int wrong(Place place, PyObject *object, const char *wanted) {
  PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
  if (name != NULL) {
    PyErr_Format(PyExc_TypeError, "record %zd: %s is of type %U, but must be %s", place.record,
                 place.part, name, wanted);
    Py_DECREF(name);
  }
  return -1;
}

/* Whether the object was no such thing, which takes the exception away. Others are not ours. */
static int is_type_error(void) {
  int is = PyErr_ExceptionMatches(PyExc_TypeError);
  if (is) {
    PyErr_Clear();
  }
  return is;
}

static int take_buffer(Batch *batch, PyObject *object, const uint8_t **start, size_t *length,
                       Place place) {
  static const uint8_t nothing[1];
  Export *export = PyMem_Malloc(sizeof *export);
  if (export == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  if (PyObject_GetBuffer(object, &export->buffer, PyBUF_SIMPLE) < 0) {
    PyMem_Free(export);
    if (!is_type_error()) {
      return -1;
    }
    return wrong(place, object, "bytes, str, None or an object with a buffer");
  }
  export->next = batch->exports;
  batch->exports = export;
  *length = (size_t)export->buffer.len;
  *start = export->buffer.buf == NULL ? nothing : export->buffer.buf;
  return 0;
}

/* The bytes of an object that `batch` keeps; NULL for None. */
static int take_bytes(Batch *batch, PyObject *object, const uint8_t **start, size_t *length,
                      Place place) {
  if (PyBytes_Check(object)) {
    *start = (const uint8_t *)PyBytes_AsString(object);
    *length = (size_t)PyBytes_Size(object);
    return 0;
  }
  if (PyUnicode_Check(object)) {
    Py_ssize_t size;
    *start = (const uint8_t *)PyUnicode_AsUTF8AndSize(object, &size);
    *length = (size_t)size;
    return *start == NULL ? -1 : 0;
  }
  if (object == Py_None) {
    *start = NULL;
    *length = 0;
    return 0;
  }
  return take_buffer(batch, object, start, length, place);
}

/* Makes room for `more` headers. */
static int reserve_headers(Batch *batch, size_t more) {
  if (batch->header_count + more <= batch->header_room) {
    return 0;
  }
  size_t room = (batch->header_count + more) * 2;
  ottla_header *grown = PyMem_Realloc(batch->headers, room * sizeof *grown);
  if (grown == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  batch->headers = grown;
  batch->header_room = room;
  return 0;
}

static int take_header(Batch *batch, PyObject *given, Place place) {
  /* A list could change. */
  PyObject *pair = PySequence_Tuple(given);
  if (pair == NULL && !is_type_error()) {
    return -1;
  }
  if (pair == NULL || PyTuple_Size(pair) != 2 || PyUnicode_Check(given)) {
    Py_XDECREF(pair);
    return wrong(place, given, "a pair of a name and a value");
  }
  int kept = keep(batch, pair);
  PyObject *name = PyTuple_GetItem(pair, 0);
  PyObject *value = PyTuple_GetItem(pair, 1);
  ottla_header *header = &batch->headers[batch->header_count];
  Py_DECREF(pair);
  if (kept < 0) {
    return -1;
  }
  if (!PyUnicode_Check(name)) {
    place.part = "the name of a header";
    return wrong(place, name, "str");
  }
  Py_ssize_t size;
  header->name = PyUnicode_AsUTF8AndSize(name, &size);
  header->name_length = (size_t)size;
  if (header->name == NULL) {
    return -1;
  }
  place.part = "the value of a header";
  if (take_bytes(batch, value, &header->value, &header->value_length, place) < 0) {
    return -1;
  }
  batch->header_count += 1;
  return 0;
}

/* The pairs of a mapping, or of anything that has some; NULL with an exception. */
static PyObject *pairs_of(PyObject *given) {
  if (!PyObject_HasAttrString(given, "keys")) {
    return PySequence_Tuple(given);
  }
  PyObject *items = PyMapping_Items(given);
  PyObject *pairs = items == NULL ? NULL : PySequence_Tuple(items);
  Py_XDECREF(items);
  return pairs;
}

/* Headers: a mapping, or pairs. Their array may move while it grows, so that a record has the number
 * of its first one until all are there. */
static int take_headers(Batch *batch, PyObject *given, ottla_record *record, Place place) {
  if (given == Py_None) {
    return 0;
  }
  place.part = "headers";
  PyObject *pairs = pairs_of(given);
  if (pairs == NULL) {
    return is_type_error() ? wrong(place, given, "a dict, or a sequence of pairs") : -1;
  }
  Py_ssize_t count = PyTuple_Size(pairs);
  record->headers = (const ottla_header *)(uintptr_t)batch->header_count;
  record->header_count = (size_t)count;
  int outcome = reserve_headers(batch, (size_t)count);
  place.part = "a header";
  for (Py_ssize_t at = 0; outcome == 0 && at < count; at++) {
    outcome = take_header(batch, PyTuple_GetItem(pairs, at), place);
  }
  Py_DECREF(pairs);
  return outcome;
}

static int take_number(PyObject *object, long long least, long long most, long long *number,
                       Place place) {
  if (!PyLong_Check(object)) {
    return wrong(place, object, "int or None");
  }
  *number = PyLong_AsLongLong(object);
  if ((*number == -1 && PyErr_Occurred()) || *number < least || *number > most) {
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "record %zd: %s is %R", place.record, place.part, object);
    return -1;
  }
  return 0;
}

static int take_partition_and_time(PyObject *fields, Py_ssize_t count, ottla_record *record,
                                   Place place) {
  long long number;
  PyObject *partition = count > 3 ? PyTuple_GetItem(fields, 3) : Py_None;
  if (partition != Py_None) {
    place.part = "partition";
    if (take_number(partition, 0, INT32_MAX, &number, place) < 0) {
      return -1;
    }
    record->partition = (int32_t)number;
    record->flags |= OTTLA_RECORD_PARTITION;
  }
  PyObject *timestamp = count > 4 ? PyTuple_GetItem(fields, 4) : Py_None;
  if (timestamp != Py_None) {
    place.part = "timestamp";
    if (take_number(timestamp, 0, LLONG_MAX, &number, place) < 0) {
      return -1;
    }
    record->timestamp = number;
    record->flags |= OTTLA_RECORD_TIMESTAMP;
  }
  return 0;
}

/* (key, value), (key, value, headers), ... up to (key, value, headers, partition, timestamp). */
static int take_fields(Batch *batch, PyObject *fields, ottla_record *record, Place place) {
  Py_ssize_t count = PyTuple_Size(fields);
  if (count < 2 || count > 5) {
    PyErr_Format(PyExc_ValueError,
                 "record %zd: a tuple of %zd, but it is (key, value), or longer up to (key, value, "
                 "headers, partition, timestamp)",
                 place.record, count);
    return -1;
  }
  place.part = "the key";
  PyObject *key = PyTuple_GetItem(fields, 0);
  if (take_bytes(batch, key, &record->key, &record->key_length, place) < 0) {
    return -1;
  }
  place.part = "the value";
  PyObject *value = PyTuple_GetItem(fields, 1);
  if (take_bytes(batch, value, &record->value, &record->value_length, place) < 0) {
    return -1;
  }
  if (count == 2) {
    return 0;
  }
  if (take_headers(batch, PyTuple_GetItem(fields, 2), record, place) < 0) {
    return -1;
  }
  return take_partition_and_time(fields, count, record, place);
}

/* A record that was read: key, value and headers; where and when are of the new one. */
static int take_record(Batch *batch, PyObject *given, ottla_record *record, Place place) {
  const ottla_record_view *view = ((Record *)given)->view;
  if (view->key_length >= 0) {
    record->key = view->key;
    record->key_length = (size_t)view->key_length;
  }
  if (view->value_length >= 0) {
    record->value = view->value;
    record->value_length = (size_t)view->value_length;
  }
  if ((view->header_count_and_type & OTTLA_RECORD_VIEW_HEADER_COUNT) == 0) {
    return 0;
  }
  PyObject *headers = record_headers(given, NULL);
  if (headers == NULL) {
    return -1;
  }
  int outcome = take_headers(batch, headers, record, place);
  Py_DECREF(headers);
  return outcome;
}

static int take_one(Batch *batch, PyObject *given, ottla_record *record, Place place) {
  if (PyTuple_Check(given)) {
    return take_fields(batch, given, record, place);
  }
  if (record_check(given)) {
    return take_record(batch, given, record, place);
  }
  place.part = "the value";
  return take_bytes(batch, given, &record->value, &record->value_length, place);
}

static int take_all(Batch *batch, PyObject *given) {
  if (PyDict_Check(given)) {
    PyErr_SetString(PyExc_TypeError, "records is a dict, but must be a sequence of records");
    return -1;
  }
  /* A value is iterable, too, and so is a ProducerRecord, but means one record. */
  int is_one = PyUnicode_Check(given) || PyBytes_Check(given) || PyByteArray_Check(given) ||
               PyMemoryView_Check(given) || record_check(given) ||
               (PyTuple_Check(given) && !PyTuple_CheckExact(given));
  batch->given = is_one ? PyTuple_Pack(1, given) : PySequence_Tuple(given);
  if (batch->given == NULL) {
    return -1;
  }
  Py_ssize_t count = PyTuple_Size(batch->given);
  /* At least one, for zero bytes may be no memory at all. */
  size_t size = (count == 0 ? 1 : (size_t)count) * sizeof *batch->records;
  batch->records = PyMem_Malloc(size);
  if (batch->records == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  memset(batch->records, 0, size);
  for (Py_ssize_t at = 0; at < count; at++) {
    Place place = {at, "the value"};
    if (take_one(batch, PyTuple_GetItem(batch->given, at), &batch->records[at], place) < 0) {
      return -1;
    }
  }
  for (Py_ssize_t at = 0; at < count; at++) {
    ottla_record *record = &batch->records[at];
    if (record->header_count > 0) {
      record->headers = batch->headers + (uintptr_t)record->headers;
    } else {
      record->headers = NULL;
    }
  }
  batch->count = count;
  return 0;
}

static PyTypeObject *batch_type;

static PyObject *batch_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  PyObject *given;
  if (keywords != NULL && PyDict_Size(keywords) > 0) {
    PyErr_SetString(PyExc_TypeError, "Batch() takes no keywords");
    return NULL;
  }
  if (!PyArg_ParseTuple(arguments, "O:Batch", &given)) {
    return NULL;
  }
  (void)type;
  Batch *batch = PyObject_New(Batch, batch_type);
  if (batch == NULL) {
    return NULL;
  }
  memset((char *)batch + offsetof(Batch, records), 0, sizeof *batch - offsetof(Batch, records));
  if (take_all(batch, given) < 0) {
    Py_DECREF(batch);
    return NULL;
  }
  return (PyObject *)batch;
}

static void batch_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  batch_clear((Batch *)self);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *batch_address(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromUnsignedLongLong((uintptr_t)((Batch *)self)->records);
}

static PyObject *batch_release(PyObject *self, PyObject *nothing) {
  (void)nothing;
  batch_clear((Batch *)self);
  return none();
}

static Py_ssize_t batch_length(PyObject *self) { return ((Batch *)self)->count; }

static PyGetSetDef batch_attributes[] = {
    {"address", batch_address, NULL, "Where the array of ottla_record is; 0 after release().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef batch_methods[] = {
    {"release", batch_release, METH_NOARGS, "Lets go of the array, and of what it leads into."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, "Batch(records): the array of ottla_record that the records stand for."},
    {Py_tp_new, batch_new},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_getset, batch_attributes},
    {Py_tp_methods, batch_methods},
    {Py_sq_length, batch_length},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "ottla._records.Batch",
    .basicsize = sizeof(Batch),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = batch_slots,
};

int add_batch(PyObject *module) {
  batch_type = (PyTypeObject *)PyType_FromSpec(&batch_spec);
  if (batch_type == NULL) {
    return -1;
  }
  Py_INCREF(batch_type);
  return PyModule_AddObject(module, "Batch", (PyObject *)batch_type);
}
