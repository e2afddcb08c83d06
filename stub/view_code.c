/* SPDX-License-Identifier: MIT */
/* Code objects on the stacks of a stop, each registered once. */
#include <stdlib.h>

#include "qxfer/python/describe.h"
#include "qxfer/python/functions.h"
#include "stub/view_priv.h"

static struct view_memo *find_memo(struct view_memo *memo, size_t slots, uint64_t addr)
{
	size_t i = (addr >> 4) * 0x9e3779b97f4a7c15ull >> 32 & (slots - 1);
	while (memo[i].addr && memo[i].addr != addr)
		i = (i + 1) & (slots - 1);
	return &memo[i];
}

static bool grow_memo(struct view *v)
{
	size_t slots = v->memo_slots ? v->memo_slots * 2 : 256;
	struct view_memo *memo = calloc(slots, sizeof(*memo));
	if (!memo)
		return false;
	for (size_t i = 0; i < v->memo_slots; i++)
		if (v->memo[i].addr)
			*find_memo(memo, slots, v->memo[i].addr) = v->memo[i];
	free(v->memo);
	v->memo = memo;
	v->memo_slots = slots;
	return true;
}

static struct err *add(struct view *v, const struct synth_code *code,
		       const struct synth_function **ret)
{
	struct err *err = synth_add(v->synth, code, ret);
	if (!err || err->code == ERR_NOMEM)
		return err;
	*ret = NULL;
	if (err->code == ERR_STATE && !v->full) {
		v->full = true;
		return err;
	}
	err_drop(err); /* a frame without a name is one all the same */
	return NULL;
}

const struct synth_function *view_function(struct session *s, const struct space *space,
					   uint64_t addr, struct err **err)
{
	struct view *v = s->view;
	struct synth_code code;

	*err = NULL;
	if (!addr || v->nmemo >= VIEW_CODES_MAX)
		return NULL;
	if ((v->nmemo + 1) * 2 > v->memo_slots && !grow_memo(v)) {
		*err = &err_nomem;
		return NULL;
	}
	struct view_memo *m = find_memo(v->memo, v->memo_slots, addr);
	if (m->addr)
		return m->function;
	*err = python_describe_code(s->python, space, addr, &v->arena, &code);
	if (!*err)
		*err = add(v, &code, &m->function);
	if (*err)
		return NULL;
	m->addr = addr;
	v->nmemo++;
	return m->function;
}

const struct synth_function *view_nothing(struct view *v, const char *why, struct err **err)
{
	const struct synth_code code = { .name = why, .file = "<corrupt>", .len = 2 };
	const struct synth_function *f = NULL;
	*err = add(v, &code, &f);
	return f;
}

/* ---- functions that are on no stack ---- */

struct collector {
	uint64_t *addr;
	size_t n, cap;
	bool failed;
};

static bool collect(void *arg, struct py_code *code)
{
	struct collector *c = arg;

	if (code->corrupt || code->absent || code->trampoline)
		return true;
	c->failed = !view_grow((void **)&c->addr, c->n, &c->cap, sizeof(*c->addr));
	if (c->failed)
		return false;
	c->addr[c->n++] = code->addr;
	return c->n < VIEW_CODES_MAX;
}

static struct err *add_function(struct session *s, const struct space *space, struct arena *arena,
				uint64_t addr)
{
	const struct synth_function *f;
	struct synth_code code;
	struct err *err = python_describe_code(s->python, space, addr, arena, &code);
	if (!err)
		err = synth_add(s->view->synth, &code, &f);
	arena_reset(arena);
	if (!err || err->code == ERR_NOMEM || err->code == ERR_STATE)
		return err;
	err_drop(err); /* too long to be one */
	return NULL;
}

/* What there is no room for cannot be stopped at; what is on a stack has come first. */
static struct err *add_functions(struct session *s, const struct space *space)
{
	struct collector c = { 0 };
	struct arena arena = { 0 };

	struct err *err = python_functions(s->python, space, collect, &c);
	for (size_t i = 0; !err && i < c.n; i++)
		err = add_function(s, space, &arena, c.addr[i]);
	arena_deinit(&arena);
	free(c.addr);
	return err;
}

void view_add_functions(struct session *s)
{
	struct view *v = s->view;
	const struct space *space;
	uint64_t size;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_namespaces(s->python, space, &size);
	if (!err && size != v->namespaces) {
		err = add_functions(s, space);
		v->namespaces = size;
	}
	if (err)
		session_log(s, DEBUG_GENERAL, "not all of Python's functions: %s", err->msg);
	err_drop(err);
}
