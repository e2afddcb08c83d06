/* SPDX-License-Identifier: MIT */
/*
 * Objects/genobject.c, _PyGen_yf() and what it asks, 3.6 to 3.15.
 */
#include "qxfer/python/tasks_gen.h"

#include <inttypes.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define STACK_MAX     (1u << 20) /* values on one frame's stack */
#define YIELD_FROM    72u	 /* the opcode, 3.6 to 3.10 */

bool gen_is(struct task_reader *r, uint64_t addr, enum py_await_kind *kind)
{
	static const struct {
		const char *type;
		enum py_await_kind kind;
	} kinds[] = {
		{ "coroutine", PY_AWAIT_COROUTINE },
		{ "generator", PY_AWAIT_GENERATOR },
		{ "async_generator", PY_AWAIT_ASYNC_GENERATOR },
	};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!val_is(&r->v, addr, kinds[i].type))
			continue;
		*kind = kinds[i].kind;
		return true;
	}
	return false;
}

/* ---- states ---- */

/* enum _framestate from the lowest value on; AWAITING is a suspension that names its object. */
enum { C = GEN_CREATED, S = GEN_SUSPENDED, R = GEN_RUNNING, F = GEN_FINISHED, AWAITING = 8, X };

static struct err *state_of_byte(struct task_reader *r, uint64_t addr, int *ret)
{
	static const struct {
		int first;
		int8_t state[8];
	} states[] = {
		[PY_GEN_311] = { -2, { C, S, R, F, X, X, F, X } },
		[PY_GEN_313] = { -3, { C, S, AWAITING, R, F, X, X, F } },
		[PY_GEN_315] = { 0, { C, S, AWAITING, AWAITING, R, F, X, X } },
	};
	int8_t state;
	if (r->v.lay.generator.state == PY_NONE || r->v.lay.gen_states >= ARRAY_SIZE(states))
		return err_new(ERR_BAD_DATA, "the layout of generators is not known");
	struct err *err = val_read(&r->v, addr + r->v.lay.generator.state, &state, 1);
	if (err)
		return err;
	int i = state - states[r->v.lay.gen_states].first;
	*ret = i >= 0 && i < 8 ? states[r->v.lay.gen_states].state[i] : X;
	if (*ret == X)
		return err_new(ERR_BAD_DATA, "the coroutine at 0x%" PRIx64 " has unknown state %d",
			       addr, state);
	return NULL;
}

/* To 3.10 the frame knows, and the object whether it runs. */
static struct err *state_of_frame(struct task_reader *r, uint64_t addr, uint64_t frame, int *ret)
{
	const struct py_task_layout *lay = &r->lay;
	static const uint8_t states[] = { C, S, R, F }; /* 3.10, enum _framestate from -2 on */
	uint8_t running = 0;
	int8_t state = 0;
	int32_t lasti = 0;
	*ret = F;
	if (!frame)
		return NULL;
	if (lay->frame.state != PY_NONE) {
		struct err *err = val_read(&r->v, frame + lay->frame.state, &state, 1);
		*ret = state < -2 || state > 0 ? F : states[state + 2];
		return err;
	}
	struct err *err = val_read(&r->v, frame + lay->frame.lasti, &lasti, sizeof(lasti));
	if (!err)
		err = val_read(&r->v, addr + lay->generator.running, &running, 1);
	*ret = running ? R : lasti < 0 ? C : S;
	return err;
}

/* ---- what it has given control to ---- */

/* Whether it is suspended at an await or a yield from, or at a plain yield. */
static struct err *delegates(struct task_reader *r, uint64_t frame, bool *ret)
{
	const struct py_task_layout *lay = &r->lay;
	uint64_t code, bytes, instr;
	int32_t lasti;
	uint8_t byte = 0;
	*ret = false;
	if (lay->frame.lasti == PY_NONE) {
		/* 3.11, 3.12: what comes next is RESUME, whose argument tells. */
		struct err *err = val_word(&r->v, frame, r->w->off->frame.instr, &instr);
		if (!err)
			err = val_read(&r->v, instr + 3, &byte, 1);
		*ret = (byte & 3) >= 2;
		return err;
	}
	struct err *err = val_word(&r->v, frame, lay->frame.code, &code);
	if (!err)
		err = val_word(&r->v, code, lay->code.code, &bytes);
	if (!err)
		err = val_read(&r->v, frame + lay->frame.lasti, &lasti, sizeof(lasti));
	if (err || lasti < 0)
		return err;
	uint64_t at = lay->frame.state != PY_NONE ? 2 * (uint64_t)lasti : (uint64_t)lasti;
	err = val_read(&r->v, bytes + r->v.off->bytes.data + at + 2, &byte, 1);
	*ret = byte == YIELD_FROM;
	return err;
}

/* The address behind the topmost value of a suspended frame's stack, or 0. */
static struct err *stack_end(struct task_reader *r, uint64_t frame, uint64_t *ret)
{
	const struct py_task_layout *lay = &r->lay;
	uint64_t begin = frame + r->v.lay.frame.localsplus;
	uint32_t n = 0;
	*ret = 0;
	if (lay->frame.pointer != PY_NONE)
		return val_word(&r->v, frame, lay->frame.pointer, ret);
	uint32_t at = lay->frame.index != PY_NONE ? lay->frame.index : lay->frame.depth;
	struct err *err = at == PY_NONE ? NULL : val_read(&r->v, frame + at, &n, sizeof(n));
	if (!err && lay->frame.index == PY_NONE)
		err = val_word(&r->v, frame, lay->frame.stack, &begin);
	if (!err && n && n < STACK_MAX)
		*ret = begin + 8ull * n;
	return err;
}

/* 3.15 keeps an index beside what is iterated: a tagged int, or NULL, which has a tag, too. */
static bool is_index(uint64_t value)
{
	return value < 4096 || (value & 3) == 3;
}

static struct err *stack_top(struct task_reader *r, uint64_t frame, uint64_t *ret)
{
	uint64_t end;
	*ret = 0;
	struct err *err = stack_end(r, frame, &end);
	if (err || end < 16 || end % 8)
		return err;
	err = val_word(&r->v, end - 8, 0, ret);
	if (!err && is_index(*ret) && PY_MINOR(r->w->off->version_hex) >= 0x030f)
		err = val_word(&r->v, end - 16, 0, ret);
	*ret &= ~(uint64_t)r->w->off->code_tag;
	return err;
}

struct err *gen_read(struct task_reader *r, uint64_t addr, enum py_await_kind kind, struct gen *ret)
{
	bool embedded = r->lay.frame.lasti == PY_NONE, gives = false;
	int state;
	*ret = (struct gen){ .kind = kind, .frame = addr + r->lay.generator.frame };
	struct err *err = val_word(&r->v, addr, r->v.lay.generator.qualname, &ret->qualname);
	if (!err && !embedded)
		err = val_word(&r->v, addr, r->lay.generator.frame, &ret->frame);
	if (!err)
		err = embedded ? state_of_byte(r, addr, &state)
			       : state_of_frame(r, addr, ret->frame, &state);
	if (err)
		return err;
	ret->state = state == AWAITING ? GEN_SUSPENDED : (enum gen_state)state;
	if (ret->state == GEN_FINISHED)
		ret->frame = 0;
	if (ret->state != GEN_SUSPENDED)
		return NULL;
	if (state == AWAITING)
		gives = true;
	else if (!embedded || r->v.lay.gen_states == PY_GEN_311)
		err = delegates(r, ret->frame, &gives);
	return err || !gives ? err : stack_top(r, ret->frame, &ret->awaited);
}

uint64_t gen_of_frame(struct task_reader *r, const struct py_frame *f)
{
	uint64_t gen = 0;
	if (f->owner != PY_OWNER_GENERATOR)
		return 0;
	if (r->lay.frame.lasti == PY_NONE)
		return f->addr - r->lay.generator.frame;
	struct err *err = val_word(&r->v, f->addr, r->w->off->frame.generator, &gen);
	err_drop(err);
	return err ? 0 : gen;
}
