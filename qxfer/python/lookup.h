/* SPDX-License-Identifier: MIT */
/*
 * The little that the walker itself wants of Python's objects: what a dict, a
 * module or an instance has under a name.  For showing objects see values.h.
 *
 * CPython 3.6 to 3.15: Objects/dict-common.h, Include/internal/pycore_dict.h and
 * pycore_object.h (managed dicts), pycore_long.h.  These are comforts: whatever
 * is not as expected is just not found.
 */
#ifndef QXFER_PYTHON_LOOKUP_H
#define QXFER_PYTHON_LOOKUP_H

#include "qxfer/python/offsets.h"
#include "stub/base/mem.h"

struct py_peek {
	struct mem *mem;
	const struct py_offsets *off;
};

struct py_dict {
	uint64_t keys;	  /* the _dictkeysobject */
	uint64_t entries; /* {hash, key, value}, or without the hash */
	uint64_t values;  /* of a split table, else 0 */
	uint32_t stride, key_at;
	size_t n;
};

/* Where in a dict a key was found last, or that it is not there. */
struct py_lookup {
	uint64_t keys; /* of this table, when it had n entries */
	size_t n, index;
	bool found;
};

bool py_dict_open(const struct py_peek *p, uint64_t addr, struct py_dict *ret);

/* The attributes of an instance that has a dict, as a table. */
bool py_dict_open_attributes(const struct py_peek *p, uint64_t object, struct py_dict *ret);

/* Entry @i; *key or *value is 0 if there is none there. */
bool py_dict_entry(const struct py_peek *p, const struct py_dict *d, size_t i, uint64_t *key,
		   uint64_t *value);

/*
 * The value of key @text, which is ASCII.  @memo remembers where it was found, or
 * that it is not there, for as long as the table stays; the key itself is compared
 * each time.
 */
bool py_dict_find(const struct py_peek *p, const struct py_dict *d, const char *text,
		  struct py_lookup *memo, uint64_t *ret);

/* A positive int of at most 64 bits; a thread's ident is one. */
bool py_peek_int(const struct py_peek *p, uint64_t addr, uint64_t *ret);

/* sys.hexversion of the interpreter @interp; 0: not found, or not there yet. */
uint32_t py_peek_version(const struct py_peek *p, uint64_t interp);

#endif
