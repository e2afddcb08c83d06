/* SPDX-License-Identifier: MIT */
/* Lists with a line for each thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python_text.h"

/* Frames asked for when only the innermost one is shown; some may be hidden. */
#define TOP_FRAMES 4u

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Where the thread is; it has a frame. */
static void put_brief(struct buf *out, const struct py_snapshot *snap, const struct py_thread *t)
{
	const struct py_frame *f = &snap->frames[t->first_frame];
	if (t->torn)
		buf_puts(out, "<torn> ");
	buf_puts(out, f->name);
	if (f->corrupt)
		return;
	buf_puts(out, " (");
	buf_puts(out, base_name(f->file));
	if (f->pos.line >= 0)
		buf_printf(out, ":%d", f->pos.line);
	buf_puts(out, ")");
}

static struct err *walk_tops(struct python *py, const struct space *s, bool in_passing,
			     const struct py_snapshot **ret)
{
	const struct py_walk walk = { .max_frames = TOP_FRAMES, .in_passing = in_passing };
	return python_walk(py, s, &walk, ret);
}

struct err *python_thread_text(struct python *py, const struct space *s, pid_t tid, struct buf *out)
{
	const struct py_snapshot *snap;
	struct err *err = walk_tops(py, s, true, &snap);
	if (err)
		return err;
	const struct py_thread *t = pytext_find_thread(snap, tid);
	if (!t)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)tid);
	put_brief(out, snap, t);
	return NULL;
}

struct err *python_threads_text(struct python *py, const struct space *s, pid_t tid,
				struct buf *out)
{
	const struct py_snapshot *snap;
	struct err *err = walk_tops(py, s, false, &snap);
	if (err)
		return err;
	const struct py_thread **sorted = pytext_sort_threads(snap);
	if (!sorted)
		return &err_nomem;
	buf_printf(out, "  %-8s %-6s %-5s %-16s %s\n", "Thread", "Interp", "GIL", "Name",
		   "Function");
	size_t stale = pytext_stale(snap, sorted);
	for (size_t i = stale; i < snap->nthreads; i++) {
		const struct py_thread *t = sorted[i];
		const struct py_interp *in = pytext_interp_of(snap, t);
		buf_printf(out, "%c %-8d %-6" PRId64 " %-5s %-16.100s ", t->tid == tid ? '*' : ' ',
			   (int)t->tid, in ? in->id : 0,
			   t->gil	   ? "yes"
			   : t->gil_wanted ? "waits"
					   : "-",
			   t->name ? t->name : "-");
		if (t->nframes)
			put_brief(out, snap, t);
		else
			buf_puts(out, "-");
		pytext_put_exception(out, t);
		buf_puts(out, "\n");
	}
	pytext_put_stale(out, stale);
	free((void *)sorted);
	return NULL;
}
