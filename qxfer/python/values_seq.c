/* SPDX-License-Identifier: MIT */
/*
 * tuple, list, set, frozenset, deque, range and slice.
 * Objects/{tuple,list,set,range,slice}object.c, Modules/_collectionsmodule.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#define LENGTH_MAX (1ull << 40)

/* struct BLOCK of a deque: leftlink, data[BLOCKLEN], rightlink */
#define BLOCKLEN    64u
#define BLOCK_DATA  8u
#define BLOCK_RIGHT 520u

static struct err *read_length(struct py_values *v, uint64_t addr, uint64_t *ret)
{
	struct err *err = val_word(v, addr, v->off->object.var_size, ret);
	if (!err && *ret > LENGTH_MAX)
		err = err_new(ERR_BAD_DATA, "a length of 0x%" PRIx64 " at 0x%" PRIx64, *ret, addr);
	return err;
}

static struct err *put_items(struct py_values *v, uint64_t items, uint64_t n)
{
	uint64_t item;
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		struct err *err = val_read(v, items + 8 * i, &item, sizeof(item));
		if (err)
			return err;
		val_put(v, item);
	}
	return NULL;
}

struct err *val_show_tuple(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n;
	(void)t;
	struct err *err = read_length(v, addr, &n);
	if (!err && v->lay.tuple.items == PY_NONE)
		err = err_new(ERR_BAD_DATA, "the layout of tuples is not known");
	if (err)
		return err;
	buf_puts(v->out, "(");
	err = put_items(v, addr + v->lay.tuple.items, n);
	buf_puts(v->out, n == 1 ? ",)" : ")");
	return err;
}

struct err *val_show_list(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n, items;
	(void)t;
	struct err *err = read_length(v, addr, &n);
	if (!err)
		err = val_word(v, addr, v->lay.list.items, &items);
	if (err)
		return err;
	buf_puts(v->out, "[");
	err = put_items(v, items, n);
	buf_puts(v->out, "]");
	return err;
}

/* ---- sets ---- */

#define ENTRIES 64u

static struct err *put_members(struct py_values *v, uint64_t table, uint64_t mask, uint64_t used)
{
	uint64_t entry[ENTRIES][2]; /* setentry: key, hash */
	size_t shown = 0;
	for (uint64_t at = 0; at <= mask && shown < used; at += ENTRIES) {
		uint64_t n = mask + 1 - at < ENTRIES ? mask + 1 - at : ENTRIES;
		struct err *err = val_read(v, table + 16 * at, entry, 16 * n);
		if (err)
			return err;
		for (uint64_t i = 0; i < n && shown < used; i++) {
			/* What was taken out leaves a key with the hash -1. */
			if (!entry[i][0] || entry[i][1] == UINT64_MAX)
				continue;
			if (!val_item(v, shown++))
				return NULL;
			val_put(v, entry[i][0]);
		}
	}
	if (shown < used)
		return err_new(ERR_BAD_DATA, "a set has fewer members than it says");
	return NULL;
}

static struct err *show_set(struct py_values *v, uint64_t addr, const struct py_type *t, bool bare)
{
	uint64_t used, mask, table;
	struct err *err = val_word(v, addr, v->lay.set.used, &used);
	if (!err)
		err = val_word(v, addr, v->lay.set.mask, &mask);
	if (!err)
		err = val_word(v, addr, v->lay.set.table, &table);
	if (err)
		return err;
	if (mask > LENGTH_MAX || mask & (mask + 1) || used > mask + 1)
		return err_new(ERR_BAD_DATA, "no set at 0x%" PRIx64, addr);
	if (!used || !bare) {
		buf_puts(v->out, t->name);
		buf_puts(v->out, "(");
	}
	if (used) {
		buf_puts(v->out, "{");
		err = put_members(v, table, mask, used);
		buf_puts(v->out, "}");
	}
	if (!used || !bare)
		buf_puts(v->out, ")");
	return err;
}

struct err *val_show_set(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	return show_set(v, addr, t, t->exact);
}

struct err *val_show_frozenset(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	return show_set(v, addr, t, false);
}

/* ---- deque ---- */

static struct err *put_blocks(struct py_values *v, uint64_t block, uint64_t index, uint64_t n)
{
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		uint64_t item;
		struct err *err = NULL;
		if (index == BLOCKLEN) {
			err = val_read(v, block + BLOCK_RIGHT, &block, sizeof(block));
			index = 0;
		}
		if (!err)
			err = val_read(v, block + BLOCK_DATA + 8 * index++, &item, sizeof(item));
		if (err)
			return err;
		val_put(v, item);
	}
	return NULL;
}

struct err *val_show_deque(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n, block, index, maxlen;
	struct err *err = read_length(v, addr, &n);
	if (!err)
		err = val_word(v, addr, v->lay.deque.leftblock, &block);
	if (!err)
		err = val_word(v, addr, v->lay.deque.leftindex, &index);
	if (!err)
		err = val_word(v, addr, v->lay.deque.maxlen, &maxlen);
	if (err)
		return err;
	if (index > BLOCKLEN)
		return err_new(ERR_BAD_DATA, "no deque at 0x%" PRIx64, addr);
	buf_puts(v->out, v->lay.plain_names ? "deque" : t->name);
	buf_puts(v->out, "([");
	err = put_blocks(v, block, index, n);
	buf_puts(v->out, "]");
	if ((int64_t)maxlen >= 0)
		buf_printf(v->out, ", maxlen=%" PRIu64, maxlen);
	buf_puts(v->out, ")");
	return err;
}

/* ---- range and slice ---- */

static struct err *put_three(struct py_values *v, uint64_t addr, uint32_t offset, const char *name,
			     bool step_one)
{
	uint64_t part[3];
	int64_t step;
	if (offset == PY_NONE)
		return err_new(ERR_BAD_DATA, "the layout of a %s is not known", name);
	struct err *err = val_read(v, addr + offset, part, sizeof(part));
	if (err)
		return err;
	buf_puts(v->out, name);
	buf_puts(v->out, "(");
	val_put(v, part[0]);
	buf_puts(v->out, ", ");
	val_put(v, part[1]);
	if (!step_one || !val_int(v, part[2], &step) || step != 1) {
		buf_puts(v->out, ", ");
		val_put(v, part[2]);
	}
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_show_range(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	return put_three(v, addr, v->lay.range.start, t->name, true);
}

struct err *val_show_slice(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	return put_three(v, addr, v->lay.slice.start, t->name, false);
}
