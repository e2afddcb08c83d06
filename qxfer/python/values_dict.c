/* SPDX-License-Identifier: MIT */
/*
 * Dicts, with keys of their own or shared, in the order in which they iterate.
 * Objects/dictobject.c, Objects/dict-common.h (to 3.10), Include/internal/pycore_dict.h
 * (3.11 to 3.15).
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

enum { KEYS_GENERAL, KEYS_UNICODE, KEYS_SPLIT };

#define LOG2_MAX   40u	/* of a table that memory can hold */
#define SHARED_MAX 256u /* values of a split dict; SHARED_KEYS_MAX_SIZE is 30 */
#define PROBES_MAX 20000u

static struct err *bad_dict(uint64_t addr)
{
	return err_new(ERR_BAD_DATA, "no dict keys at 0x%" PRIx64, addr);
}

/* To 3.10: a table of any power of two with indices as narrow as will do. */
static struct err *open_keys_by_size(struct py_values *v, struct obj *o, struct val_dict *d)
{
	uint64_t size = obj_uint(o, v->lay.keys.size, 8);
	unsigned int width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= UINT32_MAX ? 4 : 8;
	*d = (struct val_dict){
		.keys = o->addr,
		.n = obj_uint(o, v->lay.keys.nentries, 8),
		.entries = o->addr + v->lay.keys.indices + size * width,
		.entry_size = 24,
	};
	if (o->bad || !size || size & (size - 1) || size > 1ull << LOG2_MAX || d->n > size)
		return bad_dict(o->addr);
	return NULL;
}

static struct err *open_keys(struct py_values *v, uint64_t keys, struct val_dict *d)
{
	struct obj o;
	if (v->lay.keys.indices == PY_NONE)
		return err_new(ERR_BAD_DATA, "the layout of dicts is not known");
	if (!keys || keys % 8)
		return bad_dict(keys);
	struct err *err = val_load(v, keys, v->lay.keys.indices, &o);
	if (err)
		return err;
	if (v->lay.keys.size != PY_NONE)
		return open_keys_by_size(v, &o, d);
	unsigned int size = (unsigned int)obj_uint(&o, v->lay.keys.log2_size, 1);
	unsigned int index = (unsigned int)obj_uint(&o, v->lay.keys.log2_index, 1);
	unsigned int kind = (unsigned int)obj_uint(&o, v->lay.keys.kind, 1);
	*d = (struct val_dict){
		.keys = keys,
		.n = obj_uint(&o, v->lay.keys.nentries, 8),
		.entries = keys + v->lay.keys.indices + (1ull << (index & 63)),
		.entry_size = kind == KEYS_GENERAL ? 24 : 16,
	};
	if (o.bad || size > LOG2_MAX || index > LOG2_MAX + 3 || index < size || kind > KEYS_SPLIT ||
	    d->n > 1ull << size)
		return bad_dict(keys);
	return NULL;
}

/* Which of the shared keys have a value, in the order they got it. */
static struct err *read_order(struct py_values *v, struct val_dict *d)
{
	uint8_t head[4];
	if (v->lay.split == PY_SPLIT_PLAIN) { /* the others have NULL for a value */
		if (d->n > SHARED_MAX)
			return bad_dict(d->keys);
		for (uint64_t i = 0; i < d->n; i++)
			d->order[i] = (uint8_t)i;
		return NULL;
	}
	bool before = v->lay.split == PY_SPLIT_BEFORE;
	struct err *err = val_read(v, d->values - (before ? 4 : 0), head, sizeof(head));
	if (err)
		return err;
	uint64_t order, n = before ? head[2] : head[1];
	if (before) {
		order = d->values - 2 - n; /* backwards: the latest comes first */
	} else {
		order = d->values + 8 + 8ull * head[0];
		d->values += 8;
	}
	if (n > d->n || n > SHARED_MAX)
		return err_new(ERR_BAD_DATA, "no dict values at 0x%" PRIx64, d->values);
	err = val_read(v, order, d->order, n);
	for (uint64_t i = 0; before && i < n / 2; i++) {
		uint8_t swap = d->order[i];
		d->order[i] = d->order[n - 1 - i];
		d->order[n - 1 - i] = swap;
	}
	for (uint64_t i = 0; !err && i < n; i++)
		if (d->order[i] >= d->n)
			err = err_new(ERR_BAD_DATA, "no dict values at 0x%" PRIx64, d->values);
	d->n = n;
	return err;
}

struct err *val_split_open(struct py_values *v, uint64_t keys, uint64_t values,
			   struct val_dict *ret)
{
	struct err *err = open_keys(v, keys, ret);
	ret->values = values;
	if (err || !values)
		return err;
	return values % 8 ? bad_dict(values) : read_order(v, ret);
}

struct err *val_dict_open(struct py_values *v, uint64_t addr, struct val_dict *ret)
{
	uint64_t keys, values;
	*ret = (struct val_dict){ 0 };
	struct err *err = val_word(v, addr, v->lay.dict.keys, &keys);
	if (!err)
		err = val_word(v, addr, v->lay.dict.values, &values);
	if (!err)
		err = val_split_open(v, keys, values, ret);
	ret->object = addr;
	return err;
}

struct err *val_dict_next(struct py_values *v, struct val_dict *d, uint64_t *key, uint64_t *value)
{
	*key = *value = 0;
	while (d->i < d->n) {
		uint64_t entry[3] = { 0 };
		uint64_t i = d->values ? d->order[d->i] : d->i;
		d->i++;
		struct err *err = val_read(v, d->entries + i * d->entry_size, entry, d->entry_size);
		if (err)
			return err;
		bool general = d->entry_size == 24;
		*key = entry[general];
		*value = entry[general + 1];
		if (d->values) {
			err = val_read(v, d->values + 8 * i, value, 8);
			if (err)
				return err;
		}
		if (*key && *value)
			return NULL;
	}
	*key = *value = 0;
	return NULL;
}

struct err *val_dict_find(struct py_values *v, uint64_t dict, const char *name, uint64_t *ret)
{
	struct val_dict d;
	uint64_t key, value;
	*ret = 0;
	struct err *err = val_dict_open(v, dict, &d);
	for (uint32_t i = 0; !err && i < PROBES_MAX; i++) {
		err = val_dict_next(v, &d, &key, &value);
		if (err || !key)
			return err;
		if (val_str_is(v, key, name)) {
			*ret = value;
			return NULL;
		}
	}
	return err;
}

/* ---- what repr() makes of it ---- */

static struct err *put_items(struct py_values *v, uint64_t addr)
{
	struct val_dict d;
	uint64_t key, value;
	struct err *err = val_dict_open(v, addr, &d);
	if (err)
		return err;
	buf_puts(v->out, "{");
	for (size_t i = 0;; i++) {
		err = val_dict_next(v, &d, &key, &value);
		if (err)
			return err;
		if (!key || !val_item(v, i))
			break;
		val_put(v, key);
		buf_puts(v->out, ": ");
		val_put(v, value);
	}
	buf_puts(v->out, "}");
	return NULL;
}

struct err *val_show_dict(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)t;
	return put_items(v, addr);
}

struct err *val_show_frozen_dict(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t used;
	struct err *err = val_word(v, addr, v->lay.dict.used, &used);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	err = used ? put_items(v, addr) : NULL;
	buf_puts(v->out, ")");
	return err;
}

struct err *val_show_defaultdict(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t factory;
	struct err *err = val_word(v, addr, v->lay.defaultdict.factory, &factory);
	if (err)
		return err;
	buf_puts(v->out, v->lay.plain_names ? "defaultdict" : t->name);
	buf_puts(v->out, "(");
	if (factory)
		val_put(v, factory);
	else
		buf_puts(v->out, "None");
	buf_puts(v->out, ", ");
	err = put_items(v, addr);
	buf_puts(v->out, ")");
	return err;
}

static struct err *find_by_identity(struct py_values *v, uint64_t dict, uint64_t key, uint64_t *ret)
{
	struct val_dict d;
	uint64_t at, value;
	struct err *err = val_dict_open(v, dict, &d);
	while (!err) {
		err = val_dict_next(v, &d, &at, &value);
		if (!err && !at)
			return err_new(ERR_BAD_DATA, "an OrderedDict's key is not in it");
		if (!err && at == key) {
			*ret = value;
			return NULL;
		}
	}
	return err;
}

struct err *val_items_open(struct py_values *v, uint64_t dict, bool ordered, struct val_items *ret)
{
	*ret = (struct val_items){ .dict = dict, .ordered = ordered };
	if (!ordered)
		return val_dict_open(v, dict, &ret->d);
	if (!val_is(v, dict, "collections.OrderedDict"))
		return err_new(ERR_BAD_DATA, "no OrderedDict at 0x%" PRIx64, dict);
	return val_word(v, dict, v->lay.odict.first, &ret->node);
}

/* The order is that of a list beside the dict: struct _odictnode { key, hash, next, prev }. */
struct err *val_items_next(struct py_values *v, struct val_items *it, uint64_t *key,
			   uint64_t *value)
{
	uint64_t n[3];
	if (!it->ordered)
		return val_dict_next(v, &it->d, key, value);
	*key = *value = 0;
	if (!it->node)
		return NULL;
	struct err *err = val_read(v, it->node, n, sizeof(n));
	if (!err)
		err = find_by_identity(v, it->dict, n[0], value);
	if (err)
		return err;
	*key = n[0];
	it->node = n[2];
	return NULL;
}

static struct err *put_ordered(struct py_values *v, uint64_t addr)
{
	bool pairs = v->lay.odict_pairs;
	uint64_t key, value;
	struct val_items it;
	struct err *err = val_items_open(v, addr, true, &it);
	buf_puts(v->out, pairs ? "([" : "({");
	for (size_t i = 0; !err; i++) {
		err = val_items_next(v, &it, &key, &value);
		if (err || !key || !val_item(v, i))
			break;
		buf_puts(v->out, pairs ? "(" : "");
		val_put(v, key);
		buf_puts(v->out, pairs ? ", " : ": ");
		val_put(v, value);
		buf_puts(v->out, pairs ? ")" : "");
	}
	buf_puts(v->out, pairs ? "])" : "})");
	return err;
}

struct err *val_show_ordered_dict(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t node;
	/* A class of it may have its own items(). */
	if (!t->exact)
		return val_show_instance(v, addr, t);
	struct err *err = val_word(v, addr, v->lay.odict.first, &node);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	if (node)
		return put_ordered(v, addr);
	buf_puts(v->out, "()");
	return NULL;
}

struct err *val_show_mapping_proxy(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t mapping;
	struct err *err = val_word(v, addr, v->lay.proxy.mapping, &mapping);
	if (err)
		return err;
	buf_puts(v->out, t->tp_name);
	buf_puts(v->out, "(");
	val_put(v, mapping);
	buf_puts(v->out, ")");
	return NULL;
}

/* _PyNamespaceObject { ob_base, ns_dict } */
struct err *val_show_namespace(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct val_dict d;
	uint64_t dict, key, value;
	struct err *err = val_word(v, addr, v->off->object.var_size, &dict);
	if (!err)
		err = val_dict_open(v, dict, &d);
	if (err)
		return err;
	buf_puts(v->out, t->exact ? "namespace" : t->name);
	buf_puts(v->out, "(");
	if (v->lay.namespace_sorted)
		return val_put_sorted(v, &d, NULL);
	for (size_t i = 0;; i++) {
		err = val_dict_next(v, &d, &key, &value);
		if (err)
			return err;
		if (!key || !val_item(v, i))
			break;
		err = val_put_str(v, key);
		if (err)
			return err;
		buf_puts(v->out, "=");
		val_put(v, value);
	}
	buf_puts(v->out, ")");
	return NULL;
}
