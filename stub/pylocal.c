/* SPDX-License-Identifier: MIT */
#include "stub/pylocal.h"

#include <string.h>

#include "qxfer/python/runtime.h"
#include "qxfer/python/values_priv.h"

#define DIGIT_BITS 30 /* PyLong_SHIFT */

struct err *pylocal_slot(struct pylocals *p, struct python *py, const struct space *space,
			 uint64_t code, const char *name, uint32_t *ret)
{
	static const struct py_limits limits = { .bytes = 1000 };
	const struct py_runtime *rt;
	struct py_values v = { 0 };

	struct err *err = python_runtime(py, space, &rt);
	if (err)
		return err;
	err = python_values(py, space, &limits, &v);
	if (!err) {
		p->off = &rt->off;
		p->localsplus = v.lay.frame.localsplus;
		err = py_local_slot(&v, code, name, ret);
	}
	py_values_end(&v);
	return err;
}

/* ---- ints ---- */

static bool raw(struct target *t, uint64_t addr, void *ret, size_t len)
{
	return t->mem.ops->read(t->mem.ctx, addr, ret, len) == len;
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

bool pylocal_read_int(const struct pylocals *p, struct target *t, uint64_t frame, uint32_t slot,
		      int64_t *ret)
{
	uint64_t object, type;
	uint8_t bytes[64] = { 0 };

	if (!p->int_type || !frame ||
	    !raw(t, frame + p->localsplus + 8ull * slot, &object, sizeof(object)))
		return false;
	object &= ~(uint64_t)p->off->code_tag;
	if (!object || p->off->integer.digits + 8 > sizeof(bytes))
		return false;
	/* The last digits of a small int may lie beyond what is mapped. */
	if (!raw(t, object, bytes, p->off->integer.digits + 8) &&
	    !raw(t, object, bytes, p->off->integer.digits + 4))
		return false;
	memcpy(&type, bytes + p->off->object.type, sizeof(type));
	return type == p->int_type && decode_int(p->off, bytes, ret);
}

void pylocal_learn(struct pylocals *p, struct py_values *v, uint64_t frame, uint32_t slot)
{
	uint64_t object, type;

	if (p->int_type || !p->off)
		return;
	struct err *err = mem_ptr(v->mem, frame + p->localsplus + 8ull * slot, &object);
	object &= ~(uint64_t)p->off->code_tag;
	if (!err)
		err = mem_ptr(v->mem, object + p->off->object.type, &type);
	if (!err && val_is_exactly(v, object, "int"))
		p->int_type = type;
	err_drop(err);
}

/* ---- anything ---- */

struct err *pylocal_space(struct target *t, const struct pybreak_hit *hit,
			  struct space_thread *thread, struct space *ret)
{
	*thread = (struct space_thread){ .tid = hit->tid };
	*ret = (struct space){ .mem = &t->mem,
			       .maps = &t->maps,
			       .threads = thread,
			       .nthreads = 1,
			       .epoch = t->epoch };
	mem_invalidate(&t->mem);
	return target_reg_uint(t, hit->tid, t->arch->tp, &thread->tp);
}

static const struct py_frame *frame_at(const struct py_snapshot *snap, uint64_t addr)
{
	for (size_t i = 0; i < snap->nframes; i++)
		if (snap->frames[i].addr == addr)
			return &snap->frames[i];
	return NULL;
}

struct err *pylocal_open(struct python *py, const struct space *space,
			 const struct pybreak_hit *hit, const struct py_limits *limits,
			 struct py_values *v, const struct py_frame **ret)
{
	const struct py_walk walk = { .tid = hit->tid, .max_frames = 1, .in_passing = true };
	const struct py_snapshot *snap;

	struct err *err = python_walk(py, space, &walk, &snap);
	if (err)
		return err;
	*ret = frame_at(snap, hit->frame);
	if (!*ret)
		return err_new(ERR_NOT_FOUND, "its frame is not to be found");
	return python_values(py, space, limits, v);
}
