/* SPDX-License-Identifier: MIT */
/*
 * Classes of the standard library whose repr() is Python code that is known:
 * told by the function that the class has for __repr__, where it was written and
 * under what name, so that nobody's own code is taken for it.
 * Here are those that classes of programs are made of; values_pylib.c and
 * values_path.c have others.  Lib/{dataclasses,reprlib,enum}.py,
 * Lib/collections/__init__.py.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define TEXT_MAX 1024u

struct err *val_need_attr(struct py_values *v, uint64_t addr, const struct py_type *t,
			  const char *name, uint64_t *ret)
{
	struct err *err = val_attr(v, addr, t, name, ret);
	if (!err && !*ret)
		err = err_new(ERR_NOT_FOUND, "%s at 0x%" PRIx64 " has no %s", t->name, addr, name);
	return err;
}

struct err *val_instead(struct py_values *v, uint64_t addr, const struct py_type *t, size_t start,
			struct err *err)
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
	uint64_t repr, owner, fields, n, nfields, item, name;
	struct err *err = val_class_attr(v, t, "__repr__", &repr, &owner);
	if (!err)
		err = val_own_attr(v, owner, "_fields", &fields);
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
	return val_instead(v, addr, t, start, put_named(v, addr, t));
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
		err = val_need_attr(v, field, t, "repr", &shown);
	if (!err)
		err = val_need_attr(v, field, t, "_field_type", &kind);
	if (!err)
		err = val_type_of(v, kind, &kind_type);
	if (!err)
		err = val_need_attr(v, kind, kind_type, "name", &name);
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
	return b.failed ? &err_nomem : val_need_attr(v, addr, t, (const char *)b.data, ret);
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
	return val_instead(v, addr, t, start, put_dataclass(v, addr, t));
}

/* ---- enum ---- */

static struct err *put_enum(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name, value, how;
	struct err *err = val_need_attr(v, addr, t, "_name_", &name);
	if (!err)
		err = val_need_attr(v, addr, t, "_value_", &value);
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
	} else if (v->off->code.qualname == PY_NONE) {
		buf_puts(v->out, ".");
		err = val_put_old_flags(v, t, value);
	}
	buf_puts(v->out, ": ");
	val_put(v, value);
	buf_puts(v->out, ">");
	return err;
}

static struct err *show_enum(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_enum(v, addr, t));
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

/* ---- which it is ---- */

static const struct recipe {
	const char *file; /* how it ends */
	const char *qualname;
	/* What that function asks of the object; it must not be another class's. */
	const char *needs[2];
	val_shower show;
	const char *cycle; /* as in val_kind */
} recipes[] = {
	{ "/collections/__init__.py", "namedtuple.<locals>.__repr__", { 0 }, show_namedtuple, "" },
	{ "<string>", "namedtuple.<locals>.__repr__", { 0 }, show_namedtuple, "" }, /* 3.6 */
	{ "/collections/__init__.py", "Counter.__repr__", { "most_common" }, val_show_counter, "" },
	{ "/collections/__init__.py", "UserDict.__repr__", { 0 }, val_show_user_data, "" },
	{ "/collections/__init__.py", "UserList.__repr__", { 0 }, val_show_user_data, "" },
	{ "/collections/__init__.py", "UserString.__repr__", { 0 }, val_show_user_data, "" },
	{ "/enum.py", "Enum.__repr__", { 0 }, show_enum, "" },
	{ "/enum.py", "Flag.__repr__", { 0 }, show_enum, "" },
	{ "/enum.py", "EnumType.__repr__", { 0 }, show_enum_class, "" },
	{ "/enum.py", "EnumMeta.__repr__", { 0 }, show_enum_class, "" }, /* to 3.10 */
	{ "/uuid.py", "UUID.__repr__", { "__str__" }, val_show_uuid, "" },
	{ "/fractions.py", "Fraction.__repr__", { 0 }, val_show_fraction, "" },
	{ "/ipaddress.py", "_BaseAddress.__repr__", { "__str__" }, val_show_address, "" },
	{ "/argparse.py",
	  "_AttributeHolder.__repr__",
	  { "_get_kwargs", "_get_args" },
	  val_show_attribute_holder,
	  "" },
	{ "/threading.py", "Thread.__repr__", { "is_alive" }, val_show_thread, "" },
	{ "/threading.py", "Event.__repr__", { 0 }, val_show_event, "" },
	{ "/threading.py", "Condition.__repr__", { 0 }, val_show_condition, "" },
	{ "/threading.py", "Semaphore.__repr__", { 0 }, val_show_semaphore, "" },
	{ "/threading.py", "BoundedSemaphore.__repr__", { 0 }, val_show_semaphore, "" },
	{ "/threading.py", "Barrier.__repr__", { 0 }, val_show_barrier, "" },
	{ "/pathlib.py", "PurePath.__repr__", { "as_posix", "__str__" }, val_show_path, "" },
	{ "/pathlib/_local.py", "PurePath.__repr__", { "as_posix", "__str__" }, val_show_path, "" },
	{ "/pathlib/__init__.py",
	  "PurePath.__repr__",
	  { "as_posix", "__str__" },
	  val_show_path,
	  "" },
};

/* Functions that only guard another one against cycles. */
static const struct recipe wrappers[] = {
	{ "/dataclasses.py", "_recursive_repr.<locals>.wrapper", { 0 }, NULL, NULL },
	{ "/reprlib.py",
	  "recursive_repr.<locals>.decorating_function.<locals>.wrapper",
	  { 0 },
	  NULL,
	  NULL },
};

static const struct recipe wrapped[] = {
	{ "<string>", "__create_fn__.<locals>.__repr__", { 0 }, show_dataclass, "..." },
	{ "/collections/__init__.py", "ChainMap.__repr__", { 0 }, val_show_chain_map, "..." },
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The row about the function at @func, or NULL. */
static struct err *find_recipe(struct py_values *v, uint64_t func, const struct recipe *rows,
			       size_t n, const struct recipe **ret)
{
	_cleanup_buf_ struct buf file = { 0 };
	uint64_t code, text = 0;
	bool old = v->off->code.qualname == PY_NONE;
	*ret = NULL;
	if (!val_is(v, func, "function"))
		return NULL;
	struct err *err = val_word(v, func, v->lay.function.code, &code);
	if (!err)
		err = val_word(v, code, v->off->code.filename, &text);
	if (!err)
		err = py_text_str(v->mem, v->off, text, TEXT_MAX, &file);
	if (!err && !old)
		err = val_word(v, code, v->off->code.qualname, &text);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(rows[i].file);
		if (file.len >= len && !memcmp(file.data + file.len - len, rows[i].file, len) &&
		    (old ? val_old_function_is(v, func, code, rows[i].qualname)
			 : val_str_is(v, text, rows[i].qualname)))
			*ret = &rows[i];
	}
	return NULL;
}

/* Whether the class has of what the function calls what the function's class has. */
static struct err *check_needs(struct py_values *v, const struct py_type *t, const struct recipe *r,
			       uint64_t owner, bool *ret)
{
	const struct py_type *base;
	struct err *err = val_type(v, owner, &base);
	*ret = true;
	for (size_t i = 0; !err && i < ARRAY_SIZE(r->needs) && r->needs[i]; i++) {
		uint64_t mine, its;
		err = val_class_attr(v, t, r->needs[i], &mine, NULL);
		if (!err)
			err = val_class_attr(v, base, r->needs[i], &its, NULL);
		*ret &= !err && mine && mine == its;
	}
	return err;
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

static struct err *find_any(struct py_values *v, uint64_t func, const struct recipe **ret)
{
	struct err *err = find_recipe(v, func, recipes, ARRAY_SIZE(recipes), ret);
	if (err || *ret)
		return err;
	err = find_recipe(v, func, wrappers, ARRAY_SIZE(wrappers), ret);
	if (err || !*ret)
		return err;
	*ret = NULL;
	err = find_wrapped(v, func, &func);
	return err ? err : find_recipe(v, func, wrapped, ARRAY_SIZE(wrapped), ret);
}

struct err *val_recipe_find(struct py_values *v, const struct py_type *t, val_shower *ret,
			    const char **cycle)
{
	uint64_t func, owner;
	bool good = false;
	const struct recipe *r = NULL;
	struct err *err = val_class_attr(v, t, "__repr__", &func, &owner);
	if (!err)
		err = find_any(v, func, &r);
	if (!err && r)
		err = check_needs(v, t, r, owner, &good);
	if (err || !good)
		return err;
	*ret = r->show;
	*cycle = r->cycle;
	return NULL;
}
