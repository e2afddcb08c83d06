/* SPDX-License-Identifier: MIT */
/*
 * Most conditions compare a local variable with a number.  That takes four reads, past
 * every cache; anything else walks the thread's stack.
 */
#include "stub/pycheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/condition.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/runtime.h"
#include "qxfer/python/values_priv.h"

#define DIGIT_BITS 30 /* PyLong_SHIFT */

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
	const struct py_offsets *off;
	uint32_t localsplus;
	uint64_t int_type; /* 0: not known yet */
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
	const struct py_runtime *rt;
	struct py_values v = { 0 };
	uint32_t slot;

	if (!c->is_simple)
		return NULL;
	struct err *err = target_space(t, &space);
	if (!err)
		err = python_runtime(c->python, space, &rt);
	if (err)
		return err;
	err = python_values(c->python, space, &limits, &v);
	if (!err) {
		c->off = &rt->off;
		c->localsplus = v.lay.frame.localsplus;
		err = py_local_slot(&v, code, c->simple.name, &slot);
	}
	py_values_end(&v);
	if (!err)
		return note_slot(c, code, slot);
	/* It is not so simple there: a global, a cell. */
	(void)err_catch(&err, ERR_NOT_FOUND);
	return err;
}

static bool raw(struct target *t, uint64_t addr, void *ret, size_t len)
{
	return t->mem.ops->read(t->mem.ctx, addr, ret, len) == len;
}

static const struct slot *find_slot(const struct pycheck *c, uint64_t code)
{
	for (size_t i = 0; i < c->nslots; i++)
		if (c->slots[i].code == code)
			return &c->slots[i];
	return NULL;
}

/* Objects/longobject.c: to 3.11 ob_size has the sign, later lv_tag; digits are 32 bits wide. */
static bool decode_int(const struct py_offsets *off, const uint8_t *object, int64_t *ret)
{
	int64_t tag;
	uint32_t digit[2];
	memcpy(&tag, object + off->integer.tag, sizeof(tag));
	memcpy(digit, object + off->integer.digits, sizeof(digit));
	bool negative = off->int_shift ? (tag & 3) == 2 : tag < 0;
	int64_t n = off->int_shift ? tag >> off->int_shift : negative ? -tag : tag;
	if (n < 0 || n > 2)
		return false;
	if (off->int_shift && (tag & 3) == 1)
		n = 0;
	*ret = n == 0 ? 0 : n == 1 ? digit[0] : (int64_t)digit[1] << DIGIT_BITS | digit[0];
	if (negative)
		*ret = -*ret;
	return true;
}

/* False: it takes more to know. */
static bool holds_simply(struct pycheck *c, struct target *t, const struct pybreak_hit *hit,
			 bool *ret)
{
	const struct slot *s = c->int_type ? find_slot(c, hit->code) : NULL;
	uint64_t object, type;
	uint8_t bytes[40] = { 0 };
	int64_t value;

	if (!s || !hit->frame ||
	    !raw(t, hit->frame + c->localsplus + 8ull * s->slot, &object, sizeof(object)))
		return false;
	object &= ~(uint64_t)c->off->code_tag;
	if (!object || c->off->integer.digits + 8 > sizeof(bytes))
		return false;
	/* The last digits of a small int may lie beyond what is mapped. */
	if (!raw(t, object, bytes, c->off->integer.digits + 8) &&
	    !raw(t, object, bytes, c->off->integer.digits + 4))
		return false;
	memcpy(&type, bytes + c->off->object.type, sizeof(type));
	if (type != c->int_type || !decode_int(c->off, bytes, &value))
		return false;
	*ret = py_relation_holds(c->simple.relation, value, c->simple.number);
	return true;
}

/* ---- anything ---- */

/* The type of ints is known once one was seen in that variable. */
static void learn_type(struct pycheck *c, struct py_values *v, const struct pybreak_hit *hit)
{
	const struct slot *s = c->is_simple ? find_slot(c, hit->code) : NULL;
	uint64_t object, type;

	if (!s || c->int_type)
		return;
	struct err *err = mem_ptr(v->mem, hit->frame + c->localsplus + 8ull * s->slot, &object);
	object &= ~(uint64_t)c->off->code_tag;
	if (!err)
		err = mem_ptr(v->mem, object + c->off->object.type, &type);
	if (!err && val_is_exactly(v, object, "int"))
		c->int_type = type;
	err_drop(err);
}

static const struct py_frame *frame_at(const struct py_snapshot *snap, uint64_t addr)
{
	for (size_t i = 0; i < snap->nframes; i++)
		if (snap->frames[i].addr == addr)
			return &snap->frames[i];
	return NULL;
}

static struct err *evaluate(struct pycheck *c, const struct space *space,
			    const struct pybreak_hit *hit, bool *ret)
{
	const struct py_walk walk = { .tid = hit->tid, .max_frames = 1, .in_passing = true };
	const struct py_snapshot *snap;
	struct py_values v = { 0 };
	struct err *err = python_walk(c->python, space, &walk, &snap);
	const struct py_frame *f = err ? NULL : frame_at(snap, hit->frame);

	if (!err && !f)
		err = err_new(ERR_NOT_FOUND, "its frame is not to be found");
	if (!err)
		err = python_values(c->python, space, &limits, &v);
	if (!err)
		err = py_condition_holds(&v, f, c->condition, ret);
	if (!err)
		learn_type(c, &v, hit);
	py_values_end(&v);
	return err;
}

/* The thread alone, as others run. */
static struct err *evaluate_alone(struct pycheck *c, struct target *t,
				  const struct pybreak_hit *hit, bool *ret)
{
	struct space_thread thread = { .tid = hit->tid };
	struct space space = {
		.mem = &t->mem,
		.maps = &t->maps,
		.threads = &thread,
		.nthreads = 1,
		.epoch = t->epoch,
	};
	struct err *err = target_reg_uint(t, hit->tid, t->arch->tp, &thread.tp);
	return err ? err : evaluate(c, &space, hit, ret);
}

bool pycheck_holds(void *check, struct target *t, const struct pybreak_hit *hit)
{
	struct pycheck *c = check;
	bool ret = true;

	*c->error = '\0';
	if (holds_simply(c, t, hit, &ret))
		return ret;
	mem_invalidate(&t->mem);
	struct err *err = evaluate_alone(c, t, hit, &ret);
	if (!err)
		return ret;
	snprintf(c->error, sizeof(c->error), "%s", err->msg);
	err_drop(err);
	return true;
}
