/* SPDX-License-Identifier: MIT */
#include "stub/pycheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/condition.h"
#include "stub/pylocal.h"

static const struct py_limits limits = {
	.depth = 20, .items = 1000, .chars = 20000, .bytes = 100000, .reads = 100000
};

struct slot {
	uint64_t code;
	uint32_t slot;
};

struct pycheck {
	struct python *python;
	struct arena arena;
	const struct py_condition *condition;
	char error[160]; /* "" : none */

	/* What a simple one needs. */
	bool is_simple;
	struct py_simple_condition simple;
	struct slot *slots;
	size_t nslots, cap;
	struct pylocals locals;
};

struct err *pycheck_create(struct python *py, const char *text, struct pycheck **ret)
{
	struct pycheck *c = calloc(1, sizeof(*c));
	if (!c)
		return &err_nomem;
	c->python = py;
	struct err *err = py_condition_parse(text, &c->arena, &c->condition);
	if (err) {
		pycheck_destroy(c);
		return err;
	}
	c->is_simple = py_condition_simple(c->condition, &c->simple);
	*ret = c;
	return NULL;
}

void pycheck_destroy(struct pycheck *c)
{
	if (!c)
		return;
	arena_deinit(&c->arena);
	free(c->slots);
	free(c);
}

const char *pycheck_error(const struct pycheck *c)
{
	return *c->error ? c->error : NULL;
}

/* ---- a local and a number ---- */

static struct err *note_slot(struct pycheck *c, uint64_t code, uint32_t slot)
{
	if (c->nslots == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 4;
		struct slot *fresh = reallocarray(c->slots, cap, sizeof(*fresh));
		if (!fresh)
			return &err_nomem;
		c->slots = fresh;
		c->cap = cap;
	}
	c->slots[c->nslots++] = (struct slot){ code, slot };
	return NULL;
}

struct err *pycheck_prepare(struct pycheck *c, struct target *t, uint64_t code)
{
	const struct space *space;
	uint32_t slot;

	if (!c->is_simple)
		return NULL;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	err = pylocal_slot(&c->locals, c->python, space, code, c->simple.name, &slot);
	if (!err)
		return note_slot(c, code, slot);
	/* It is not so simple there: a global, a cell. */
	(void)err_catch(&err, ERR_NOT_FOUND);
	return err;
}

static const struct slot *find_slot(const struct pycheck *c, uint64_t code)
{
	for (size_t i = 0; i < c->nslots; i++)
		if (c->slots[i].code == code)
			return &c->slots[i];
	return NULL;
}

/* False: it takes more to know. */
static bool holds_simply(struct pycheck *c, struct target *t, const struct pybreak_hit *hit,
			 bool *ret)
{
	const struct slot *s = c->locals.int_type ? find_slot(c, hit->code) : NULL;
	int64_t value;

	if (!s || !pylocal_read_int(&c->locals, t, hit->frame, s->slot, &value))
		return false;
	*ret = py_relation_holds(c->simple.relation, value, c->simple.number);
	return true;
}

/* ---- anything ---- */

/* The thread alone, as others run. */
static struct err *evaluate(struct pycheck *c, struct target *t, const struct pybreak_hit *hit,
			    bool *ret)
{
	const struct slot *s = c->is_simple ? find_slot(c, hit->code) : NULL;
	const struct py_frame *f;
	struct space_thread thread;
	struct py_values v = { 0 };
	struct space space;

	struct err *err = pylocal_space(t, hit, &thread, &space);
	if (!err)
		err = pylocal_open(c->python, &space, hit, &limits, &v, &f);
	if (err)
		return err;
	err = py_condition_holds(&v, f, c->condition, ret);
	if (!err && s)
		pylocal_learn(&c->locals, &v, hit->frame, s->slot);
	py_values_end(&v);
	return err;
}

bool pycheck_holds(void *check, struct target *t, const struct pybreak_hit *hit)
{
	struct pycheck *c = check;
	bool ret = true;

	*c->error = '\0';
	if (holds_simply(c, t, hit, &ret))
		return ret;
	struct err *err = evaluate(c, t, hit, &ret);
	if (!err)
		return ret;
	snprintf(c->error, sizeof(c->error), "%s", err->msg);
	err_drop(err);
	return true;
}
