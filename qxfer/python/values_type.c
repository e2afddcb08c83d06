/* SPDX-License-Identifier: MIT */
/*
 * Types: which of CPython's own a type is or inherits from, and whether what it
 * inherits includes the repr().  Include/cpython/object.h, Objects/typeobject.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"

#define NAME_MAX_BYTES 1000u
#define BASES_MAX      64u
#define MRO_MAX	       200u
/* What resolving one type may cost, and what of that is charged to the value. */
#define TYPE_READS     4000u
#define TYPE_DISCOUNT  8u

/*
 * Only C code can make a type that is static, or immutable, or whose name has a module
 * in front that __name__ has not.
 */
static bool is_made_by_c(struct py_values *v, const struct py_type *t)
{
	uint64_t name;
	if (!(t->flags & TYPE_HEAP) || t->flags & TYPE_IMMUTABLE)
		return true;
	if (t->name == t->tp_name || v->lay.heap_type.qualname == PY_NONE)
		return false;
	/* ht_name, ht_slots, ht_qualname */
	struct err *err = val_word(v, t->addr - 16, v->lay.heap_type.qualname, &name);
	err_drop(err);
	return !err && val_str_is(v, name, t->name);
}

static const struct val_kind *find_kind(struct py_values *v, const struct py_type *t)
{
	if (!is_made_by_c(v, t))
		return NULL;
	for (size_t i = 0; i < val_nkinds; i++)
		if (strcmp(val_kinds[i].name, t->tp_name) == 0)
			return &val_kinds[i];
	return NULL;
}

static struct err *read_name(struct py_values *v, uint64_t name, struct py_type *t)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct err *err = py_text_cstr(v->mem, name, NAME_MAX_BYTES, &b);
	const char *text = err ? val_name_otherwise(v, t) : arena_strdup(&v->arena, b.data, b.len);
	size_t len = err ? strlen(text) : b.len;
	err_drop(err);
	if (!text || b.failed)
		return &err_nomem;
	/* One that is too long ends in dots of ours. */
	const char *dot = memrchr(text, '.', len <= NAME_MAX_BYTES ? len : len - 3);
	t->tp_name = text;
	t->name = dot ? dot + 1 : text;
	return NULL;
}

static uint64_t word(struct obj *o, uint32_t offset)
{
	return offset == PY_NONE ? 0 : obj_uint(o, offset, 8);
}

static struct err *read_type(struct py_values *v, uint64_t addr, struct py_type *t)
{
	struct obj o;
	if (v->lay.type.mro == PY_NONE || v->lay.type.flags == PY_NONE)
		return err_new(ERR_BAD_DATA, "the layout of types is not known");
	if (!addr || addr % 8)
		return err_new(ERR_BAD_DATA, "no type at 0x%" PRIx64, addr);
	struct err *err = val_load(v, addr, v->lay.type.mro + 8, &o);
	if (err)
		return err;
	*t = (struct py_type){
		.addr = addr,
		.flags = word(&o, v->lay.type.flags),
		.repr = word(&o, v->lay.type.repr),
		.iter = word(&o, v->lay.type.iter),
		.members = word(&o, v->lay.type.members),
		.base = word(&o, v->lay.type.base),
		.dict = word(&o, v->lay.type.dict),
		.mro = word(&o, v->lay.type.mro),
		.basicsize = (int64_t)word(&o, v->lay.type.basicsize),
		.itemsize = (int64_t)word(&o, v->lay.type.itemsize),
		.dictoffset = (int64_t)word(&o, v->lay.type.dictoffset),
		.nmembers = (int64_t)word(&o, v->off->object.var_size),
	};
	if (o.bad || !(t->flags & TYPE_READY) || t->basicsize < 16 || t->basicsize > 1 << 20)
		return err_new(ERR_BAD_DATA, "no type at 0x%" PRIx64, addr);
	/* The type of a type is a class of type. */
	uint64_t meta = word(&o, v->off->object.type), flags = 0;
	err = meta % 8 || !meta ? NULL : val_word(v, meta, v->lay.type.flags, &flags);
	if (err)
		return err;
	if (!(flags & TYPE_TYPE))
		return err_new(ERR_BAD_DATA, "no type at 0x%" PRIx64, addr);
	return read_name(v, word(&o, v->off->type.name), t);
}

/*
 * Finds the nearest base that is known, and what is inherited from it.  A type that has
 * its repr() from a base, in this version, is shown as that base is.
 */
static struct err *classify(struct py_values *v, struct py_type *t)
{
	struct py_type at = *t;
	uint64_t repr = 0, iter = 0;
	for (unsigned int i = 0; i < BASES_MAX; i++) {
		const struct val_kind *kind = find_kind(v, &at);
		bool root = !at.base;
		if (kind && (!t->kind || (at.repr == repr && (root || at.iter == iter)))) {
			t->kind = kind;
			repr = at.repr;
			iter = at.iter;
			t->exact = i == 0;
			t->own_repr = t->repr != repr || (kind->iterates && t->iter != at.iter);
		}
		if (root)
			return NULL;
		struct err *err = read_type(v, at.base, &at);
		if (err)
			return err;
	}
	return err_new(ERR_BAD_DATA, "the bases of the type at 0x%" PRIx64 " do not end", t->addr);
}

/* A tuple of C's with names for its items: time.struct_time, os.stat_result. */
static bool is_struct_sequence(struct py_values *v, const struct py_type *t)
{
	return t->kind && t->own_repr && t->members && strcmp(t->kind->name, "tuple") == 0 &&
	       is_made_by_c(v, t);
}

/* ---- the memo ---- */

static size_t slot_of(const struct py_values *v, uint64_t addr)
{
	return (size_t)((addr * 0x9e3779b97f4a7c15ull) >> 32) & (v->types_cap - 1);
}

static void insert(struct py_values *v, struct py_type *t)
{
	size_t i = slot_of(v, t->addr);
	while (v->types[i])
		i = (i + 1) & (v->types_cap - 1);
	v->types[i] = t;
}

static struct err *make_room(struct py_values *v)
{
	struct py_type **old = v->types;
	size_t n = v->types_cap;
	if (v->ntypes * 2 < n)
		return NULL;
	struct py_type **types = calloc(n ? n * 2 : 64, sizeof(struct py_type *));
	if (!types)
		return &err_nomem;
	v->types = types;
	v->types_cap = n ? n * 2 : 64;
	for (size_t i = 0; i < n; i++)
		if (old[i])
			insert(v, old[i]);
	free((void *)old);
	return NULL;
}

static struct err *add_type(struct py_values *v, uint64_t addr, struct py_type **ret)
{
	struct py_type t;
	struct err *err = read_type(v, addr, &t);
	if (!err)
		err = classify(v, &t);
	if (!err)
		err = make_room(v);
	if (err)
		return err;
	struct py_type *kept = arena_alloc(&v->arena, sizeof(*kept));
	if (!kept)
		return &err_nomem;
	*kept = t;
	insert(v, kept);
	v->ntypes++;
	if (is_struct_sequence(v, kept))
		kept->recipe = val_show_struct_sequence;
	/* Garbage may lead from type to type to type. */
	if (!kept->recipe && (!kept->kind || kept->own_repr) && kept->flags & TYPE_HEAP &&
	    v->resolving < 2) {
		v->resolving++;
		err = val_recipe_find(v, kept, &kept->recipe, &kept->cycle);
		err_drop(err); /* without a recipe the attributes are shown */
		v->resolving--;
	}
	*ret = kept;
	return NULL;
}

struct err *val_type(struct py_values *v, uint64_t type, const struct py_type **ret)
{
	for (size_t i = v->types_cap ? slot_of(v, type) : 0; v->types_cap && v->types[i];
	     i = (i + 1) & (v->types_cap - 1)) {
		if (v->types[i]->addr != type)
			continue;
		*ret = v->types[i];
		return NULL;
	}
	struct py_type *t = NULL;
	uint32_t reads = v->reads;
	if (!reads)
		return err_new(ERR_BAD_DATA, "more reads than are allowed for one value");
	v->reads = TYPE_READS;
	struct err *err = add_type(v, type, &t);
	uint32_t cost = 1 + (TYPE_READS - v->reads) / TYPE_DISCOUNT;
	v->reads = reads > cost ? reads - cost : 0;
	if (!err)
		*ret = t;
	return err;
}

struct err *val_type_of(struct py_values *v, uint64_t addr, const struct py_type **ret)
{
	uint64_t type;
	struct err *err = val_word(v, addr, v->off->object.type, &type);
	return err ? err : val_type(v, type, ret);
}

bool val_is(struct py_values *v, uint64_t addr, const char *name)
{
	const struct py_type *t;
	if (!addr || addr % 8)
		return false;
	struct err *err = val_type_of(v, addr, &t);
	bool is = !err && t->kind && strcmp(t->kind->name, name) == 0;
	err_drop(err);
	return is;
}

bool val_is_exactly(struct py_values *v, uint64_t addr, const char *name)
{
	const struct py_type *t;
	if (!val_is(v, addr, name))
		return false;
	struct err *err = val_type_of(v, addr, &t);
	bool exact = !err && t->exact;
	err_drop(err);
	return exact;
}

/* ---- attributes of classes ---- */

struct err *val_own_attr(struct py_values *v, uint64_t type, const char *name, uint64_t *ret)
{
	*ret = 0;
	struct obj o;
	struct err *err = val_load(v, type, v->lay.type.mro + 8, &o);
	if (err)
		return err;
	/* From 3.12 on the dicts of CPython's own static types are elsewhere. */
	uint64_t dict = word(&o, v->lay.type.dict);
	if (!(word(&o, v->lay.type.flags) & TYPE_HEAP) || !dict)
		return NULL;
	return val_dict_find(v, dict, name, ret);
}

struct err *val_class_attr(struct py_values *v, const struct py_type *t, const char *name,
			   uint64_t *ret, uint64_t *owner)
{
	uint64_t n, type = 0;
	*ret = 0;
	if (!t->mro)
		return NULL;
	struct err *err = val_word(v, t->mro, v->off->object.var_size, &n);
	for (uint64_t i = 0; !err && !*ret && i < n && i < MRO_MAX; i++) {
		err = val_word(v, t->mro + 8 * i, v->lay.tuple.items, &type);
		if (!err)
			err = val_own_attr(v, type, name, ret);
	}
	if (owner)
		*owner = type;
	return err;
}

struct err *val_put_qualname(struct py_values *v, const struct py_type *t)
{
	uint64_t qualname;
	if (!(t->flags & TYPE_HEAP)) {
		buf_puts(v->out, t->name);
		return NULL;
	}
	struct err *err = val_word(v, t->addr, v->lay.heap_type.qualname, &qualname);
	return err ? err : val_put_str(v, qualname);
}

/* type_repr(), Objects/typeobject.c */
struct err *val_put_type_name(struct py_values *v, const struct py_type *t)
{
	uint64_t module = 0;
	if (!(t->flags & TYPE_HEAP)) {
		buf_puts(v->out, t->tp_name);
		return NULL;
	}
	struct err *err = val_own_attr(v, t->addr, "__module__", &module);
	if (err)
		return err;
	if (!module || !val_is(v, module, "str") || val_str_is(v, module, "builtins")) {
		buf_puts(v->out, t->tp_name);
		return NULL;
	}
	err = val_put_str(v, module);
	buf_puts(v->out, ".");
	return err ? err : val_put_qualname(v, t);
}
