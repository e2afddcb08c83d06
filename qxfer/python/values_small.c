/* SPDX-License-Identifier: MIT */
/*
 * Objects of few members.  Include/internal/pycore_context.h, PyContextVar and
 * PyContextToken (3.7 to 3.15: Python/context.c); Objects/capsule.c; Modules/_operator.c;
 * Modules/socketmodule.h, PySocketSockObject; Lib/threading.py, Barrier.  Each begins with
 * these members in all versions.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>

#include "qxfer/python/text.h"

#define NAME_BYTES 200u

static void put_at(struct py_values *v, uint64_t addr)
{
	buf_puts(v->out, " at ");
	val_address(v, addr);
	buf_puts(v->out, ">");
}

/* name, default */
struct err *val_show_context_var(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name, otherwise;
	(void)t;
	struct err *err = val_field(v, addr, 0, &name);
	if (!err)
		err = val_field(v, addr, 8, &otherwise);
	if (!err && !val_is(v, name, "str"))
		err = err_new(ERR_BAD_DATA, "no name at 0x%" PRIx64, name);
	if (err)
		return err;
	buf_puts(v->out, "<ContextVar name=");
	val_put(v, name);
	if (otherwise) {
		buf_puts(v->out, " default=");
		val_put(v, otherwise);
	}
	put_at(v, addr);
	return NULL;
}

/* context, variable, old value, used */
struct err *val_show_context_token(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t variable, used;
	(void)t;
	struct err *err = val_field(v, addr, 8, &variable);
	if (!err)
		err = val_field(v, addr, 24, &used);
	if (err)
		return err;
	buf_puts(v->out, (uint32_t)used ? "<Token used var=" : "<Token var=");
	val_put(v, variable);
	put_at(v, addr);
	return NULL;
}

/* pointer, name */
struct err *val_show_capsule(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name;
	(void)t;
	struct err *err = val_field(v, addr, 8, &name);
	if (err)
		return err;
	buf_puts(v->out, name ? "<capsule object \"" : "<capsule object NULL");
	if (name)
		err = py_text_cstr(v->mem, name, NAME_BYTES, v->out);
	if (name)
		buf_puts(v->out, "\"");
	put_at(v, addr);
	return err;
}

/* number of items, the item or a tuple of them */
struct err *val_show_item_getter(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n, item;
	struct err *err = val_field(v, addr, 0, &n);
	if (!err)
		err = val_field(v, addr, 8, &item);
	if (!err && (!n || (n > 1 && !val_is_exactly(v, item, "tuple"))))
		err = err_new(ERR_BAD_DATA, "no items at 0x%" PRIx64, item);
	if (err)
		return err;
	buf_puts(v->out, t->tp_name);
	if (n == 1)
		buf_puts(v->out, "(");
	val_put(v, item);
	if (n == 1)
		buf_puts(v->out, ")");
	return NULL;
}

/* descriptor, family, type, protocol */
struct err *val_show_socket(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t part[2];
	(void)t;
	struct err *err = val_field(v, addr, 0, &part[0]);
	if (!err)
		err = val_field(v, addr, 8, &part[1]);
	if (err)
		return err;
	buf_printf(v->out, "<socket object, fd=%d, family=%d, type=%d, proto=%d>", (int)part[0],
		   (int)(part[0] >> 32), (int)part[1], (int)(part[1] >> 32));
	return NULL;
}

/* ---- threading.Barrier ---- */

static struct err *put_barrier(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t state, count, parties;
	int64_t how;
	struct err *err = val_need_attr(v, addr, t, "_state", &state);
	if (!err)
		err = val_need_attr(v, addr, t, "_count", &count);
	if (!err)
		err = val_need_attr(v, addr, t, "_parties", &parties);
	if (!err && (!val_int(v, state, &how) || !val_is_exactly(v, parties, "int")))
		err = err_new(ERR_NOT_FOUND, "a barrier of another kind");
	if (err)
		return err;
	buf_puts(v->out, "<");
	err = val_put_type_name(v, t);
	buf_puts(v->out, " at ");
	val_address(v, addr);
	if (how == -2) {
		buf_puts(v->out, ": broken>");
		return err;
	}
	buf_puts(v->out, ": waiters=");
	if (how)
		buf_puts(v->out, "0");
	else
		val_put(v, count);
	buf_puts(v->out, "/");
	val_put(v, parties);
	buf_puts(v->out, ">");
	return err;
}

struct err *val_show_barrier(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	return val_instead(v, addr, t, start, put_barrier(v, addr, t));
}
