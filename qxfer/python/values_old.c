/* SPDX-License-Identifier: MIT */
/*
 * What the standard library to 3.10 does in other ways: code objects without
 * qualified names, Flags without names for what they combine, namespaces by name.
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define FLAGS_MAX 64u
#define ITEMS_MAX 100u
#define NAME_MAX  64u

/* Whether the first variable that the code closes over is called @name. */
static bool closes_over(struct py_values *v, uint64_t code, const char *name)
{
	uint64_t names, n, first = 0;
	struct err *err = val_word(v, code, v->lay.code.freevars, &names);
	if (!err)
		err = val_word(v, names, v->off->object.var_size, &n);
	if (!err && n)
		err = val_word(v, names, v->lay.tuple.items, &first);
	err_drop(err);
	return !err && first && val_str_is(v, first, name);
}

/* 3.6 makes a module's worth of source for each namedtuple, with a name of its own. */
static bool is_generated(struct py_values *v, uint64_t func)
{
	static const char prefix[] = "namedtuple_";
	struct py_units u;
	char text[sizeof(prefix)] = "";
	uint64_t globals, name = 0;
	struct err *err = val_word(v, func, v->lay.function.globals, &globals);
	if (!err)
		err = val_dict_find(v, globals, "__name__", &name);
	if (!err && name)
		err = py_text_find(v->mem, v->off, name, &u);
	if (!err && name && u.kind == 1 && u.length >= sizeof(prefix))
		err = val_read(v, u.data, text, sizeof(prefix) - 1);
	err_drop(err);
	return !err && strcmp(text, prefix) == 0;
}

/* A function inside another one may have been renamed: by wraps(), by namedtuple(). */
static bool is_local(struct py_values *v, uint64_t func, uint64_t code, const char *qualname)
{
	if (!strstr(qualname, "<locals>."))
		return false;
	return strncmp(qualname, "namedtuple.", 11) != 0 || closes_over(v, code, "repr_fmt") ||
	       is_generated(v, func);
}

bool val_old_function_is(struct py_values *v, uint64_t func, uint64_t code, const char *qualname)
{
	const char *dot = strrchr(qualname, '.');
	uint64_t name, own;
	struct err *err = val_word(v, code, v->off->code.name, &name);
	if (!err)
		err = val_word(v, func, v->lay.function.qualname, &own);
	err_drop(err);
	if (err || !val_str_is(v, name, dot ? dot + 1 : qualname))
		return false;
	return is_local(v, func, code, qualname) || val_str_is(v, own, qualname);
}

/* ---- Flag.__repr__(), enum._decompose() ---- */

struct flags {
	uint64_t name[FLAGS_MAX]; /* 0: it has none */
	int64_t value[FLAGS_MAX];
	size_t n;
};

/* Keeps them sorted, the largest value first. */
static void add_flag(struct flags *f, uint64_t name, int64_t value)
{
	size_t i = f->n++;
	for (; i && f->value[i - 1] < value; i--) {
		f->name[i] = f->name[i - 1];
		f->value[i] = f->value[i - 1];
	}
	f->name[i] = name;
	f->value[i] = value;
}

static struct err *take_member(struct py_values *v, uint64_t member, int64_t of, int64_t value,
			       struct flags *f)
{
	const struct py_type *t;
	uint64_t name;
	if (!value || (value & of) != value)
		return NULL;
	struct err *err = val_type_of(v, member, &t);
	if (!err)
		err = val_need_attr(v, member, t, "_name_", &name);
	if (!err && f->n == FLAGS_MAX)
		err = err_new(ERR_NOT_FOUND, "a Flag of many names");
	if (err)
		return err;
	if (!val_is(v, name, "NoneType"))
		add_flag(f, name, value);
	else if (!(value & (value - 1)))
		add_flag(f, 0, value);
	return NULL;
}

static struct err *find_flags(struct py_values *v, const struct py_type *t, int64_t of,
			      struct flags *f)
{
	struct val_dict d;
	uint64_t map, key = 1, member;
	int64_t value;
	struct err *err = val_class_attr(v, t, "_value2member_map_", &map, NULL);
	if (!err && !val_is(v, map, "dict"))
		err = err_new(ERR_NOT_FOUND, "%s has no members", t->name);
	if (!err)
		err = val_dict_open(v, map, &d);
	while (!err && key) {
		err = val_dict_next(v, &d, &key, &member);
		if (!err && key && val_int(v, key, &value) && value >= 0)
			err = take_member(v, member, of, value, f);
	}
	return err;
}

/* Bits without a name are shown from 3.10 on only where no member has them. */
static bool is_sum(const struct flags *f, int64_t of)
{
	int64_t named = 0, all = 0;
	for (size_t i = 0; i < f->n; i++) {
		all |= f->value[i];
		named |= f->name[i] ? f->value[i] : 0;
	}
	for (size_t i = 0; i < f->n; i++)
		if (!f->name[i] && f->value[i] & named)
			return false;
	return all == of;
}

struct err *val_put_old_flags(struct py_values *v, const struct py_type *t, uint64_t value)
{
	struct flags f = { .n = 0 };
	int64_t of;
	if (!val_int(v, value, &of) || of < 0)
		return err_new(ERR_NOT_FOUND, "a Flag's value that is no number");
	struct err *err = find_flags(v, t, of, &f);
	if (!err && !is_sum(&f, of))
		err = err_new(ERR_NOT_FOUND, "a Flag whose bits are not those of its members");
	if (!err && !f.n)
		buf_puts(v->out, "0");
	/* Not the name of all together, where there are others. */
	size_t first = f.n > 1 && f.value[0] == of;
	for (size_t i = first; !err && i < f.n; i++) {
		if (i > first)
			buf_puts(v->out, "|");
		if (f.name[i])
			err = val_put_str(v, f.name[i]);
		else
			buf_printf(v->out, "%lld", (long long)f.value[i]);
	}
	return err;
}

/* ---- namespace_repr() to 3.8 ---- */

struct item {
	uint64_t key, value;
	uint32_t text[NAME_MAX];
	size_t n;
};

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	for (size_t i = 0; i < x->n && i < y->n; i++)
		if (x->text[i] != y->text[i])
			return x->text[i] < y->text[i] ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static struct err *read_items(struct py_values *v, struct val_dict *d, struct item *item, size_t *n)
{
	for (*n = 0; *n < ITEMS_MAX; ++*n) {
		struct item *at = &item[*n];
		struct err *err = val_dict_next(v, d, &at->key, &at->value);
		if (err || !at->key)
			return err;
		err = val_get_str(v, at->key, at->text, NAME_MAX, &at->n);
		if (err)
			return err;
	}
	return err_new(ERR_NOT_FOUND, "a namespace of more than %u names", ITEMS_MAX);
}

static struct err *put_items(struct py_values *v, const struct item *item, size_t n)
{
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		struct err *err = val_put_str(v, item[i].key);
		if (err)
			return err;
		buf_puts(v->out, "=");
		val_put(v, item[i].value);
	}
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_put_sorted(struct py_values *v, struct val_dict *d,
			   struct err *(*check)(struct py_values *v, uint64_t name))
{
	size_t n;
	struct item *item = calloc(ITEMS_MAX, sizeof(*item));
	if (!item)
		return &err_nomem;
	struct err *err = read_items(v, d, item, &n);
	if (!err && n)
		qsort(item, n, sizeof(*item), compare_items);
	for (size_t i = 0; !err && check && i < n; i++)
		err = check(v, item[i].key);
	if (!err)
		err = put_items(v, item, n);
	free(item);
	return err;
}
