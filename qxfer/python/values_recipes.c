/* SPDX-License-Identifier: MIT */
/*
 * Classes of the standard library whose repr() is Python code that is known:
 * told by the function that the class has for __repr__, where it was written and
 * under what name, so that nobody's own code is taken for it.
 * Lib/{dataclasses,reprlib,enum,pathlib}.py, Lib/collections/__init__.py.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define TEXT_MAX 1024u

static struct err *need_attr(struct py_values *v, uint64_t addr, const struct py_type *t,
			     const char *name, uint64_t *ret)
{
	struct err *err = val_attr(v, addr, t, name, ret);
	if (!err && !*ret)
		err = err_new(ERR_NOT_FOUND, "%s at 0x%" PRIx64 " has no %s", t->name, addr, name);
	return err;
}

/* As a class's own repr(), if the usual one is not to be had. */
static struct err *instead(struct py_values *v, uint64_t addr, const struct py_type *t,
			   size_t start, struct err *err)
{
	if (!err)
		return NULL;
	err_drop(err);
	v->out->len = start;
	return val_show_instance(v, addr, t);
}

/* ---- namedtuple ---- */

static struct err *put_named(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t fields, n, nfields, item, name;
	struct err *err = val_class_attr(v, t, "_fields", &fields, NULL);
	if (!err && !val_is(v, fields, "tuple"))
		err = err_new(ERR_BAD_DATA, "a namedtuple without _fields");
	if (!err)
		err = val_word(v, fields, v->off->object.var_size, &nfields);
	if (!err)
		err = val_word(v, addr, v->off->object.var_size, &n);
	if (!err && n != nfields)
		err = err_new(ERR_BAD_DATA, "a namedtuple of another length");
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		err = val_word(v, fields + 8 * i, v->lay.tuple.items, &name);
		if (!err)
			err = val_word(v, addr + 8 * i, v->lay.tuple.items, &item);
		if (!err)
			err = val_put_str(v, name);
		if (err)
			return err;
		buf_puts(v->out, "=");
		val_put(v, item);
	}
	buf_puts(v->out, ")");
	return NULL;
}

static struct err *show_namedtuple(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return instead(v, addr, t, start, put_named(v, addr, t));
}

/* ---- dataclass ---- */

/* Whether a dataclasses.Field is one of an instance, and shown. */
static struct err *is_shown(struct py_values *v, uint64_t field, bool *ret)
{
	const struct py_type *t, *kind_type;
	uint64_t shown, kind, name;
	int64_t yes = 0;
	struct err *err = val_type_of(v, field, &t);
	if (!err)
		err = need_attr(v, field, t, "repr", &shown);
	if (!err)
		err = need_attr(v, field, t, "_field_type", &kind);
	if (!err)
		err = val_type_of(v, kind, &kind_type);
	if (!err)
		err = need_attr(v, kind, kind_type, "name", &name);
	if (!err)
		*ret = val_int(v, shown, &yes) && yes && val_str_is(v, name, "_FIELD");
	return err;
}

/* The attribute whose name is a str of the inferior. */
static struct err *attr_by_str(struct py_values *v, uint64_t addr, const struct py_type *t,
			       uint64_t name, uint64_t *ret)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct err *err = py_text_str(v->mem, v->off, name, 200, &b);
	buf_put(&b, "", 1);
	if (err)
		return err;
	return b.failed ? &err_nomem : need_attr(v, addr, t, (const char *)b.data, ret);
}

static struct err *put_fields(struct py_values *v, uint64_t addr, const struct py_type *t,
			      struct val_dict *fields)
{
	uint64_t key, field, value;
	size_t n = 0;
	for (;;) {
		bool shown = false;
		struct err *err = val_dict_next(v, fields, &key, &field);
		if (err || !key)
			return err;
		err = is_shown(v, field, &shown);
		if (!err && !shown)
			continue;
		if (!err)
			err = attr_by_str(v, addr, t, key, &value);
		if (err)
			return err;
		if (!val_item(v, n++))
			return NULL;
		err = val_put_str(v, key);
		if (err)
			return err;
		buf_puts(v->out, "=");
		val_put(v, value);
	}
}

static struct err *put_dataclass(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t repr, owner, fields;
	struct val_dict d;
	/* It shows the fields of the class that it was made for. */
	struct err *err = val_class_attr(v, t, "__repr__", &repr, &owner);
	if (!err)
		err = val_own_attr(v, owner, "__dataclass_fields__", &fields);
	if (!err && !val_is(v, fields, "dict"))
		err = err_new(ERR_BAD_DATA, "a dataclass without fields");
	if (!err)
		err = val_dict_open(v, fields, &d);
	if (!err)
		err = val_put_qualname(v, t);
	if (err)
		return err;
	buf_puts(v->out, "(");
	err = put_fields(v, addr, t, &d);
	buf_puts(v->out, ")");
	return err;
}

static struct err *show_dataclass(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return instead(v, addr, t, start, put_dataclass(v, addr, t));
}

/* ---- enum ---- */

static struct err *put_enum(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name, value, how;
	struct err *err = need_attr(v, addr, t, "_name_", &name);
	if (!err)
		err = need_attr(v, addr, t, "_value_", &value);
	if (!err)
		err = val_class_attr(v, t, "_value_repr_", &how, NULL);
	if (!err && how && val_is(v, how, "function"))
		err = err_new(ERR_BAD_DATA, "an enum's value with a repr() of its own");
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	if (!val_is(v, name, "NoneType")) {
		buf_puts(v->out, ".");
		err = val_put_str(v, name);
	}
	buf_puts(v->out, ": ");
	val_put(v, value);
	buf_puts(v->out, ">");
	return err;
}

static struct err *show_enum(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return instead(v, addr, t, start, put_enum(v, addr, t));
}

/* EnumType.__repr__() of an enumeration itself. */
static struct err *show_enum_class(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	const struct py_type *self;
	uint64_t flag;
	(void)t;
	struct err *err = val_type(v, addr, &self);
	/* Flag and what inherits from it has a boundary. */
	if (!err)
		err = val_class_attr(v, self, "_iter_member_", &flag, NULL);
	if (err)
		return err;
	buf_puts(v->out, flag ? "<flag '" : "<enum '");
	buf_puts(v->out, self->name);
	buf_puts(v->out, "'>");
	return NULL;
}

/* ---- paths ---- */

/* Whether pathlib would leave the text as it is; a cautious guess. */
static bool is_normal(const char *path)
{
	size_t len = strlen(path);
	return len && !strstr(path, "//") && !strstr(path, "./") && path[len - 1] != '.' &&
	       (len == 1 || path[len - 1] != '/') && !strchr(path, '\\');
}

static struct err *put_raw_path(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	_cleanup_buf_ struct buf b = { 0 };
	uint64_t raw, n, one;
	struct err *err = need_attr(v, addr, t, "_raw_paths", &raw);
	if (!err && !val_is(v, raw, "list"))
		err = err_new(ERR_BAD_DATA, "no path at 0x%" PRIx64, addr);
	if (!err)
		err = val_word(v, raw, v->off->object.var_size, &n);
	if (!err && n != 1)
		err = err_new(ERR_NOT_FOUND, "a path that was not put together yet");
	if (!err)
		err = val_word(v, raw, v->lay.list.items, &raw);
	if (!err)
		err = val_word(v, raw, 0, &one);
	if (!err && !val_is(v, one, "str"))
		err = err_new(ERR_BAD_DATA, "no path at 0x%" PRIx64, addr);
	if (!err)
		err = py_text_str(v->mem, v->off, one, TEXT_MAX, &b);
	buf_put(&b, "", 1);
	if (!err && (b.failed || b.len > TEXT_MAX || !is_normal((const char *)b.data)))
		err = err_new(ERR_NOT_FOUND, "a path that was not put together yet");
	if (!err)
		val_put(v, one);
	return err;
}

/* 3.11: the root, if any, is the first of the parts. */
static struct err *put_parts(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t parts, n, items, part;
	struct err *err = need_attr(v, addr, t, "_parts", &parts);
	if (!err)
		err = val_word(v, parts, v->off->object.var_size, &n);
	if (!err)
		err = val_word(v, parts, v->lay.list.items, &items);
	if (!err && (n > 200 || !n))
		err = err_new(ERR_NOT_FOUND, "a path of %" PRIu64 " parts", n);
	if (err)
		return err;
	buf_puts(v->out, "'");
	for (uint64_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf b = { 0 };
		err = val_word(v, items + 8 * i, 0, &part);
		if (!err)
			err = py_text_str(v->mem, v->off, part, 300, &b);
		if (!err && memchr(b.data, '\'', b.len))
			err = err_new(ERR_NOT_FOUND, "a path with quotes");
		if (err)
			return err;
		if (i && v->out->data[v->out->len - 1] != '/')
			buf_puts(v->out, "/");
		buf_put(v->out, b.data, b.len);
	}
	buf_puts(v->out, "'");
	return NULL;
}

static struct err *put_path(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t str;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	struct err *err = val_attr(v, addr, t, "_str", &str);
	if (err)
		return err;
	if (str && val_is(v, str, "str"))
		val_put(v, str);
	else
		err = PY_MINOR(v->off->version_hex) <= 0x030b ? put_parts(v, addr, t)
							      : put_raw_path(v, addr, t);
	buf_puts(v->out, ")");
	return err;
}

static struct err *show_path(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return instead(v, addr, t, start, put_path(v, addr, t));
}

/* ---- which it is ---- */

static const struct recipe {
	const char *file; /* how it ends */
	const char *qualname;
	bool wraps; /* a wrapper around what dataclasses generated */
	val_shower show;
} recipes[] = {
	{ "/collections/__init__.py", "namedtuple.<locals>.__repr__", false, show_namedtuple },
	{ "/enum.py", "Enum.__repr__", false, show_enum },
	{ "/enum.py", "Flag.__repr__", false, show_enum },
	{ "/enum.py", "EnumType.__repr__", false, show_enum_class },
	{ "/pathlib.py", "PurePath.__repr__", false, show_path },
	{ "/pathlib/_local.py", "PurePath.__repr__", false, show_path },
	{ "/pathlib/__init__.py", "PurePath.__repr__", false, show_path },
	{ "/dataclasses.py", "_recursive_repr.<locals>.wrapper", true, show_dataclass },
	{ "/reprlib.py", "recursive_repr.<locals>.decorating_function.<locals>.wrapper", true,
	  show_dataclass },
	{ "<string>", "__create_fn__.<locals>.__repr__", false, NULL },
};

/* The row about the function at @func, or NULL. */
static struct err *find_recipe(struct py_values *v, uint64_t func, const struct recipe **ret)
{
	_cleanup_buf_ struct buf file = { 0 };
	uint64_t code, text;
	*ret = NULL;
	if (!val_is(v, func, "function"))
		return NULL;
	struct err *err = val_word(v, func, v->lay.function.code, &code);
	if (!err)
		err = val_word(v, code, v->off->code.filename, &text);
	if (!err)
		err = py_text_str(v->mem, v->off, text, TEXT_MAX, &file);
	if (!err)
		err = val_word(v, code, v->off->code.qualname, &text);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
		size_t len = strlen(recipes[i].file);
		if (file.len >= len && !memcmp(file.data + file.len - len, recipes[i].file, len) &&
		    val_str_is(v, text, recipes[i].qualname))
			*ret = &recipes[i];
	}
	return NULL;
}

/* The last variable that a wrapper closes over is the function it wraps. */
static struct err *find_wrapped(struct py_values *v, uint64_t func, uint64_t *ret)
{
	uint64_t closure, n;
	struct err *err = val_word(v, func, v->lay.function.closure, &closure);
	if (!err && !val_is(v, closure, "tuple"))
		err = err_new(ERR_NOT_FOUND, "not a closure");
	if (!err)
		err = val_word(v, closure, v->off->object.var_size, &n);
	if (!err && (!n || n > 100))
		err = err_new(ERR_NOT_FOUND, "not a closure");
	if (!err)
		err = val_word(v, closure + 8 * (n - 1), v->lay.tuple.items, &closure);
	return err ? err : val_word(v, closure, v->lay.cell.ref, ret);
}

struct err *val_recipe_find(struct py_values *v, const struct py_type *t, val_shower *ret)
{
	uint64_t func, wrapped;
	const struct recipe *recipe, *generated;
	struct err *err = val_class_attr(v, t, "__repr__", &func, NULL);
	if (!err)
		err = find_recipe(v, func, &recipe);
	if (err || !recipe)
		return err;
	if (recipe->wraps) {
		err = find_wrapped(v, func, &wrapped);
		if (!err)
			err = find_recipe(v, wrapped, &generated);
		if (err || !generated || generated->show)
			return err;
	}
	*ret = recipe->show;
	return NULL;
}
