/* SPDX-License-Identifier: MIT */
#include "stub/pybreak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/base/image.h"
#include "stub/pybreak_priv.h"

#define DEBUG_TRIED  0x030bu
#define CACHE	     0u	     /* the opcode */
#define TYPE_DEALLOC 48u     /* PyTypeObject.tp_dealloc, 3.8 to 3.15 with a GIL */
#define MARK_FIRST   110u    /* no version has anything else than undefined opcodes to lose above */
#define LOOP_BEFORE  0x2000u /* code of the loop ahead of its first handler */
#define LOOP_AFTER   0x8000u /* and behind the begin of its last */

struct err *pybreak_create(struct pybreak **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? NULL : &err_nomem;
}

static void forget(struct pybreak *pb)
{
	pb->nplaces = pb->nwants = pb->nstops = pb->ngone = 0;
	pb->ready = pb->trapped = false;
	pb->epoch = pb->dealloc = 0;
	pb->step = (struct step){ 0 };
	memset(pb->tstates, 0, sizeof(pb->tstates));
}

void pybreak_destroy(struct pybreak *pb)
{
	if (!pb)
		return;
	free(pb->place);
	free(pb->want);
	free(pb->stop);
	free(pb->gone);
	free(pb);
}

void pybreak_bind(struct pybreak *pb, struct target *t, struct python *py)
{
	if (!pb)
		return;
	forget(pb);
	pb->target = t;
	pb->python = py;
	t->catcher = pybreak_catcher;
	t->catcher.arg = pb;
}

/* ---- whether it can be done ---- */

static struct err *check_build(const struct py_runtime *rt)
{
	if (rt->off.build == PY_BUILD_FREE_THREADED)
		return err_new(ERR_STATE, "Python breakpoints are not made in free-threaded "
					  "Python: each thread has copies of its instructions");
	if (!rt->verified)
		return err_new(ERR_STATE,
			       "Python breakpoints are not made in Python %u.%u: it "
			       "was not tried",
			       rt->off.version_hex >> 24, rt->off.version_hex >> 16 & 0xff);
	return NULL;
}

/* PyInterpreterState.jit, of the builds that may have one. */
static const struct {
	uint32_t version_hex, offset;
} jits[] = { { 0x030e0af0, 223184 }, { 0x030f02f0, 223408 } };

/* PyCodeObject.co_executors, 3.13 to 3.15: what was made of its loops. */
#define CODE_EXECUTORS 152u
#define JIT_SINCE      0x030d0000u
#define JIT_VARIABLE   "PYTHON_JIT="

static bool jit_flag(const struct pybreak *pb)
{
	struct mem *m = &pb->target->mem;
	uint64_t interp = 0;
	uint8_t on = 0;

	struct err *err = mem_ptr(m, pb->runtime + pb->off.runtime.interpreters_head, &interp);
	err_drop(err);
	for (size_t i = 0; interp && i < sizeof(jits) / sizeof(jits[0]); i++)
		if (jits[i].version_hex == pb->off.version_hex &&
		    mem_read_some(m, interp + jits[i].offset, &on, 1) == 1 && on == 1)
			return true;
	return false;
}

static bool has_executors(const struct pybreak *pb, uint64_t code)
{
	uint64_t executors = 0;
	struct err *err = mem_ptr(&pb->target->mem, code + CODE_EXECUTORS, &executors);
	err_drop(err);
	return executors != 0;
}

/* Whether the program's environment asks for it; NUL ends each variable. */
static bool is_asked_for(pid_t pid)
{
	char path[32], text[65536], *at = text;
	bool asked = false;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	for (; at < text + n; at += strlen(at) + 1)
		if (strncmp(at, JIT_VARIABLE, strlen(JIT_VARIABLE)) == 0)
			asked = at[strlen(JIT_VARIABLE)] && at[strlen(JIT_VARIABLE)] != '0';
	return asked;
}

/* Code that a JIT has made does not pass our places, and it may not survive our opcode. */
static struct err *check_jit(const struct pybreak *pb, uint64_t code)
{
	if (pb->off.version_hex < JIT_SINCE ||
	    (!jit_flag(pb) && !has_executors(pb, code) && !is_asked_for(pb->target->pid)))
		return NULL;
	return err_new(ERR_STATE, "Python breakpoints are not made while Python's JIT is on "
				  "(PYTHON_JIT=0 in its environment switches it off)");
}

static void choose_marks(struct pybreak *pb)
{
	size_t n = 0;
	for (unsigned int op = MARK_FIRST; op < 256 && n < 2; op++)
		if (pb->opcodes->undefined[op])
			pb->mark[n++] = (uint8_t)op;
}

static void find_loop(struct pybreak *pb)
{
	pb->lo = UINT64_MAX;
	pb->hi = 0;
	for (size_t i = 0; i < 256; i++) {
		uint64_t at = pb->handlers.target[i];
		pb->lo = at < pb->lo ? at : pb->lo;
		pb->hi = at > pb->hi ? at : pb->hi;
	}
	pb->lo -= LOOP_BEFORE;
	pb->hi += LOOP_AFTER;
}

/* The code objects' type, by the code of some frame; its destructor. */
static struct err *find_dealloc(struct pybreak *pb, uint64_t code, uint64_t *type)
{
	struct mem *m = &pb->target->mem;
	struct err *err = mem_ptr(m, code + pb->off.object.type, type);
	return err ? err : mem_ptr(m, *type + TYPE_DEALLOC, &pb->dealloc);
}

/* What the image that has @type at @addr exports; 0: nothing of that name. */
static uint64_t find_symbol(const struct space *space, uint64_t type, const char *name)
{
	const struct map *in = maps_find(space->maps, type);
	struct image_symbol sym;
	uint64_t found = 0;

	for (size_t i = 0; in && i < space->maps->n && !found; i++) {
		const struct map *m = &space->maps->map[i];
		struct image img;
		if (m->inode != in->inode || m->dev != in->dev || m->offset)
			continue;
		struct err *err = image_open(space->mem, m->start, &img);
		if (!err && image_find_dynamic(&img, name, &sym))
			found = sym.addr;
		if (!err)
			image_deinit(&img);
		err_drop(err);
	}
	return found;
}

/* Where calls begin in versions that have no RESUME. */
static void find_entry(struct pybreak *pb, const struct space *space, uint64_t type)
{
	pb->entry = pb->bias ? find_symbol(space, type, "_PyEval_EvalFrameDefault") : 0;
}

/*
 * Debug builds have the same layouts, and count all references (Include/refcount.h).  From
 * 3.12 on they assert() what instructions are next to each other: FOR_ITER looks for its
 * END_FOR, instrumentation for what it has put there.
 */
static struct err *check_debug(const struct pybreak *pb, const struct space *space, uint64_t type)
{
	if (pb->opcodes->minor == DEBUG_TRIED ||
	    (!find_symbol(space, type, "_Py_GetRefTotal") &&
	     !find_symbol(space, type, "_Py_GetGlobalRefTotal")))
		return NULL;
	return err_new(ERR_STATE, "Python breakpoints are not made in debug builds but "
				  "3.11's: their checks would end the program");
}

static struct err *learn(struct pybreak *pb, uint64_t code)
{
	const struct space *space;
	const struct py_runtime *rt;
	uint64_t type;
	struct err *err = target_space(pb->target, &space);
	if (!err)
		err = python_runtime(pb->python, space, &rt);
	if (!err)
		err = check_build(rt);
	if (err)
		return err;
	pb->opcodes = py_opcodes_find(rt->off.version_hex);
	if (!pb->opcodes)
		return err_new(ERR_STATE, "Python breakpoints need Python 3.8 to 3.15");
	pb->off = rt->off;
	pb->runtime = rt->addr;
	pb->bias = rt->off.lasti_unit ? 2 : 0;
	pb->pointers = 0x7fff;
	choose_marks(pb);
	err = check_jit(pb, code);
	if (!err)
		err = find_dealloc(pb, code, &type);
	if (!err)
		err = check_debug(pb, space, type);
	if (!err)
		err = py_handlers_find(space, pb->opcodes, type, &pb->handlers);
	if (err)
		return err;
	find_loop(pb);
	find_entry(pb, space, type);
	pb->epoch = space->epoch;
	pb->ready = true;
	return NULL;
}

/* The code of any Python frame. */
static struct err *some_code(struct pybreak *pb, uint64_t *ret)
{
	const struct py_walk walk = { .max_frames = 1 };
	const struct py_snapshot *snap;
	const struct space *space;
	struct err *err = target_space(pb->target, &space);
	if (!err)
		err = python_walk(pb->python, space, &walk, &snap);
	if (err)
		return err;
	for (size_t i = 0; i < snap->nframes; i++) {
		if (snap->frames[i].corrupt || !snap->frames[i].code_addr)
			continue;
		*ret = snap->frames[i].code_addr;
		return NULL;
	}
	return err_new(ERR_NOT_FOUND, "no Python code runs yet");
}

struct err *pybreak_ready(struct pybreak *pb)
{
	uint64_t code;

	if (!pb->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (!pb->target->own || pb->target->look || pb->target->pid <= 0)
		return err_new(ERR_STATE, "there is no process that can be changed");
	if (pb->epoch && pb->epoch != pb->target->epoch)
		forget(pb);
	if (pb->ready)
		return NULL;
	struct err *err = some_code(pb, &code);
	return err ? err : learn(pb, code);
}

/* ---- places ---- */

struct err *pybreak_send(struct pybreak *pb, uint8_t op)
{
	struct target *t = pb->target;
	struct err *err = NULL;

	for (unsigned int i = 0; i < 8 && !err; i++)
		err = t->own->put(t, pb->handlers.table + 8ull * op + i,
				  (uint8_t)(pb->handlers.unknown >> (8 * i)), false);
	return err;
}

void pybreak_send_back(struct pybreak *pb, uint8_t op)
{
	for (unsigned int i = 0; i < 8; i++)
		pb->target->own->take(pb->target, pb->handlers.table + 8ull * op + i);
}

void pybreak_untrap(struct pybreak *pb)
{
	if (!pb->trapped)
		return;
	pb->target->own->take(pb->target, pb->handlers.unknown);
	pb->target->own->take(pb->target, pb->dealloc);
	pybreak_send_back(pb, CACHE);
	pb->trapped = false;
}

struct err *pybreak_trap(struct pybreak *pb)
{
	if (pb->trapped)
		return NULL;
	struct err *err = pb->target->own->trap(pb->target, pb->handlers.unknown);
	if (!err)
		err = pb->target->own->trap(pb->target, pb->dealloc);
	/* Tracing (3.11) takes an undefined opcode for CACHE, which nothing else ever executes. */
	if (!err && !pb->bias)
		err = pybreak_send(pb, CACHE);
	pb->trapped = true;
	if (err)
		pybreak_untrap(pb);
	return err;
}

struct err *pybreak_insert(struct pybreak *pb, enum pybreak_user user, uint64_t code,
			   uint32_t offset, pybreak_condition *holds, void *arg)
{
	const struct want w = {
		.user = user, .code = code, .offset = offset, .holds = holds, .arg = arg
	};
	struct err *err = pybreak_ready(pb);
	if (!err)
		err = pybreak_trap(pb);
	if (!err)
		err = pybreak_want(pb, &w);
	mem_invalidate(&pb->target->mem);
	return err;
}

static bool is_same(const struct want *w, const void *arg)
{
	const struct want *other = arg;
	return w->user == other->user && w->code == other->code && w->offset == other->offset;
}

static bool is_users(const struct want *w, const void *arg)
{
	return w->user & *(const unsigned int *)arg;
}

static bool is_ours(const struct pybreak *pb)
{
	return pb->ready && pb->target->pid > 0 && pb->epoch == pb->target->epoch;
}

struct err *pybreak_remove(struct pybreak *pb, enum pybreak_user user, uint64_t code,
			   uint32_t offset)
{
	const struct want w = { .user = user, .code = code, .offset = offset };
	if (is_ours(pb))
		pybreak_drop(pb, is_same, &w);
	return NULL;
}

void pybreak_clear(struct pybreak *pb, unsigned int users)
{
	if (!pb)
		return;
	if (!is_ours(pb)) {
		forget(pb);
		return;
	}
	pybreak_drop(pb, is_users, &users);
	if (!pb->nwants) {
		pybreak_settle(pb);
		pybreak_untrap(pb);
	}
	mem_invalidate(&pb->target->mem);
}

bool pybreak_gone(struct pybreak *pb, enum pybreak_user user, uint64_t *code, uint32_t *offset)
{
	for (size_t i = 0; i < pb->ngone; i++) {
		if (pb->gone[i].user != user)
			continue;
		*code = pb->gone[i].code;
		*offset = pb->gone[i].offset;
		pb->gone[i] = pb->gone[--pb->ngone];
		return true;
	}
	return false;
}

bool pybreak_stopped_at(const struct pybreak *pb, const struct stop_event *ev,
			struct pybreak_hit *ret)
{
	for (size_t i = 0; pb && ev->kind == STOP_OWN && i < pb->nstops; i++) {
		if (pb->stop[i].hit.tid != ev->tid)
			continue;
		*ret = pb->stop[i].hit;
		return true;
	}
	return false;
}
