/* SPDX-License-Identifier: MIT */
#include "qxfer/python/lookup.h"

#include <string.h>

#define ENTRIES_MAX (1u << 16)

/* struct _dictkeysobject.dk_kind */
enum { KEYS_GENERAL, KEYS_UNICODE, KEYS_SPLIT };

/* Py_TPFLAGS_INLINE_VALUES, Py_TPFLAGS_MANAGED_DICT; Include/object.h */
enum { TYPE_INLINE_VALUES = 1 << 2, TYPE_MANAGED_DICT = 1 << 4 };

static bool read_ptr(const struct py_peek *p, uint64_t addr, uint64_t *ret)
{
	struct err *err = mem_ptr(p->mem, addr, ret);
	err_drop(err);
	return !err;
}

static bool load(const struct py_peek *p, uint64_t addr, size_t size, struct obj *ret)
{
	struct err *err = addr % 8 ? NULL : obj_load(p->mem, addr, size, ret);
	err_drop(err);
	return !err && addr % 8 == 0;
}

/* ---- dicts ---- */

/* How many bytes the indices take before the entries; 0: that can't be. */
static uint64_t index_bytes(const struct py_offsets *off, struct obj *keys)
{
	if (off->keys.size == PY_NONE) {
		uint64_t log2 = py_field(keys, off->keys.log2_index_bytes, 1);
		return log2 > 32 ? 0 : 1ull << log2;
	}
	uint64_t size = obj_uint(keys, off->keys.size, 8);
	if (size > 2ul * ENTRIES_MAX)
		return 0;
	return size <= 0xff ? size : size <= 0xffff ? size * 2 : size * 4;
}

static bool open_keys(const struct py_peek *p, uint64_t addr, uint64_t values, struct py_dict *ret)
{
	const struct py_offsets *off = p->off;
	struct obj o;
	if (!load(p, addr, off->keys.indices, &o))
		return false;
	uint64_t indices = index_bytes(off, &o);
	uint64_t kind = py_field(&o, off->keys.kind, 1);
	uint64_t n = py_field(&o, off->keys.nentries, 8);
	if (!indices || kind > KEYS_SPLIT || n > ENTRIES_MAX || o.bad)
		return false;
	uint64_t first = off->values.values == PY_NONE ? 0 : off->values.values;
	*ret = (struct py_dict){
		.keys = addr,
		.entries = addr + off->keys.indices + indices,
		.values = values ? values + first : 0,
		.stride = kind == KEYS_GENERAL ? 24 : 16,
		.key_at = kind == KEYS_GENERAL ? 8 : 0,
		.n = n,
	};
	return true;
}

bool py_dict_open(const struct py_peek *p, uint64_t addr, struct py_dict *ret)
{
	const struct py_offsets *off = p->off;
	struct obj o;
	return off->keys.indices != PY_NONE && load(p, addr, off->dict.values + 8ul, &o) &&
	       open_keys(p, obj_uint(&o, off->dict.keys, 8), obj_uint(&o, off->dict.values, 8),
			 ret);
}

bool py_dict_entry(const struct py_peek *p, const struct py_dict *d, size_t i, uint64_t *key,
		   uint64_t *value)
{
	uint64_t at = d->entries + i * d->stride + d->key_at;
	return read_ptr(p, at, key) && read_ptr(p, d->values ? d->values + 8 * i : at + 8, value);
}

/* Whether the str object at @addr says @text, which is ASCII. */
static bool is_str(const struct py_peek *p, uint64_t addr, const char *text)
{
	struct obj o;
	size_t len = strlen(text), head = p->off->str.ascii_size;
	return addr && load(p, addr, head + len, &o) &&
	       obj_uint(&o, p->off->str.length, 8) == len && memcmp(o.data + head, text, len) == 0;
}

bool py_dict_find(const struct py_peek *p, const struct py_dict *d, const char *text,
		  struct py_lookup *memo, uint64_t *ret)
{
	uint64_t key;
	bool same = memo->keys == d->keys;
	if (same && memo->found && memo->index < d->n &&
	    py_dict_entry(p, d, memo->index, &key, ret) && is_str(p, key, text))
		return *ret != 0;
	if (same && !memo->found && memo->n == d->n)
		return false;
	*memo = (struct py_lookup){ .keys = d->keys, .n = d->n };
	for (size_t i = 0; i < d->n && !memo->found; i++) {
		memo->index = i;
		memo->found = py_dict_entry(p, d, i, &key, ret) && is_str(p, key, text);
	}
	return memo->found && *ret;
}

/* ---- attributes ---- */

/* A pointer to the dict lies in the object, from its end where its size varies. */
static bool open_own_dict(const struct py_peek *p, uint64_t object, uint64_t type,
			  struct py_dict *ret)
{
	uint64_t at, dict;
	return p->off->type.dictoffset != PY_NONE &&
	       read_ptr(p, type + p->off->type.dictoffset, &at) && (int64_t)at > 0 &&
	       read_ptr(p, object + at, &dict) && py_dict_open(p, dict, ret);
}

static bool open_managed(const struct py_peek *p, uint64_t object, uint64_t type, uint64_t flags,
			 struct py_dict *ret)
{
	const struct py_offsets *off = p->off;
	uint64_t keys, word, values = 0;
	if (!(flags & TYPE_MANAGED_DICT) || !read_ptr(p, object - off->managed_dict, &word))
		return false;
	switch (off->attrs) {
	case PY_ATTRS_PAIR:
		if (!read_ptr(p, object - 32, &values))
			return false;
		break;
	case PY_ATTRS_TAGGED:
		values = word & 1 ? word + 1 : 0;
		break;
	default:
		if (!word && flags & TYPE_INLINE_VALUES &&
		    read_ptr(p, type + off->type.basicsize, &values))
			values += object;
	}
	if (!values)
		return py_dict_open(p, word, ret);
	return read_ptr(p, type + off->type.cached_keys, &keys) && open_keys(p, keys, values, ret);
}

bool py_dict_open_attributes(const struct py_peek *p, uint64_t object, struct py_dict *ret)
{
	uint64_t type, flags;
	if (!read_ptr(p, object + p->off->object.type, &type) ||
	    !read_ptr(p, type + p->off->type.flags, &flags))
		return false;
	return p->off->attrs == PY_ATTRS_DICT ? open_own_dict(p, object, type, ret)
					      : open_managed(p, object, type, flags, ret);
}

/* ---- numbers ---- */

bool py_peek_int(const struct py_peek *p, uint64_t addr, uint64_t *ret)
{
	const struct py_offsets *off = p->off;
	struct obj o;
	if (!load(p, addr, off->integer.digits + 12ul, &o))
		return false;
	uint64_t n = obj_uint(&o, off->integer.tag, 8) >> off->int_shift;
	*ret = 0;
	for (uint32_t i = 0; i < n && n <= 3; i++)
		*ret |= obj_uint(&o, off->integer.digits + 4 * i, 4) << 30 * i;
	return n >= 1 && n <= 3;
}

uint32_t py_peek_version(const struct py_peek *p, uint64_t interp)
{
	struct py_lookup memo = { 0 };
	struct py_dict sys;
	uint64_t addr, version;
	if (p->off->interp.sysdict == PY_NONE ||
	    !read_ptr(p, interp + p->off->interp.sysdict, &addr) || !addr ||
	    !py_dict_open(p, addr, &sys) || !py_dict_find(p, &sys, "hexversion", &memo, &addr) ||
	    !py_peek_int(p, addr, &version) || version >> 24 != 3)
		return 0;
	return (uint32_t)version;
}
