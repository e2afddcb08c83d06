/* SPDX-License-Identifier: MIT */
#include "qxfer/pyregs.h"

/* clang-format off */
static const struct {
	const char *name, *type;
} regs[PYREGS] = {
	[PYREG_FRAME]  = { "pyframe",  "data_ptr" },
	[PYREG_LINE]   = { "pyline",   "int64" },
	[PYREG_DEPTH]  = { "pydepth",  "int64" },
	[PYREG_CODE]   = { "pycode",   "data_ptr" },
	[PYREG_THREAD] = { "pythread", "data_ptr" },
	[PYREG_FILE]   = { "pyfile",   "data_ptr" },
};
/* clang-format on */

void pyregs_tdesc(uint16_t first, struct buf *out)
{
	buf_puts(out, "<feature name=\"org.archerfish.python\">\n");
	for (unsigned int i = 0; i < PYREGS; i++)
		buf_printf(out,
			   "<reg name=\"%s\" bitsize=\"64\" type=\"%s\" regnum=\"%u\""
			   " group=\"python\" save-restore=\"no\"/>\n",
			   regs[i].name, regs[i].type, first + i);
	buf_puts(out, "</feature>\n");
}

const char *pyregs_name(enum pyreg which)
{
	return regs[which].name;
}

/* Several thread states, of different interpreters, may be of one thread. */
static const struct py_frame *innermost(const struct py_snapshot *snap, pid_t tid,
					const struct py_thread **thread, uint64_t *depth)
{
	const struct py_frame *found = NULL;

	*depth = 0;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid != tid || !t->nframes)
			continue;
		*depth += t->nframes;
		const struct py_frame *f = &snap->frames[t->first_frame];
		if (found && f->depth >= found->depth)
			continue;
		found = f;
		*thread = t;
	}
	return found;
}

static struct err *corrupt(const struct py_snapshot *snap, pid_t tid)
{
	if (snap->corrupt)
		return err_new(ERR_BAD_DATA, "%.100s", snap->corrupt);
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].tid == tid && snap->threads[i].corrupt)
			return err_new(ERR_BAD_DATA, "%.100s", snap->threads[i].corrupt);
	return NULL;
}

struct err *pyregs_value(struct python *py, const struct space *space, pid_t tid, enum pyreg which,
			 bool in_passing, uint64_t *ret)
{
	const struct py_walk walk = {
		.tid = tid,
		.max_frames = in_passing && which != PYREG_DEPTH ? 1 : 0,
		.in_passing = in_passing,
	};
	const struct py_snapshot *snap;
	const struct py_thread *thread = NULL;
	uint64_t depth;

	*ret = 0;
	struct err *err = python_walk(py, space, &walk, &snap);
	if (err)
		return err;
	const struct py_frame *f = innermost(snap, tid, &thread, &depth);
	if (!f)
		return corrupt(snap, tid);
	const uint64_t values[PYREGS] = {
		[PYREG_FRAME] = f->addr,       [PYREG_LINE] = (uint64_t)(int64_t)f->pos.line,
		[PYREG_DEPTH] = depth,	       [PYREG_CODE] = f->code_addr,
		[PYREG_THREAD] = thread->addr,
	};
	*ret = values[which];
	return f->corrupt && which == PYREG_LINE
		       ? err_new(ERR_BAD_DATA, "the code object at 0x%llx is unreadable",
				 (unsigned long long)f->code_addr)
		       : NULL;
}
