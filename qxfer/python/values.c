/* SPDX-License-Identifier: MIT */
/*
 * One value: bounds, cycles, and what is shown in place of what cannot be.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/text.h"

#define DEPTH_DEFAULT 10u
#define ITEMS_DEFAULT 100u
#define CHARS_DEFAULT 1000u
#define BYTES_DEFAULT 4096u
#define READS_DEFAULT 10000u

struct err *py_values_begin(struct mem *m, uint64_t runtime, const struct py_offsets *off,
			    const struct py_limits *limits, struct py_values *ret)
{
	static const struct py_limits none;
	const struct py_limits *l = limits ? limits : &none;
	*ret = (struct py_values){ .mem = m, .off = off, .runtime = runtime };
	ret->limits = (struct py_limits){
		.depth = l->depth ? l->depth : DEPTH_DEFAULT,
		.items = l->items ? l->items : ITEMS_DEFAULT,
		.chars = l->chars ? l->chars : CHARS_DEFAULT,
		.bytes = l->bytes ? l->bytes : BYTES_DEFAULT,
		.reads = l->reads ? l->reads : READS_DEFAULT,
	};
	if (ret->limits.depth > PY_VALUE_NEST)
		ret->limits.depth = PY_VALUE_NEST;
	return py_layout_find(m, runtime, off, &ret->lay);
}

void py_values_end(struct py_values *v)
{
	free((void *)v->types);
	arena_deinit(&v->arena);
	*v = (struct py_values){ 0 };
}

/* ---- reading ---- */

struct err *val_read(struct py_values *v, uint64_t addr, void *buf, size_t len)
{
	if (!v->reads)
		return err_new(ERR_BAD_DATA, "more reads than are allowed for one value");
	v->reads--;
	return mem_read(v->mem, addr, buf, len);
}

struct err *val_load(struct py_values *v, uint64_t addr, size_t len, struct obj *ret)
{
	if (!v->reads)
		return err_new(ERR_BAD_DATA, "more reads than are allowed for one value");
	v->reads--;
	return obj_load(v->mem, addr, len, ret);
}

struct err *val_word(struct py_values *v, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	if (offset == PY_NONE)
		return err_new(ERR_BAD_DATA, "this version's layout is not known");
	return val_read(v, addr + offset, ret, sizeof(*ret));
}

/* ---- one object ---- */

bool val_full(const struct py_values *v)
{
	return v->out->len - v->start > v->limits.bytes;
}

bool val_item(struct py_values *v, size_t i)
{
	bool more = i < v->limits.items && !val_full(v) && v->reads;
	if (i)
		buf_puts(v->out, ", ");
	if (!more)
		buf_puts(v->out, "...");
	return more;
}

void val_address(struct py_values *v, uint64_t addr)
{
	buf_printf(v->out, "0x%" PRIx64, addr);
}

struct err *val_put_opaque(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	buf_puts(v->out, " at ");
	val_address(v, addr);
	buf_puts(v->out, ">");
	return NULL;
}

/* What CPython does not show by code of its own that is known here. */
static struct err *show_other(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	if (t->recipe)
		return t->recipe(v, addr, t);
	return val_show_instance(v, addr, t);
}

static bool has_inside(const struct py_type *t)
{
	return !t->kind || t->own_repr || t->kind->cycle;
}

static bool is_inside(const struct py_values *v, uint64_t addr)
{
	for (uint32_t i = 0; i < v->depth; i++)
		if (v->nest[i] == addr)
			return true;
	return false;
}

static struct err *show_cycle(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	const char *text = t->recipe ? t->cycle : t->kind && !t->own_repr ? t->kind->cycle : NULL;
	if (!text || !*text)
		return val_put_opaque(v, addr, t);
	buf_puts(v->out, text);
	return NULL;
}

static struct err *show_inside(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	if (is_inside(v, addr))
		return show_cycle(v, addr, t);
	if (v->depth >= v->limits.depth) {
		buf_puts(v->out, "...");
		return NULL;
	}
	v->nest[v->depth++] = addr;
	struct err *err =
		!t->kind || t->own_repr ? show_other(v, addr, t) : t->kind->show(v, addr, t);
	v->depth--;
	return err;
}

static struct err *show(struct py_values *v, uint64_t addr)
{
	const struct py_type *t;
	if (!addr || addr % 8)
		return err_new(ERR_BAD_DATA, "no object at 0x%" PRIx64, addr);
	struct err *err = val_type_of(v, addr, &t);
	if (err)
		return err;
	return has_inside(t) ? show_inside(v, addr, t) : t->kind->show(v, addr, t);
}

static void put_corrupt(struct py_values *v, size_t start, struct err *err)
{
	v->out->len = start;
	buf_puts(v->out, "<corrupt: ");
	py_text_put_bytes(v->out, (const uint8_t *)err->msg, strlen(err->msg));
	buf_puts(v->out, ">");
	err_drop(err);
}

void val_put(struct py_values *v, uint64_t addr)
{
	size_t start = v->out->len;
	struct err *err = show(v, addr);
	if (err)
		put_corrupt(v, start, err);
}

void val_put_plain(struct py_values *v, uint64_t addr)
{
	bool was = v->plain;
	v->plain = true;
	val_put(v, addr);
	v->plain = was;
}

void py_value_put(struct py_values *v, uint64_t addr, struct buf *out)
{
	v->out = out;
	v->start = out->len;
	v->reads = v->limits.reads;
	v->depth = 0;
	v->plain = false;
	val_put(v, addr);
}

void py_value_type(struct py_values *v, uint64_t addr, struct buf *out)
{
	const struct py_type *t;
	v->reads = v->limits.reads;
	struct err *err = val_type_of(v, addr, &t);
	buf_puts(out, err ? "?" : t->name);
	err_drop(err);
}
