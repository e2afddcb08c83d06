/* SPDX-License-Identifier: MIT */
/*
 * The names that the threading module gives to threads: sys.modules['threading'],
 * its _active, which is a dict of Thread objects by ident, and their _name.
 *
 * CPython 3.11 to 3.15: Lib/threading.py, Include/internal/pycore_dict.h and
 * pycore_object.h (managed dicts), pycore_long.h.  A name is a comfort: whatever
 * is not as expected just has none.
 */
#include <string.h>

#include "qxfer/python/state.h"
#include "qxfer/python/text.h"

#define ENTRIES_MAX (1u << 16)
#define THREADS_MAX 1000u /* with more of them nobody reads the names */
#define NAME_MAX    128u

/* struct _dictkeysobject.dk_kind */
enum { KEYS_GENERAL, KEYS_UNICODE, KEYS_SPLIT };

/* Py_TPFLAGS_INLINE_VALUES, Py_TPFLAGS_MANAGED_DICT; Include/object.h */
enum { TYPE_INLINE_VALUES = 1 << 2, TYPE_MANAGED_DICT = 1 << 4 };

struct dict {
	uint64_t keys;	  /* the _dictkeysobject */
	uint64_t entries; /* {hash, key, value}, or without the hash */
	uint64_t values;  /* of a split table, else 0 */
	uint32_t stride, key_at;
	size_t n;
};

static bool read_ptr(struct py_walker *w, uint64_t addr, uint64_t *ret)
{
	struct err *err = mem_ptr(w->mem, addr, ret);
	err_drop(err);
	return !err;
}

static bool load(struct py_walker *w, uint64_t addr, size_t size, struct obj *ret)
{
	struct err *err = addr % 8 ? NULL : obj_load(w->mem, addr, size, ret);
	err_drop(err);
	return !err && addr % 8 == 0;
}

static bool open_keys(struct py_walker *w, uint64_t addr, uint64_t values, struct dict *ret)
{
	const struct py_offsets *off = w->off;
	struct obj o;
	if (!load(w, addr, off->keys.indices, &o))
		return false;
	uint64_t log2 = py_field(&o, off->keys.log2_index_bytes, 1);
	uint64_t kind = py_field(&o, off->keys.kind, 1);
	uint64_t n = py_field(&o, off->keys.nentries, 8);
	if (log2 > 32 || kind > KEYS_SPLIT || n > ENTRIES_MAX || o.bad)
		return false;
	*ret = (struct dict){
		.keys = addr,
		.entries = addr + off->keys.indices + (1ull << log2),
		.values = values ? values + off->values.values : 0,
		.stride = kind == KEYS_GENERAL ? 24 : 16,
		.key_at = kind == KEYS_GENERAL ? 8 : 0,
		.n = n,
	};
	return true;
}

static bool open_dict(struct py_walker *w, uint64_t addr, struct dict *ret)
{
	const struct py_offsets *off = w->off;
	struct obj o;
	return load(w, addr, off->dict.values + 8ul, &o) &&
	       open_keys(w, obj_uint(&o, off->dict.keys, 8), obj_uint(&o, off->dict.values, 8),
			 ret);
}

static bool read_entry(struct py_walker *w, const struct dict *d, size_t i, uint64_t *key,
		       uint64_t *value)
{
	uint64_t at = d->entries + i * d->stride + d->key_at;
	return read_ptr(w, at, key) && read_ptr(w, d->values ? d->values + 8 * i : at + 8, value);
}

/* Whether the str object at @addr says @text, which is ASCII. */
static bool is_str(struct py_walker *w, uint64_t addr, const char *text)
{
	struct obj o;
	size_t len = strlen(text), head = w->off->str.ascii_size;
	return addr && load(w, addr, head + len, &o) &&
	       obj_uint(&o, w->off->str.length, 8) == len && memcmp(o.data + head, text, len) == 0;
}

/*
 * The value of key @text.  @memo remembers where it was found, or that it is not
 * there, for as long as the table stays; the key itself is compared each time.
 */
static bool find(struct py_walker *w, const struct dict *d, const char *text,
		 struct py_lookup *memo, uint64_t *ret)
{
	uint64_t key;
	bool same = memo->keys == d->keys;
	if (same && memo->found && memo->index < d->n && read_entry(w, d, memo->index, &key, ret) &&
	    is_str(w, key, text))
		return *ret != 0;
	if (same && !memo->found && memo->n == d->n)
		return false;
	*memo = (struct py_lookup){ .keys = d->keys, .n = d->n };
	for (size_t i = 0; i < d->n && !memo->found; i++) {
		memo->index = i;
		memo->found = read_entry(w, d, i, &key, ret) && is_str(w, key, text);
	}
	return memo->found && *ret;
}

/* A non-negative int that fits; a thread's ident does. */
static bool read_int(struct py_walker *w, uint64_t addr, uint64_t *ret)
{
	const struct py_offsets *off = w->off;
	struct obj o;
	if (!load(w, addr, off->integer.digits + 12ul, &o))
		return false;
	uint64_t n = obj_uint(&o, off->integer.tag, 8) >> off->int_shift;
	*ret = 0;
	for (uint32_t i = 0; i < n && n <= 3; i++)
		*ret |= obj_uint(&o, off->integer.digits + 4 * i, 4) << 30 * i;
	return n >= 1 && n <= 3;
}

/* The attributes of an instance with a managed dict, as a table. */
static bool open_attributes(struct py_walker *w, uint64_t object, struct dict *ret)
{
	const struct py_offsets *off = w->off;
	uint64_t type, flags, keys, word, values = 0;
	if (!read_ptr(w, object + off->object.type, &type) ||
	    !read_ptr(w, type + off->type.flags, &flags) || !(flags & TYPE_MANAGED_DICT) ||
	    !read_ptr(w, object - 24, &word))
		return false;
	switch (off->attrs) {
	case PY_ATTRS_PAIR:
		if (!read_ptr(w, object - 32, &values))
			return false;
		break;
	case PY_ATTRS_TAGGED:
		values = word & 1 ? word + 1 : 0;
		break;
	default:
		if (!word && flags & TYPE_INLINE_VALUES &&
		    read_ptr(w, type + off->type.basicsize, &values))
			values += object;
	}
	if (!values)
		return open_dict(w, word, ret);
	return read_ptr(w, type + off->type.cached_keys, &keys) && open_keys(w, keys, values, ret);
}

static const char *read_name(struct py_walker *w, uint64_t thread)
{
	struct buf *b = &w->py->codes.scratch;
	struct dict attributes;
	uint64_t name;
	if (!open_attributes(w, thread, &attributes) ||
	    !find(w, &attributes, "_name", &w->py->names.name, &name))
		return NULL;
	buf_clear(b);
	struct err *err = py_text_str(w->mem, w->off, name, NAME_MAX, b);
	err_drop(err);
	return err || b->failed ? NULL : arena_strdup(&w->py->texts, b->data, b->len);
}

/* threading._active */
static bool open_active(struct py_walker *w, const struct py_interp *in, struct dict *ret)
{
	const struct py_offsets *off = w->off;
	struct py_names *names = &w->py->names;
	struct dict modules, module;
	uint64_t addr, dict;
	return off->interp.modules != PY_NONE &&
	       read_ptr(w, in->addr + off->interp.modules, &addr) && open_dict(w, addr, &modules) &&
	       find(w, &modules, "threading", &names->threading, &addr) &&
	       read_ptr(w, addr + off->module.dict, &dict) && open_dict(w, dict, &module) &&
	       find(w, &module, "_active", &names->active, &addr) && open_dict(w, addr, ret);
}

static void name_thread(struct py_walker *w, const struct py_interp *in, uint64_t ident,
			uint64_t object)
{
	struct py_thread *t = &w->py->snap.threads[in->first_thread];
	for (size_t i = 0; i < in->nthreads; i++)
		if (t[i].ident == ident && !t[i].name)
			t[i].name = read_name(w, object);
}

void py_names_read(struct py_walker *w, const struct py_interp *in)
{
	struct dict active;
	uint64_t key, value, ident;
	if (!in->nthreads || in->nthreads > THREADS_MAX || w->off->keys.indices == PY_NONE ||
	    !open_active(w, in, &active) || active.n > 2ul * THREADS_MAX)
		return;
	for (size_t i = 0; i < active.n; i++)
		if (read_entry(w, &active, i, &key, &value) && key && value &&
		    read_int(w, key, &ident))
			name_thread(w, in, ident, value);
}
