/* SPDX-License-Identifier: MIT */
#include "tests/exact/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* call rel32, or call r/m64 (ff /2) of any length: Intel SDM, "CALL". */
static bool follows_call(struct mem *m, uint64_t pc)
{
	uint8_t code[8];
	if (mem_read_some(m, pc - sizeof(code), code, sizeof(code)) != sizeof(code))
		return false;
	if (code[3] == 0xe8)
		return true;
	for (size_t i = 1; i <= 6; i++)
		if (code[i] == 0xff && (code[i + 1] >> 3 & 7) == 2)
			return true;
	return false;
}

static const char *check_frames(const struct space *s, const struct native_stack *st)
{
	for (size_t i = 0; i < st->n; i++) {
		const struct native_frame *f = &st->frames[i];
		/* libffi's way into a callback: code made at run time, with no table. */
		if (!f->module)
			return i ? "code of no file" : NULL;
		if (!f->exact && !follows_call(s->mem, f->pc))
			return "a return address behind no call";
		if (i && !f[-1].signal && f->sp != f[-1].cfa)
			return "frames that do not join";
	}
	return NULL;
}

/* Each of the state's Python frames once, in order; another state may be of the same thread. */
static const char *check_places(const struct py_mixed *m, const struct py_thread *t)
{
	size_t next = t->first_frame;
	for (size_t i = 0; i < m->n; i++) {
		const struct py_mixed_item *item = &m->items[i];
		if (item->kind != PY_MIXED_PYTHON || item->index < t->first_frame ||
		    item->index >= t->first_frame + t->nframes)
			continue;
		if (item->index != next++)
			return "Python frames out of order";
	}
	return next == t->first_frame + t->nframes ? NULL : "Python frames are missing";
}

static const char *check_loops(const struct py_mixed *m, struct native_tally *tally)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct py_mixed_item *item = &m->items[i];
		int32_t runs = item->loop;
		tally->loops += runs >= 0;
		tally->entering += runs == 0;
		for (size_t k = i; runs > 0; runs--, k--)
			if (!k || m->items[k - 1].kind != PY_MIXED_PYTHON)
				return "a loop without its frames";
	}
	return NULL;
}

const char *native_check(struct python *py, const struct space *s, const struct py_thread *t,
			 struct native_tally *tally, struct py_mixed *ret)
{
	struct err *err = python_mixed(py, s, t->tid, ret);
	if (err) {
		err_drop(err);
		return "out of memory";
	}
	tally->stacks++;
	tally->frames += ret->native.n;
	/*
	 * A stop may fall into a closure's few instructions, which no table describes (libffi;
	 * made at run time, or a page of its own file mapped once more), or between the
	 * stores that enter a loop: then it is said, and nothing is misplaced.
	 */
	const struct native_stack *st = &ret->native;
	bool cut = st->cut && !tally->may_be_cut;
	if (ret->mismatch || (cut && st->n == 1)) {
		tally->marked++;
		return NULL;
	}
	const char *wrong = check_frames(s, st);
	if (!wrong && cut)
		wrong = st->cut;
	if (!wrong)
		wrong = check_places(ret, t);
	if (!wrong)
		wrong = check_loops(ret, tally);
	return wrong;
}

void native_show(const struct py_mixed *m, const struct py_snapshot *snap)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct py_mixed_item *item = &m->items[i];
		const struct native_frame *f = &m->native.frames[item->index];
		if (item->kind == PY_MIXED_PYTHON)
			printf("    %s frame 0x%" PRIx64 " loop at 0x%" PRIx64 "\n",
			       snap->frames[item->index].qualname, snap->frames[item->index].addr,
			       snap->frames[item->index].c_frame);
		else if (item->kind == PY_MIXED_CUT)
			printf("    cut: %s\n", m->native.cut);
		else
			printf("    C 0x%" PRIx64 " %s+%" PRIu64 " [0x%" PRIx64 ",0x%" PRIx64
			       ") runs %d\n",
			       f->pc, f->symbol ? f->symbol : "?", f->offset, f->sp, f->cfa,
			       (int)item->loop);
	}
}
