/* Records that were read: a sequence over an array of views, and its items.
 *
 * Nothing is copied until somebody asks: an item is made when it is looked at, and its key and value
 * are memoryviews of the library's own buffer. Each of them keeps the item alive, the item the
 * sequence, and the sequence the handle of the records: `source` owns it.
 *
 * The invariant: views and bytes are not touched after `source` is let go. */

#include <string.h>

#include "records.h"

/* A partition of the batch, as Python knows it; NULL until somebody asked. */
typedef struct {
  PyObject *topic;
  PyObject *number;
} Partition;

struct Records {
  PyObject_HEAD
  const ottla_record_view *views;
  Py_ssize_t count;
  /* Has partition(index) and headers(index), and owns the memory. */
  PyObject *source;
  Partition *partitions;
  size_t partition_count;
};

/* What a memoryview of a record's key is of. */
typedef struct {
  PyObject_HEAD
  Record *record;
} Key;

typedef struct {
  PyObject_HEAD
  Records *batch;
  Py_ssize_t next;
} RecordsIterator;

static PyTypeObject *records_type;
static PyTypeObject *record_type;
static PyTypeObject *key_type;
static PyTypeObject *iterator_type;

static PyObject *made_by_the_library(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  (void)arguments, (void)keywords;
  PyObject *name = PyObject_GetAttrString((PyObject *)type, "__name__");
  if (name != NULL) {
    PyErr_Format(PyExc_TypeError, "%U objects come from reading", name);
    Py_DECREF(name);
  }
  return NULL;
}

/* Frees an object of one of the types here, which PyObject_New gave a reference to its type. */
static void let_go(void *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_Free(object);
  Py_DECREF(type);
}

/* Record */

static PyObject *record_at(Records *batch, Py_ssize_t index) {
  Record *record = PyObject_New(Record, record_type);
  if (record == NULL) {
    return NULL;
  }
  Py_INCREF(batch);
  record->batch = batch;
  record->view = &batch->views[index];
  return (PyObject *)record;
}

static void record_dealloc(PyObject *self) {
  Py_DECREF(((Record *)self)->batch);
  let_go(self);
}

int record_check(PyObject *object) { return Py_TYPE(object) == record_type; }

/* The partition that the record is of; NULL with an exception. */
static Partition *partition_of(Record *record) {
  Records *batch = record->batch;
  size_t index = record->view->partition_index;
  if (index >= batch->partition_count) {
    Partition *grown = PyMem_Realloc(batch->partitions, (index + 1) * sizeof *grown);
    if (grown == NULL) {
      PyErr_NoMemory();
      return NULL;
    }
    memset(grown + batch->partition_count, 0,
           (index + 1 - batch->partition_count) * sizeof *grown);
    batch->partitions = grown;
    batch->partition_count = index + 1;
  }
  if (batch->partitions[index].topic == NULL) {
    PyObject *named = PyObject_CallMethod(batch->source, "partition", "n", (Py_ssize_t)index);
    PyObject *topic = named == NULL ? NULL : PySequence_GetItem(named, 0);
    PyObject *number = topic == NULL ? NULL : PySequence_GetItem(named, 1);
    Py_XDECREF(named);
    if (number == NULL) {
      Py_XDECREF(topic);
      return NULL;
    }
    /* Another thread may have been here while Python ran. */
    Partition *found = &batch->partitions[index];
    Py_XDECREF(found->topic);
    Py_XDECREF(found->number);
    found->topic = topic;
    found->number = number;
  }
  return &batch->partitions[index];
}

static PyObject *record_topic(PyObject *self, void *closure) {
  (void)closure;
  Partition *partition = partition_of((Record *)self);
  if (partition == NULL) {
    return NULL;
  }
  Py_INCREF(partition->topic);
  return partition->topic;
}

static PyObject *record_partition(PyObject *self, void *closure) {
  (void)closure;
  Partition *partition = partition_of((Record *)self);
  if (partition == NULL) {
    return NULL;
  }
  Py_INCREF(partition->number);
  return partition->number;
}

static PyObject *record_offset(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLongLong(((Record *)self)->view->offset);
}

static PyObject *record_timestamp(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLongLong(((Record *)self)->view->timestamp);
}

static PyObject *record_timestamp_type(PyObject *self, void *closure) {
  (void)closure;
  uint32_t bits = ((Record *)self)->view->header_count_and_type;
  return PyUnicode_InternFromString(
      bits & OTTLA_RECORD_VIEW_LOG_APPEND_TIME ? "LogAppendTime" : "CreateTime");
}

/* The buffer of a record is its value. */
static int record_getbuffer(PyObject *self, Py_buffer *buffer, int flags) {
  const ottla_record_view *view = ((Record *)self)->view;
  if (view->value_length < 0) {
    PyErr_SetString(PyExc_BufferError, "the record has no value: it is a tombstone");
    buffer->obj = NULL;
    return -1;
  }
  return PyBuffer_FillInfo(buffer, self, (void *)view->value, view->value_length, 1, flags);
}

static PyObject *record_value(PyObject *self, void *closure) {
  (void)closure;
  if (((Record *)self)->view->value_length < 0) {
    return none();
  }
  return PyMemoryView_FromObject(self);
}

static PyObject *record_key(PyObject *self, void *closure) {
  (void)closure;
  if (((Record *)self)->view->key_length < 0) {
    return none();
  }
  Key *key = PyObject_New(Key, key_type);
  if (key == NULL) {
    return NULL;
  }
  Py_INCREF(self);
  key->record = (Record *)self;
  PyObject *view = PyMemoryView_FromObject((PyObject *)key);
  Py_DECREF(key);
  return view;
}

static PyObject *bytes_or_none(const uint8_t *start, int32_t length) {
  if (length < 0) {
    return none();
  }
  return PyBytes_FromStringAndSize((const char *)start, length);
}

static PyObject *record_value_bytes(PyObject *self, PyObject *nothing) {
  (void)nothing;
  const ottla_record_view *view = ((Record *)self)->view;
  return bytes_or_none(view->value, view->value_length);
}

static PyObject *record_key_bytes(PyObject *self, PyObject *nothing) {
  (void)nothing;
  const ottla_record_view *view = ((Record *)self)->view;
  return bytes_or_none(view->key, view->key_length);
}

static PyObject *record_text(PyObject *self, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"encoding", NULL};
  const char *encoding = "utf-8";
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|s:text", names, &encoding)) {
    return NULL;
  }
  const ottla_record_view *view = ((Record *)self)->view;
  if (view->value_length < 0) {
    return none();
  }
  return PyUnicode_Decode((const char *)view->value, view->value_length, encoding, "strict");
}

static PyObject *record_json(PyObject *self, PyObject *nothing) {
  (void)nothing;
  PyObject *value = record_value_bytes(self, NULL);
  if (value == NULL || value == Py_None) {
    return value;
  }
  PyObject *module = PyImport_ImportModule("json");
  PyObject *loaded = module == NULL ? NULL : PyObject_CallMethod(module, "loads", "O", value);
  Py_XDECREF(module);
  Py_DECREF(value);
  return loaded;
}

PyObject *record_headers(PyObject *self, void *closure) {
  (void)closure;
  Record *record = (Record *)self;
  if ((record->view->header_count_and_type & OTTLA_RECORD_VIEW_HEADER_COUNT) == 0) {
    return PyList_New(0);
  }
  Py_ssize_t index = record->view - record->batch->views;
  return PyObject_CallMethod(record->batch->source, "headers", "n", index);
}

static PyObject *record_repr(PyObject *self) {
  Record *record = (Record *)self;
  Partition *partition = partition_of(record);
  PyObject *key = partition == NULL ? NULL : record_key_bytes(self, NULL);
  PyObject *value = key == NULL ? NULL : record_value_bytes(self, NULL);
  PyObject *text = NULL;
  if (value != NULL) {
    text = PyUnicode_FromFormat("Record(topic=%R, partition=%R, offset=%lld, key=%R, value=%R)",
                                partition->topic, partition->number,
                                (long long)record->view->offset, key, value);
  }
  Py_XDECREF(key);
  Py_XDECREF(value);
  return text;
}

static PyGetSetDef record_attributes[] = {
    {"topic", record_topic, NULL, "The topic.", NULL},
    {"partition", record_partition, NULL, "The number of the partition.", NULL},
    {"offset", record_offset, NULL, "The place in the partition.", NULL},
    {"timestamp", record_timestamp, NULL, "Milliseconds since 1970; -1 for none.", NULL},
    {"timestamp_type", record_timestamp_type, NULL, "'CreateTime' or 'LogAppendTime'.", NULL},
    {"key", record_key, NULL, "The key as a memoryview, or None.", NULL},
    {"value", record_value, NULL, "The value as a memoryview; None for a tombstone.", NULL},
    {"headers", record_headers, NULL, "A list of (name, bytes or None).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef record_methods[] = {
    {"value_bytes", record_value_bytes, METH_NOARGS, "The value, copied; None for a tombstone."},
    {"text", (PyCFunction)(void (*)(void))record_text, METH_VARARGS | METH_KEYWORDS,
     "text(encoding='utf-8'): the value as text; None for a tombstone."},
    {"json", record_json, METH_NOARGS, "What the value is as JSON; None for a tombstone."},
    {"key_bytes", record_key_bytes, METH_NOARGS, "The key, copied; None if there is none."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot record_slots[] = {
    {Py_tp_doc, "A record that was read. bytes(record) is its value."},
    {Py_tp_new, made_by_the_library},
    {Py_tp_dealloc, record_dealloc},
    {Py_tp_repr, record_repr},
    {Py_tp_getset, record_attributes},
    {Py_tp_methods, record_methods},
    {Py_bf_getbuffer, record_getbuffer},
    {0, NULL},
};

static PyType_Spec record_spec = {
    .name = "ottla.Record",
    .basicsize = sizeof(Record),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = record_slots,
};

/* Key */

static void key_dealloc(PyObject *self) {
  Py_DECREF(((Key *)self)->record);
  let_go(self);
}

static int key_getbuffer(PyObject *self, Py_buffer *buffer, int flags) {
  const ottla_record_view *view = ((Key *)self)->record->view;
  return PyBuffer_FillInfo(buffer, self, (void *)view->key, view->key_length, 1, flags);
}

static PyType_Slot key_slots[] = {
    {Py_tp_new, made_by_the_library},
    {Py_tp_dealloc, key_dealloc},
    {Py_bf_getbuffer, key_getbuffer},
    {0, NULL},
};

static PyType_Spec key_spec = {
    .name = "ottla._records.Key",
    .basicsize = sizeof(Key),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = key_slots,
};

/* The iterator */

static void iterator_dealloc(PyObject *self) {
  Py_DECREF(((RecordsIterator *)self)->batch);
  let_go(self);
}

static PyObject *iterator_next(PyObject *self) {
  RecordsIterator *iterator = (RecordsIterator *)self;
  if (iterator->next >= iterator->batch->count) {
    return NULL;
  }
  return record_at(iterator->batch, iterator->next++);
}

static PyObject *iterator_length_hint(PyObject *self, PyObject *nothing) {
  (void)nothing;
  RecordsIterator *iterator = (RecordsIterator *)self;
  return PyLong_FromSsize_t(iterator->batch->count - iterator->next);
}

static PyObject *iterator_stop(PyObject *self, PyObject *nothing) {
  (void)nothing;
  RecordsIterator *iterator = (RecordsIterator *)self;
  iterator->next = iterator->batch->count;
  return none();
}

static PyMethodDef iterator_methods[] = {
    {"stop", iterator_stop, METH_NOARGS, "Returns nothing more."},
    {"__length_hint__", iterator_length_hint, METH_NOARGS, "How many are left."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iterator_slots[] = {
    {Py_tp_new, made_by_the_library},
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {Py_tp_methods, iterator_methods},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "ottla._records.RecordsIterator",
    .basicsize = sizeof(RecordsIterator),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = iterator_slots,
};

/* Records */

static void records_dealloc(PyObject *self) {
  Records *batch = (Records *)self;
  for (size_t index = 0; index < batch->partition_count; index++) {
    Py_XDECREF(batch->partitions[index].topic);
    Py_XDECREF(batch->partitions[index].number);
  }
  PyMem_Free(batch->partitions);
  Py_DECREF(batch->source);
  let_go(self);
}

static PyObject *records_iter(PyObject *self) {
  RecordsIterator *iterator = PyObject_New(RecordsIterator, iterator_type);
  if (iterator == NULL) {
    return NULL;
  }
  Py_INCREF(self);
  iterator->batch = (Records *)self;
  iterator->next = 0;
  return (PyObject *)iterator;
}

static Py_ssize_t records_length(PyObject *self) { return ((Records *)self)->count; }

/* An index below zero has had the length added to it already. */
static PyObject *records_item(PyObject *self, Py_ssize_t index) {
  Records *batch = (Records *)self;
  if (index < 0 || index >= batch->count) {
    PyErr_Format(PyExc_IndexError, "there are %zd records", batch->count);
    return NULL;
  }
  return record_at(batch, index);
}

static PyObject *records_slice(Records *batch, PyObject *slice) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
    return NULL;
  }
  Py_ssize_t count = PySlice_AdjustIndices(batch->count, &start, &stop, step);
  PyObject *list = PyList_New(count);
  for (Py_ssize_t at = 0; list != NULL && at < count; at++) {
    PyObject *record = record_at(batch, start + at * step);
    if (record == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SetItem(list, at, record);
    }
  }
  return list;
}

static PyObject *records_subscript(PyObject *self, PyObject *key) {
  if (PySlice_Check(key)) {
    return records_slice((Records *)self, key);
  }
  Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
  if (index == -1 && PyErr_Occurred()) {
    return NULL;
  }
  return records_item(self, index < 0 ? index + ((Records *)self)->count : index);
}

static PyObject *records_repr(PyObject *self) {
  return PyUnicode_FromFormat("<%zd records>", ((Records *)self)->count);
}

static PyObject *records_index(PyObject *self, PyObject *value) {
  Py_ssize_t index = PySequence_Index(self, value);
  return index < 0 ? NULL : PyLong_FromSsize_t(index);
}

static PyObject *records_count(PyObject *self, PyObject *value) {
  Py_ssize_t count = PySequence_Count(self, value);
  return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyMethodDef records_methods[] = {
    {"index", records_index, METH_O, "Where the record is."},
    {"count", records_count, METH_O, "How often the record is there."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot records_slots[] = {
    {Py_tp_doc, "Records that were read together: a sequence of Record."},
    {Py_tp_new, made_by_the_library},
    {Py_tp_dealloc, records_dealloc},
    {Py_tp_repr, records_repr},
    {Py_tp_iter, records_iter},
    {Py_tp_methods, records_methods},
    {Py_sq_length, records_length},
    {Py_sq_item, records_item},
    {Py_mp_length, records_length},
    {Py_mp_subscript, records_subscript},
    {0, NULL},
};

static PyType_Spec records_spec = {
    .name = "ottla.Records",
    .basicsize = sizeof(Records),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = records_slots,
};

/* Functions of the module */

static PyObject *records(PyObject *module, PyObject *arguments) {
  (void)module;
  unsigned long long address;
  Py_ssize_t count;
  PyObject *source;
  if (!PyArg_ParseTuple(arguments, "KnO:records", &address, &count, &source)) {
    return NULL;
  }
  if (count < 0 || (address == 0 && count > 0)) {
    PyErr_SetString(PyExc_ValueError, "an address and how many views are there");
    return NULL;
  }
  Records *batch = PyObject_New(Records, records_type);
  if (batch == NULL) {
    return NULL;
  }
  Py_INCREF(source);
  batch->views = (const ottla_record_view *)(uintptr_t)address;
  batch->count = count;
  batch->source = source;
  batch->partitions = NULL;
  batch->partition_count = 0;
  return (PyObject *)batch;
}

static PyObject *header_at(const ottla_header *header) {
  /* Other programs may have written names that are no text. */
  PyObject *name = PyUnicode_DecodeUTF8(header->name, (Py_ssize_t)header->name_length,
                                        "surrogateescape");
  PyObject *value = NULL;
  if (header->value == NULL) {
    value = none();
  } else {
    value = PyBytes_FromStringAndSize((const char *)header->value,
                                      (Py_ssize_t)header->value_length);
  }
  PyObject *pair = name == NULL || value == NULL ? NULL : PyTuple_Pack(2, name, value);
  Py_XDECREF(name);
  Py_XDECREF(value);
  return pair;
}

static PyObject *headers(PyObject *module, PyObject *arguments) {
  (void)module;
  unsigned long long address;
  Py_ssize_t count;
  if (!PyArg_ParseTuple(arguments, "Kn:headers", &address, &count)) {
    return NULL;
  }
  const ottla_header *first = (const ottla_header *)(uintptr_t)address;
  PyObject *list = PyList_New(count);
  for (Py_ssize_t at = 0; list != NULL && at < count; at++) {
    PyObject *pair = header_at(&first[at]);
    if (pair == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SetItem(list, at, pair);
    }
  }
  return list;
}

static PyMethodDef functions[] = {
    {"records", records, METH_VARARGS,
     "records(address, count, source): Records over so many ottla_record_view. `source` owns them."},
    {"headers", headers, METH_VARARGS,
     "headers(address, count): a list of (name, bytes or None) of so many ottla_header, copied."},
    {NULL, NULL, 0, NULL},
};

int add_received(PyObject *module) {
  record_type = (PyTypeObject *)PyType_FromSpec(&record_spec);
  records_type = (PyTypeObject *)PyType_FromSpec(&records_spec);
  key_type = (PyTypeObject *)PyType_FromSpec(&key_spec);
  iterator_type = (PyTypeObject *)PyType_FromSpec(&iterator_spec);
  if (record_type == NULL || records_type == NULL || key_type == NULL || iterator_type == NULL) {
    return -1;
  }
  /* The module takes a reference, and one is kept for good: the types live as long as the process. */
  Py_INCREF(record_type);
  Py_INCREF(records_type);
  Py_INCREF(iterator_type);
  if (PyModule_AddObject(module, "Record", (PyObject *)record_type) < 0 ||
      PyModule_AddObject(module, "Records", (PyObject *)records_type) < 0 ||
      PyModule_AddObject(module, "RecordsIterator", (PyObject *)iterator_type) < 0) {
    return -1;
  }
  return PyModule_AddFunctions(module, functions);
}
