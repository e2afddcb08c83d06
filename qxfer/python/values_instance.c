/* SPDX-License-Identifier: MIT */
/*
 * Instances of classes: attributes in slots, in dicts, and in values that belong
 * to no dict yet.  Include/internal/pycore_object.h, Objects/typeobject.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define MRO_MAX	  200u
#define SLOTS_MAX 1000u

/* PyMemberDef { name 0, type 8, offset 16, ... } */
#define MEMBER_SIZE 40u
#define T_OBJECT    6u
#define T_OBJECT_EX 16u

/* ---- slots ---- */

struct slots {
	uint64_t mro, ntypes, type_i;
	const struct py_type *type; /* the current one, lent */
	uint64_t members, n, i;
};

static struct err *slots_open(struct py_values *v, const struct py_type *t, struct slots *s)
{
	*s = (struct slots){ .mro = t->mro };
	return t->mro ? val_word(v, t->mro, v->off->object.var_size, &s->ntypes) : NULL;
}

/* The members that the next class of the MRO declares. */
static struct err *next_type(struct py_values *v, struct slots *s)
{
	uint64_t type;
	const struct py_type *t;
	struct err *err = val_word(v, s->mro + 8 * s->type_i++, v->lay.tuple.items, &type);
	if (!err)
		err = val_type(v, type, &t);
	if (err)
		return err;
	bool declared = t->flags & TYPE_HEAP && !(t->flags & TYPE_IMMUTABLE) && t->members;
	s->type = t;
	s->members = t->members;
	s->n = declared && t->nmembers > 0 ? (uint64_t)t->nmembers : 0;
	s->i = 0;
	if (s->n > SLOTS_MAX)
		s->n = SLOTS_MAX;
	return NULL;
}

/* The next slot; *name is 0 behind the last. */
static struct err *slots_next(struct py_values *v, struct slots *s, uint64_t *name,
			      uint64_t *offset)
{
	*name = 0;
	for (;;) {
		while (s->i >= s->n) {
			if (s->type_i >= s->ntypes || s->type_i >= MRO_MAX)
				return NULL;
			struct err *err = next_type(v, s);
			if (err)
				return err;
		}
		uint64_t def[3];
		struct err *err = val_read(v, s->members + MEMBER_SIZE * s->i++, def, sizeof(def));
		if (err)
			return err;
		uint32_t kind = (uint32_t)def[1];
		if (!def[0]) {
			s->i = s->n; /* the list ends early */
		} else if ((kind == T_OBJECT || kind == T_OBJECT_EX) && def[2] < 1u << 20) {
			*name = def[0];
			*offset = def[2];
			return NULL;
		}
	}
}

/* ---- dicts ---- */

static struct err *cached_keys(struct py_values *v, const struct py_type *t, uint64_t *ret)
{
	if (!(t->flags & TYPE_HEAP))
		return err_new(ERR_BAD_DATA, "%s keeps no keys", t->name);
	return val_word(v, t->addr, v->lay.heap_type.cached_keys, ret);
}

/* Where a type with a managed dict has its instance's dict, or the values of one. */
static struct err *find_managed(struct py_values *v, uint64_t addr, const struct py_type *t,
				uint64_t *dict, uint64_t *values)
{
	uint64_t word;
	uint8_t head[4];
	struct err *err = val_word(v, addr - v->off->managed_dict, 0, &word);
	*dict = *values = 0;
	if (err)
		return err;
	switch (v->lay.attrs) {
	case PY_ATTRS_PAIR:
		*dict = word;
		return word ? NULL : val_word(v, addr - 32, 0, values);
	case PY_ATTRS_TAGGED:
		*dict = word & 1 ? 0 : word;
		*values = word & 1 ? word + 1 : 0;
		return NULL;
	default:
		*dict = word;
		if (word || !(t->flags & TYPE_INLINE_VALUES))
			return NULL;
		err = val_read(v, addr + (uint64_t)t->basicsize, head, sizeof(head));
		if (!err && head[3]) /* valid */
			*values = addr + (uint64_t)t->basicsize;
		return err;
	}
}

/* _PyObject_ComputedDictPointer() */
static struct err *find_unmanaged(struct py_values *v, uint64_t addr, const struct py_type *t,
				  uint64_t *dict)
{
	int64_t at = t->dictoffset, n = 0;
	if (at < 0) {
		uint64_t word;
		struct err *err = val_word(v, addr, v->off->object.var_size, &word);
		if (err)
			return err;
		n = (int64_t)word < 0 ? -(int64_t)word : (int64_t)word;
		if (n < 0 || n > 1ll << 40 || t->itemsize < 0 || t->itemsize > 1 << 16)
			return err_new(ERR_BAD_DATA, "no %s at 0x%" PRIx64, t->name, addr);
		at += (t->basicsize + n * t->itemsize + 7) & ~7ll;
	}
	return val_word(v, addr + (uint64_t)at, 0, dict);
}

struct err *val_attrs_open(struct py_values *v, uint64_t addr, const struct py_type *t,
			   struct val_dict *ret, bool *has)
{
	uint64_t dict = 0, values = 0, keys = 0;
	struct err *err = NULL;
	*has = false;
	if (t->flags & TYPE_MANAGED_DICT)
		err = find_managed(v, addr, t, &dict, &values);
	else if (t->dictoffset)
		err = find_unmanaged(v, addr, t, &dict);
	if (!err && dict && !val_is(v, dict, "dict"))
		err = err_new(ERR_BAD_DATA, "no dict at 0x%" PRIx64, dict);
	if (!err && dict)
		err = val_dict_open(v, dict, ret);
	else if (!err && values)
		err = cached_keys(v, t, &keys);
	if (!err && !dict && values)
		err = val_split_open(v, keys, values, ret);
	*has = !err && (dict || values);
	return err;
}

/* ---- one attribute ---- */

static struct err *slot_is(struct py_values *v, uint64_t at, const char *name, bool *ret)
{
	char text[64];
	size_t len = strlen(name) + 1;
	*ret = false;
	if (len > sizeof(text))
		return NULL;
	struct err *err = val_read(v, at, text, len);
	*ret = !err && memcmp(text, name, len) == 0;
	if (err)
		err_drop(err); /* a shorter name at the end of its page */
	return NULL;
}

static struct err *find_slot(struct py_values *v, uint64_t addr, const struct py_type *t,
			     const char *name, uint64_t *ret)
{
	struct slots s;
	uint64_t at, offset;
	bool is = false;
	struct err *err = slots_open(v, t, &s);
	while (!err) {
		err = slots_next(v, &s, &at, &offset);
		if (err || !at)
			return err;
		err = slot_is(v, at, name, &is);
		if (!err && is)
			return val_word(v, addr + offset, 0, ret);
	}
	return err;
}

struct err *val_attr(struct py_values *v, uint64_t addr, const struct py_type *t, const char *name,
		     uint64_t *ret)
{
	struct val_dict d;
	uint64_t key = 1, value;
	bool has;
	*ret = 0;
	struct err *err = find_slot(v, addr, t, name, ret);
	if (err || *ret)
		return err;
	err = val_attrs_open(v, addr, t, &d, &has);
	while (!err && has && key) {
		err = val_dict_next(v, &d, &key, &value);
		if (!err && key && val_str_is(v, key, name)) {
			*ret = value;
			return NULL;
		}
	}
	return err;
}

/* ---- all of them ---- */

static bool begin_attr(struct py_values *v, size_t *n)
{
	if (!*n)
		buf_puts(v->out, "(");
	return val_item(v, (*n)++);
}

static struct err *put_slots(struct py_values *v, uint64_t addr, const struct py_type *t, size_t *n)
{
	struct slots s;
	uint64_t name, offset, value;
	struct err *err = slots_open(v, t, &s);
	while (!err) {
		err = slots_next(v, &s, &name, &offset);
		if (err || !name)
			return err;
		err = val_word(v, addr + offset, 0, &value);
		if (err || !value)
			continue; /* never set, or deleted */
		if (!begin_attr(v, n))
			return NULL;
		size_t start = v->out->len;
		err = val_put_member_name(v, s.type, s.members + MEMBER_SIZE * (s.i - 1));
		if (err) {
			v->out->len = start;
			buf_puts(v->out, "?");
			err_drop(err);
			err = NULL;
		}
		buf_puts(v->out, "=");
		val_put(v, value);
	}
	return err;
}

static struct err *put_dict(struct py_values *v, uint64_t addr, const struct py_type *t, size_t *n)
{
	struct val_dict d;
	uint64_t key, value;
	bool has;
	struct err *err = val_attrs_open(v, addr, t, &d, &has);
	while (!err && has) {
		err = val_dict_next(v, &d, &key, &value);
		if (err || !key || !begin_attr(v, n))
			return err;
		err = val_put_str(v, key);
		buf_puts(v->out, "=");
		if (!err)
			val_put(v, value);
	}
	return err;
}

/* "(a=1, b=2)", or nothing; what could be read of them stays. */
static size_t put_attrs(struct py_values *v, uint64_t addr, const struct py_type *t, size_t n)
{
	struct err *err = put_slots(v, addr, t, &n);
	if (!err)
		err = put_dict(v, addr, t, &n);
	if (err) {
		buf_puts(v->out, n ? ", <corrupt: " : "(<corrupt: ");
		py_text_put_bytes(v->out, (const uint8_t *)err->msg, strlen(err->msg));
		buf_puts(v->out, ">");
		n++;
		err_drop(err);
	}
	if (n)
		buf_puts(v->out, ")");
	return n;
}

static void put_end(struct py_values *v, uint64_t addr)
{
	buf_puts(v->out, " at ");
	val_address(v, addr);
	buf_puts(v->out, ">");
}

/* Attributes as Name(a=1), or if there are none object_repr()'s words. */
struct err *val_show_object(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	if (!v->plain && put_attrs(v, addr, t, 0)) {
		put_end(v, addr);
		return NULL;
	}
	v->out->len = start;
	buf_puts(v->out, "<");
	struct err *err = val_put_type_name(v, t);
	buf_puts(v->out, " object");
	put_end(v, addr);
	return err;
}

/* Of a class whose repr() nobody knows: the value it inherits, and its attributes. */
struct err *val_show_instance(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t n = 0;
	bool value = t->kind && t->kind->show != val_show_object &&
		     t->kind->show != val_show_type && t->kind->show != val_show_ordered_dict;
	if (v->plain || (t->kind && t->kind->show == val_show_type))
		return val_put_opaque(v, addr, t);
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	if (value) {
		size_t start;
		n = 1;
		buf_puts(v->out, "(");
		start = v->out->len;
		struct err *err = t->kind->show(v, addr, t);
		if (err) { /* the attributes may be well */
			v->out->len = start;
			buf_puts(v->out, "...");
			err_drop(err);
		}
	}
	put_attrs(v, addr, t, n);
	put_end(v, addr);
	return NULL;
}
