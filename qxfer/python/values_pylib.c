/* SPDX-License-Identifier: MIT */
/*
 * Classes of the standard library whose repr() is Python code, and that are found by
 * values_recipes.c.  Lib/{threading,uuid,fractions,argparse}.py,
 * Lib/collections/__init__.py, 3.6 to 3.15.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- collections ---- */

#define COUNTS_MAX 1000u

struct counted {
	uint64_t key, value;
	int64_t count;
	size_t i;
};

/* The most common first, else as they came. */
static int compare(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->i < y->i ? -1 : x->i > y->i;
}

static struct err *read_counts(struct py_values *v, uint64_t addr, struct counted *c, size_t *n)
{
	struct val_dict d;
	struct err *err = val_dict_open(v, addr, &d);
	for (*n = 0; !err; ++*n) {
		uint64_t key, value;
		err = val_dict_next(v, &d, &key, &value);
		if (err || !key)
			return err;
		if (*n == COUNTS_MAX)
			return err_new(ERR_NOT_FOUND, "too many to be sorted");
		c[*n] = (struct counted){ key, value, 0, *n };
		if (!val_int(v, value, &c[*n].count))
			return err_new(ERR_NOT_FOUND, "something else than numbers");
	}
	return err;
}

static struct err *put_counter(struct py_values *v, uint64_t addr, const struct py_type *t,
			       struct counted *c)
{
	size_t n;
	struct err *err = read_counts(v, addr, c, &n);
	if (err)
		return err;
	qsort(c, n, sizeof(*c), compare);
	buf_puts(v->out, t->name);
	buf_puts(v->out, n ? "({" : "()");
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		val_put(v, c[i].key);
		buf_puts(v->out, ": ");
		val_put(v, c[i].value);
	}
	buf_puts(v->out, n ? "})" : "");
	return NULL;
}

struct err *val_show_counter(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	struct counted *c = malloc(COUNTS_MAX * sizeof(*c));
	if (!c)
		return &err_nomem;
	struct err *err = val_instead(v, addr, t, start, put_counter(v, addr, t, c));
	free(c);
	return err;
}

static struct err *put_chain_map(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t maps, n, items, map;
	struct err *err = val_need_attr(v, addr, t, "maps", &maps);
	if (!err && !val_is(v, maps, "list"))
		err = err_new(ERR_NOT_FOUND, "a ChainMap of something else");
	if (!err)
		err = val_word(v, maps, v->off->object.var_size, &n);
	if (!err)
		err = val_word(v, maps, v->lay.list.items, &items);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		err = val_word(v, items + 8 * i, 0, &map);
		if (err)
			return err;
		val_put(v, map);
	}
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_show_chain_map(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_chain_map(v, addr, t));
}

/* UserDict, UserList, UserString: what they have inside. */
struct err *val_show_user_data(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t data;
	struct err *err = val_need_attr(v, addr, t, "data", &data);
	if (!err)
		val_put(v, data);
	return val_instead(v, addr, t, v->out->len, err);
}

/* ---- small values ---- */

static struct err *put_uuid(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t number, part[2];
	struct err *err = val_need_attr(v, addr, t, "int", &number);
	if (err)
		return err;
	if (!val_int128(v, number, part))
		return err_new(ERR_NOT_FOUND, "a UUID of something else");
	buf_printf(v->out, "%s('%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64, t->name, part[1] >> 32,
		   part[1] >> 16 & 0xffff, part[1] & 0xffff);
	buf_printf(v->out, "-%04" PRIx64 "-%012" PRIx64 "')", part[0] >> 48,
		   part[0] & (UINT64_MAX >> 16));
	return NULL;
}

struct err *val_show_uuid(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_uuid(v, addr, t));
}

static struct err *put_fraction(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t above, below;
	struct err *err = val_need_attr(v, addr, t, "_numerator", &above);
	if (!err)
		err = val_need_attr(v, addr, t, "_denominator", &below);
	/* It asks for str(), which is repr() for an int. */
	if (!err && (!val_is_exactly(v, above, "int") || !val_is_exactly(v, below, "int")))
		err = err_new(ERR_NOT_FOUND, "a Fraction of something else");
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	val_put(v, above);
	buf_puts(v->out, ", ");
	val_put(v, below);
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_show_fraction(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_fraction(v, addr, t));
}

/* ipaddress.IPv4Address; those of six have a __str__() of their own. */
static struct err *put_address(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t number, version;
	int64_t n, four;
	struct err *err = val_need_attr(v, addr, t, "_ip", &number);
	if (!err)
		err = val_class_attr(v, t, "version", &version, NULL);
	if (!err && !val_is(v, version, "int")) /* to 3.13 a property */
		err = val_class_attr(v, t, "_version", &version, NULL);
	if (!err && (!val_int(v, version, &four) || four != 4 || !val_int(v, number, &n) ||
		     n != (int64_t)(uint32_t)n))
		err = err_new(ERR_NOT_FOUND, "an address of another kind");
	if (err)
		return err;
	buf_printf(v->out, "%s('%u.%u.%u.%u')", t->name, (unsigned int)(n >> 24 & 255),
		   (unsigned int)(n >> 16 & 255), (unsigned int)(n >> 8 & 255),
		   (unsigned int)(n & 255));
	return NULL;
}

struct err *val_show_address(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_address(v, addr, t));
}

/* ---- argparse.Namespace ---- */

/* str.isidentifier() of an ASCII name; others are not judged. */
static struct err *check_identifier(struct py_values *v, uint64_t name)
{
	static const char first[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint32_t text[64];
	size_t n;
	struct err *err = val_get_str(v, name, text, sizeof(text) / sizeof(text[0]), &n);
	bool good = !err && n;
	for (size_t i = 0; good && i < n; i++)
		good = text[i] && text[i] < 128 &&
		       (strchr(first, (int)text[i]) || (i && text[i] >= '0' && text[i] <= '9'));
	if (!err && !good)
		err = err_new(ERR_NOT_FOUND, "a name that may not be an identifier");
	return err;
}

static struct err *put_attribute_holder(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct val_dict d;
	uint64_t key, value;
	bool has, sorted = PY_MINOR(v->off->version_hex) < 0x0309;
	struct err *err = val_attrs_open(v, addr, t, &d, &has);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	if (has && sorted)
		return val_put_sorted(v, &d, check_identifier);
	for (size_t i = 0; has; i++) {
		err = val_dict_next(v, &d, &key, &value);
		if (!err && key)
			err = check_identifier(v, key);
		if (err || !key || !val_item(v, i))
			break;
		err = val_put_str(v, key);
		buf_puts(v->out, "=");
		if (!err)
			val_put(v, value);
	}
	buf_puts(v->out, ")");
	return err;
}

struct err *val_show_attribute_holder(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_attribute_holder(v, addr, t));
}

/* ---- threading ---- */

static struct err *truth(struct py_values *v, uint64_t addr, const struct py_type *t,
			 const char *name, bool *ret)
{
	uint64_t value;
	int64_t is = 0;
	struct err *err = val_need_attr(v, addr, t, name, &value);
	if (!err && !val_int(v, value, &is))
		err = err_new(ERR_NOT_FOUND, "%s of %s is no bool", name, t->name);
	*ret = is;
	return err;
}

static struct err *is_set(struct py_values *v, uint64_t addr, const struct py_type *t, bool *ret)
{
	uint64_t event;
	const struct py_type *event_type;
	struct err *err = val_need_attr(v, addr, t, "_started", &event);
	if (!err)
		err = val_type_of(v, event, &event_type);
	return err ? err : truth(v, event, event_type, "_flag", ret);
}

/* To 3.12: a lock that is held while the thread lives. */
static struct err *is_unlocked(struct py_values *v, uint64_t addr, const struct py_type *t,
			       bool *ret)
{
	uint64_t lock;
	const struct py_type *lock_type;
	bool locked = true;
	struct err *err = truth(v, addr, t, "_is_stopped", ret);
	if (!err && !*ret)
		err = val_attr(v, addr, t, "_tstate_lock", &lock);
	if (err || *ret || !lock || val_is(v, lock, "NoneType"))
		return err;
	err = val_type_of(v, lock, &lock_type);
	if (!err)
		err = val_lock_state(v, lock, lock_type, &locked);
	*ret = !locked;
	return err;
}

/*
 * From 3.13 on: _handle or _os_thread_handle { head, ThreadHandle * }, whose thread_is_exiting is a
 * byte at HANDLE_EXITING, behind two llist_nodes, ident, os_handle, two ints and a mutex.
 */
#define HANDLE_STATE   52u
#define HANDLE_EXITING 57u
#define STATE_DONE     4u

static struct err *is_exiting(struct py_values *v, uint64_t addr, const struct py_type *t,
			      bool *ret)
{
	uint64_t handle;
	uint32_t state;
	uint8_t exiting;
	bool first = PY_MINOR(v->off->version_hex) == 0x030d;
	struct err *err =
		val_need_attr(v, addr, t, first ? "_handle" : "_os_thread_handle", &handle);
	if (!err)
		err = val_field(v, handle, 0, &handle);
	if (!err)
		err = val_read(v, handle + HANDLE_STATE, &state, sizeof(state));
	if (!err)
		err = val_read(v, handle + HANDLE_EXITING, &exiting, sizeof(exiting));
	if (!err && (state > STATE_DONE || exiting & ~3u))
		err = err_new(ERR_NOT_FOUND, "another kind of thread");
	*ret = !err && exiting & 1;
	return err;
}

static struct err *put_thread(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name, ident;
	bool started, stopped = false, daemon;
	bool new = PY_MINOR(v->off->version_hex) >= 0x030d;
	struct err *err = val_need_attr(v, addr, t, "_name", &name);
	if (!err)
		err = val_need_attr(v, addr, t, "_ident", &ident);
	if (!err)
		err = truth(v, addr, t, "_daemonic", &daemon);
	if (!err)
		err = is_set(v, addr, t, &started);
	if (!err && (new || started))
		err = (new ? is_exiting : is_unlocked)(v, addr, t, &stopped);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	err = val_put_str(v, name);
	buf_puts(v->out, stopped ? ", stopped" : started ? ", started" : ", initial");
	buf_puts(v->out, daemon ? " daemon" : "");
	if (!val_is(v, ident, "NoneType")) {
		buf_puts(v->out, " ");
		val_put(v, ident);
	}
	buf_puts(v->out, ")>");
	return err;
}

struct err *val_show_thread(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_thread(v, addr, t));
}

/* "<module.Name at 0x..: " */
static struct err *begin(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	buf_puts(v->out, "<");
	struct err *err = val_put_type_name(v, t);
	buf_puts(v->out, " at ");
	val_address(v, addr);
	buf_puts(v->out, ": ");
	return err;
}

struct err *val_show_event(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	bool flag;
	size_t start = v->out->len;
	struct err *err = truth(v, addr, t, "_flag", &flag);
	if (!err)
		err = begin(v, addr, t);
	buf_puts(v->out, flag ? "set>" : "unset>");
	return val_instead(v, addr, t, start, err);
}

static struct err *put_condition(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t lock, waiters, n;
	struct err *err = val_need_attr(v, addr, t, "_lock", &lock);
	if (!err)
		err = val_need_attr(v, addr, t, "_waiters", &waiters);
	if (!err && !val_is(v, waiters, "collections.deque"))
		err = err_new(ERR_NOT_FOUND, "a Condition of something else");
	if (!err && !val_is(v, lock, "_thread.lock") && !val_is(v, lock, "_thread.RLock"))
		err = err_new(ERR_NOT_FOUND, "a Condition of something else");
	if (!err)
		err = val_word(v, waiters, v->off->object.var_size, &n);
	if (err)
		return err;
	buf_puts(v->out, "<Condition(");
	val_put(v, lock);
	buf_printf(v->out, ", %" PRIu64 ")>", n);
	return NULL;
}

struct err *val_show_condition(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_condition(v, addr, t));
}

struct err *val_show_semaphore(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t value, first = 0;
	size_t start = v->out->len;
	struct err *err = val_need_attr(v, addr, t, "_value", &value);
	if (!err)
		err = val_attr(v, addr, t, "_initial_value", &first);
	if (!err)
		err = begin(v, addr, t);
	if (err)
		return val_instead(v, addr, t, start, err);
	buf_puts(v->out, "value=");
	val_put(v, value);
	if (first) {
		buf_puts(v->out, "/");
		val_put(v, first);
	}
	buf_puts(v->out, ">");
	return NULL;
}
