/* SPDX-License-Identifier: MIT */
/*
 * Sets, weak sets, tuples, lists, and the lists that 3.14 keeps tasks in.
 * Objects/setobject.c, Lib/_weakrefset.py, Include/internal/pycore_llist.h.
 */
#include "qxfer/python/tasks_priv.h"

#include <inttypes.h>

#define SET_MAX	    (1u << 22) /* slots */
#define ENTRIES	    32u	       /* read at a time */
#define LIST_LENGTH (1u << 20)

struct err *task_items(struct task_reader *r, uint64_t addr, uint64_t *items, size_t max, size_t *n)
{
	struct py_values *v = &r->v;
	uint64_t len, at = addr;
	*n = 0;
	bool list = val_is(v, addr, "list");
	if (!list && !val_is(v, addr, "tuple"))
		return NULL;
	struct err *err = val_word(v, addr, v->off->object.var_size, &len);
	if (!err && list)
		err = val_word(v, addr, v->lay.list.items, &at);
	if (err)
		return err;
	if (len > LIST_LENGTH || (!list && v->lay.tuple.items == PY_NONE))
		return err_new(ERR_BAD_DATA, "no list at 0x%" PRIx64, addr);
	*n = len < max ? len : max;
	return *n ? val_read(v, list ? at : addr + v->lay.tuple.items, items, 8 * *n) : NULL;
}

/* The object itself, or the one that a weak reference refers to; 0: it is gone. */
static struct err *see_through(struct task_reader *r, uint64_t object, uint64_t *ret)
{
	const struct py_type *t;
	*ret = object;
	struct err *err = val_type_of(&r->v, object, &t);
	if (err || !(task_type_is(r, t, "weakref.ReferenceType") || task_type_is(r, t, "weakref")))
		return err;
	err = val_word(&r->v, object, r->lay.weakref.target, ret);
	if (!err && *ret && val_is(&r->v, *ret, "NoneType"))
		*ret = 0;
	return err;
}

struct entry {
	uint64_t key, hash;
};

static struct err *
visit_entries(struct task_reader *r, const struct entry *e, size_t n,
	      struct err *(*visit)(struct task_reader *r, uint64_t object, void *arg), void *arg)
{
	struct err *err = NULL;
	for (size_t i = 0; !err && i < n; i++) {
		uint64_t object = 0;
		if (e[i].key && e[i].hash != UINT64_MAX) /* -1: it was removed */
			err = see_through(r, e[i].key, &object);
		if (!err && object)
			err = visit(r, object, arg);
	}
	return err;
}

struct err *task_set_visit(struct task_reader *r, uint64_t addr,
			   struct err *(*visit)(struct task_reader *r, uint64_t object, void *arg),
			   void *arg)
{
	struct py_values *v = &r->v;
	uint64_t mask, table;
	if (!val_is(v, addr, "set") && !val_is(v, addr, "frozenset"))
		return err_new(ERR_BAD_DATA, "no set at 0x%" PRIx64, addr);
	struct err *err = val_word(v, addr, v->lay.set.mask, &mask);
	if (!err)
		err = val_word(v, addr, v->lay.set.table, &table);
	if (!err && (mask >= SET_MAX || (mask & (mask + 1)) || table % 8))
		err = err_new(ERR_BAD_DATA, "no set at 0x%" PRIx64, addr);
	for (uint64_t i = 0; !err && i <= mask; i += ENTRIES) {
		struct entry e[ENTRIES];
		uint64_t n = mask + 1 - i < ENTRIES ? mask + 1 - i : ENTRIES;
		task_allow(r);
		err = val_read(v, table + 16 * i, e, 16 * n);
		if (!err)
			err = visit_entries(r, e, n, visit, arg);
	}
	return err;
}
