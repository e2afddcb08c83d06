/* SPDX-License-Identifier: MIT */
#include "stub/pyregs.h"

#include <string.h>

#include "stub/view.h"

bool pyregs_find(const struct session *s, uint64_t n, enum pyreg *which)
{
	uint16_t first = s->target->arch->nregs;

	if (!s->python || s->target->arch->addr_size != 8 || n < first || n - first >= PYREGS)
		return false;
	*which = (enum pyreg)(n - first);
	return true;
}

struct err *pyregs_read(struct session *s, pid_t tid, enum pyreg which, uint64_t *ret)
{
	const struct space *space;
	pid_t real = view_real_thread(s, tid);

	*ret = 0;
	if (!real)
		return err_new(ERR_NOT_FOUND, "no thread %d", tid);
	struct err *err = target_space(s->target, &space);
	if (!err)
		err = pyregs_value(s->python, space, real, which, false, ret);
	if (!err && which == PYREG_FILE)
		*ret = view_file(s, tid);
	if (err_catch(&err, ERR_NOT_FOUND))
		return NULL; /* no Python in this process */
	if (err && err->code != ERR_NOMEM) {
		err_drop(err);
		return err_new(ERR_NOT_FOUND, "%s is not available", pyregs_name(which));
	}
	return err;
}

/* From the hit itself, which holds the thread pointer's regset on x86. */
static uint64_t thread_pointer(const struct target *t, const struct target_hit *hit)
{
	const struct reg *r = &t->arch->regs[t->arch->tp];
	uint8_t value[REG_MAX] = { 0 };
	uint64_t tp;

	if (r->set == t->arch->regs[t->arch->pc].set && r->offset + r->size <= hit->regset_size)
		arch_reg_get(r, hit->regset, value);
	memcpy(&tp, value, sizeof(tp));
	return tp;
}

struct err *pyregs_read_hit(struct session *s, const struct target_hit *hit, enum pyreg which,
			    uint64_t *ret)
{
	struct target *t = s->target;
	const struct space_thread thread = { .tid = hit->tid, .tp = thread_pointer(t, hit) };
	const struct space *built;
	struct space space;

	*ret = 0;
	if (which == PYREG_FILE)
		return err_new(ERR_UNSUPPORTED, "pyfile is made when all is stopped");
	/* The mappings of the last stop: Python does not move. */
	for (unsigned int i = t->space_stop ? 0 : 1; i < 2; i++) {
		struct err *err = i ? target_space(t, &built) : NULL;
		if (err)
			return err;
		space = t->space;
		space.threads = &thread;
		space.nthreads = 1;
		err = pyregs_value(s->python, &space, hit->tid, which, true, ret);
		if (!err_catch(&err, ERR_NOT_FOUND))
			return err;
	}
	return NULL;
}
