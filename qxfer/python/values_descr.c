/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, callables around other callables, weak references, and aliases of
 * types.  Objects/{descr,func,type,weakref,genericalias,union,typevar}object.c,
 * Modules/_functoolsmodule.c; their structures have been the same since 3.6, but
 * for what was appended to them.
 */
#include "qxfer/python/values_priv.h"

#include <string.h>

#define ARGS_MAX 1000u

static void put_at(struct py_values *v, uint64_t addr)
{
	buf_puts(v->out, " at ");
	val_address(v, addr);
}

/* tp_name of the type at @type. */
static struct err *put_tp_name(struct py_values *v, uint64_t type)
{
	const struct py_type *t;
	struct err *err = val_type(v, type, &t);
	if (!err)
		buf_puts(v->out, t->tp_name);
	return err;
}

static struct err *put_tp_name_of(struct py_values *v, uint64_t addr)
{
	const struct py_type *t;
	struct err *err = val_type_of(v, addr, &t);
	if (!err)
		buf_puts(v->out, t->tp_name);
	return err;
}

/* ---- descriptors: { head, d_type 0, d_name 8, d_qualname 16 } ---- */

static struct err *put_descr_name(struct py_values *v, uint64_t addr)
{
	uint64_t name;
	struct err *err = val_field(v, addr, 8, &name);
	if (err)
		return err;
	buf_puts(v->out, "'");
	err = val_put_str(v, name);
	buf_puts(v->out, "'");
	return err;
}

struct err *val_show_descr(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t type;
	const struct py_type *of;
	const char *word = "attribute"; /* getset_descriptor */
	if (strcmp(t->kind->name, "wrapper_descriptor") == 0)
		word = "slot wrapper";
	else if (strcmp(t->kind->name, "member_descriptor") == 0)
		word = "member";
	else if (t->kind->name[0] == 'm' || t->kind->name[0] == 'c')
		word = "method";
	buf_puts(v->out, "<");
	buf_puts(v->out, word);
	buf_puts(v->out, " ");
	struct err *err = put_descr_name(v, addr);
	if (!err)
		err = val_field(v, addr, 0, &type);
	if (!err)
		err = val_type(v, type, &of);
	if (err)
		return err;
	/* From 3.15 on what object has belongs to everything. */
	if (of->base || PY_MINOR(v->off->version_hex) < 0x030f) {
		buf_puts(v->out, " of '");
		buf_puts(v->out, of->tp_name);
		buf_puts(v->out, "' objects");
	}
	buf_puts(v->out, ">");
	return NULL;
}

/* { head, descr 0, self 8 } */
struct err *val_show_method_wrapper(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t descr, self;
	(void)t;
	struct err *err = val_field(v, addr, 0, &descr);
	if (!err)
		err = val_field(v, addr, 8, &self);
	if (err)
		return err;
	buf_puts(v->out, "<method-wrapper ");
	err = put_descr_name(v, descr);
	buf_puts(v->out, " of ");
	if (!err)
		err = put_tp_name_of(v, self);
	buf_puts(v->out, " object");
	put_at(v, self);
	buf_puts(v->out, ">");
	return err;
}

/* classmethod and staticmethod, since 3.10: { head, callable 0 } */
struct err *val_show_unbound(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t callable;
	struct err *err = val_field(v, addr, 0, &callable);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->kind->name);
	buf_puts(v->out, "(");
	val_put(v, callable);
	buf_puts(v->out, ")>");
	return NULL;
}

/* { head, type 0, obj 8, obj_type 16 } */
struct err *val_show_super(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t type, obj_type;
	(void)t;
	struct err *err = val_field(v, addr, 0, &type);
	if (!err)
		err = val_field(v, addr, 16, &obj_type);
	if (err)
		return err;
	buf_puts(v->out, "<super: <class '");
	if (type)
		err = put_tp_name(v, type);
	else
		buf_puts(v->out, "NULL");
	buf_puts(v->out, obj_type ? "'>, <" : "'>, NULL>");
	if (!err && obj_type)
		err = put_tp_name(v, obj_type);
	if (obj_type)
		buf_puts(v->out, " object>>");
	return err;
}

/* ---- functools.partial: { head, fn 0, args 8, kw 16 } ---- */

static struct err *put_partial_args(struct py_values *v, uint64_t args)
{
	uint64_t n, item;
	if (!val_is(v, args, "tuple"))
		return err_new(ERR_BAD_DATA, "a partial without arguments");
	struct err *err = val_word(v, args, v->off->object.var_size, &n);
	for (size_t i = 0; !err && i < n; i++) {
		if (!val_item(v, i + 1))
			return NULL;
		err = val_word(v, args + 8 * i, v->lay.tuple.items, &item);
		if (!err)
			val_put(v, item);
	}
	return err;
}

static struct err *put_partial_keywords(struct py_values *v, uint64_t kw)
{
	struct val_dict d;
	uint64_t key, value;
	if (!val_is(v, kw, "dict"))
		return err_new(ERR_BAD_DATA, "a partial without arguments");
	struct err *err = val_dict_open(v, kw, &d);
	for (size_t i = 1; !err; i++) {
		err = val_dict_next(v, &d, &key, &value);
		if (err || !key || !val_item(v, i))
			return err;
		err = val_put_str(v, key);
		buf_puts(v->out, "=");
		if (!err)
			val_put(v, value);
	}
	return err;
}

struct err *val_show_partial(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t fn, args, kw;
	struct err *err = val_field(v, addr, 0, &fn);
	if (!err)
		err = val_field(v, addr, 8, &args);
	if (!err)
		err = val_field(v, addr, 16, &kw);
	if (err)
		return err;
	/* 3.13 asks for the module and the name of the class, before it is tp_name. */
	if (t->exact || PY_MINOR(v->off->version_hex) < 0x030d)
		buf_puts(v->out, t->tp_name);
	else
		err = val_put_type_name(v, t);
	if (err)
		return err;
	buf_puts(v->out, "(");
	val_put(v, fn);
	err = put_partial_args(v, args);
	if (!err)
		err = put_partial_keywords(v, kw);
	buf_puts(v->out, ")");
	return err;
}

/* The object that stands for an argument to come, since 3.14. */
struct err *val_show_placeholder(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)addr;
	(void)t;
	buf_puts(v->out, "Placeholder");
	return NULL;
}

/* ---- weak references: { head, object 0 } ---- */

/* What the object has as __name__, which only functions and classes are sure to have. */
static struct err *put_referent_name(struct py_values *v, uint64_t obj, const struct py_type *t,
				     bool *known)
{
	uint64_t name = 0;
	struct err *err = NULL;
	*known = true;
	if (val_is(v, obj, "function")) {
		err = val_word(v, obj, v->lay.function.name, &name);
	} else if (t->flags & TYPE_TYPE || (t->kind && strcmp(t->kind->name, "type") == 0)) {
		const struct py_type *self;
		err = val_type(v, obj, &self);
		if (!err)
			buf_printf(v->out, " (%s)", self->name);
		return err;
	} else if (t->kind && strcmp(t->kind->name, "object") == 0 && t->flags & TYPE_HEAP) {
		uint64_t of_class;
		err = val_attr(v, obj, t, "__name__", &name);
		if (!err)
			err = val_class_attr(v, t, "__name__", &of_class, NULL);
		*known = !err && !name && !of_class;
		return err;
	} else {
		*known = t->kind && strcmp(t->kind->name, "set") == 0;
		return NULL;
	}
	if (err)
		return err;
	buf_puts(v->out, " (");
	err = val_put_str(v, name);
	buf_puts(v->out, ")");
	return err;
}

/* As %T of PyErr_Format() has it, from 3.13 on; before it was tp_name. */
static struct err *put_referent_type(struct py_values *v, const struct py_type *t)
{
	uint64_t module = 0;
	bool plain = PY_MINOR(v->off->version_hex) < 0x030d || !(t->flags & TYPE_HEAP);
	struct err *err = plain ? NULL : val_own_attr(v, t->addr, "__module__", &module);
	if (err || !plain) {
		if (!err && val_str_is(v, module, "__main__"))
			return val_put_qualname(v, t);
		return err ? err : val_put_type_name(v, t);
	}
	buf_puts(v->out, t->tp_name);
	return NULL;
}

struct err *val_show_weakref(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t obj;
	const struct py_type *type;
	bool known;
	struct err *err = val_field(v, addr, 0, &obj);
	if (err)
		return err;
	size_t start = v->out->len;
	buf_puts(v->out, "<weakref");
	put_at(v, addr);
	if (val_is(v, obj, "NoneType")) {
		buf_puts(v->out, "; dead>");
		return NULL;
	}
	err = val_type_of(v, obj, &type);
	buf_puts(v->out, "; to '");
	if (!err)
		err = put_referent_type(v, type);
	buf_puts(v->out, "'");
	put_at(v, obj);
	if (!err)
		err = put_referent_name(v, obj, type, &known);
	buf_puts(v->out, ">");
	if (!err && !known) {
		v->out->len = start;
		return val_put_opaque(v, addr, t);
	}
	return err;
}

struct err *val_show_weakproxy(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t obj;
	const struct py_type *type;
	bool old = PY_MINOR(v->off->version_hex) < 0x030d;
	(void)t;
	struct err *err = val_field(v, addr, 0, &obj);
	if (err)
		return err;
	buf_puts(v->out, "<weakproxy");
	put_at(v, addr);
	if (!old && val_is(v, obj, "NoneType")) {
		buf_puts(v->out, "; dead>");
		return NULL;
	}
	buf_puts(v->out, old ? " to " : "; to '");
	err = val_type_of(v, obj, &type);
	if (!err)
		err = put_referent_type(v, type);
	buf_puts(v->out, old ? "" : "'");
	put_at(v, obj);
	buf_puts(v->out, ">");
	return err;
}

/* ---- list[int], int | None, T ---- */

/* One argument; *known is false if only the inferior could tell its text. */
static struct err *put_alias_item(struct py_values *v, uint64_t item, bool in_union, bool *known)
{
	static const char *const by_repr[] = { "types.GenericAlias",
					       "types.UnionType",
					       "typing.Union",
					       "typing.TypeVar",
					       "NoneType",
					       "int",
					       "str",
					       "bytes",
					       "bool" };
	const struct py_type *t, *self;
	struct err *err = val_type_of(v, item, &t);
	if (err)
		return err;
	const char *kind = t->kind ? t->kind->name : "";
	if (strcmp(kind, "type") == 0) {
		err = val_type(v, item, &self);
		if (!err && in_union && strcmp(self->tp_name, "NoneType") == 0)
			buf_puts(v->out, "None");
		else if (!err)
			err = val_put_type_name(v, self);
		return err;
	}
	if (strcmp(kind, "ellipsis") == 0) {
		buf_puts(v->out, in_union ? "Ellipsis" : "...");
		return NULL;
	}
	*known = false;
	for (size_t i = 0; i < sizeof(by_repr) / sizeof(by_repr[0]); i++)
		*known |= t->exact && strcmp(kind, by_repr[i]) == 0;
	if (*known)
		val_put(v, item);
	return NULL;
}

static struct err *put_alias_items(struct py_values *v, uint64_t args, bool in_union, bool *known)
{
	uint64_t n, item;
	if (!val_is(v, args, "tuple"))
		return err_new(ERR_BAD_DATA, "an alias without arguments");
	struct err *err = val_word(v, args, v->off->object.var_size, &n);
	if (!err && n > ARGS_MAX)
		err = err_new(ERR_BAD_DATA, "an alias of too many arguments");
	for (size_t i = 0; !err && *known && i < n; i++) {
		if (i)
			buf_puts(v->out, in_union ? " | " : ", ");
		err = val_word(v, args + 8 * i, v->lay.tuple.items, &item);
		if (!err)
			err = put_alias_item(v, item, in_union, known);
	}
	if (!err && !n)
		buf_puts(v->out, "()");
	return err;
}

/* { head, origin 0, args 8, parameters 16, weakreflist 24, starred 32 (3.11 on) } */
struct err *val_show_generic_alias(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t origin, args;
	uint8_t starred = 0;
	bool known = true;
	size_t start = v->out->len;
	uint32_t head = v->off->object.var_size;
	struct err *err = val_field(v, addr, 0, &origin);
	if (!err)
		err = val_field(v, addr, 8, &args);
	if (!err && t->basicsize >= head + 40)
		err = val_read(v, addr + head + 32, &starred, 1);
	if (err)
		return err;
	buf_puts(v->out, starred ? "*" : "");
	err = put_alias_item(v, origin, false, &known);
	buf_puts(v->out, "[");
	if (!err && known)
		err = put_alias_items(v, args, false, &known);
	buf_puts(v->out, "]");
	if (err || known)
		return err;
	v->out->len = start;
	return val_put_opaque(v, addr, t);
}

/* { head, args 0 } */
struct err *val_show_union(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t args;
	bool known = true;
	size_t start = v->out->len;
	struct err *err = val_field(v, addr, 0, &args);
	if (!err)
		err = put_alias_items(v, args, true, &known);
	if (err || known)
		return err;
	v->out->len = start;
	return val_put_opaque(v, addr, t);
}

/* 3.12 on: { head, name 0, ..., covariant, contravariant, infer_variance } at its end */
struct err *val_show_typevar(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint8_t flag[3];
	uint64_t name;
	struct err *err = val_field(v, addr, 0, &name);
	if (!err)
		err = val_read(v, addr + (uint64_t)t->basicsize - 8, flag, sizeof(flag));
	if (err)
		return err;
	if (flag[0] > 1 || flag[1] > 1 || flag[2] > 1)
		return val_put_opaque(v, addr, t);
	if (!flag[2])
		buf_puts(v->out, flag[0] ? "+" : flag[1] ? "-" : "~");
	return val_put_str(v, name);
}
