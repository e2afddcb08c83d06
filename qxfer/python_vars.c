/* SPDX-License-Identifier: MIT */
/* `monitor py-locals', and the frame that it and other commands are about. */
#include <inttypes.h>
#include <stdlib.h>

#include "qxfer/python_text.h"

static struct err *find_frame(const struct py_snapshot *snap, pid_t tid, size_t n,
			      const struct py_frame **ret)
{
	size_t nframes;
	*ret = pytext_frame_at(snap, tid, n, &nframes);
	if (*ret)
		return NULL;
	if (!nframes)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)tid);
	return err_new(ERR_NOT_FOUND, "thread %d has no Python frame %zu", (int)tid, n);
}

struct err *pytext_walk_to(const struct python_view *view, size_t n,
			   const struct py_snapshot **snap, const struct py_frame **ret)
{
	const struct py_walk walk = { .tid = view->tid };
	struct err *err = python_walk(view->py, view->space, &walk, snap);
	return err ? err : find_frame(*snap, view->tid, n, ret);
}

static struct err *parse_frame(const char *args, size_t *ret)
{
	char *end;
	unsigned long n = strtoul(args, &end, 10);
	if (*end || *args == '-' || *args == '+')
		return err_new(ERR_BAD_DATA, "py-locals takes the number of a frame, not %.40s",
			       args);
	if (*args)
		*ret = n;
	return NULL;
}

struct err *python_locals_text(const struct python_view *view, const char *args, struct buf *out)
{
	struct pytext w = { .style = PYTHON_LOCALS, .out = out };
	struct py_values values = { 0 };
	const struct py_frame *f;
	size_t n = view->frame;
	struct err *err = parse_frame(args, &n);
	if (!err)
		err = pytext_walk_to(view, n, &w.snap, &f);
	if (!err)
		err = pytext_want_values(&w, view->py, view->space, &values);
	if (!err)
		pytext_put_locals(&w, f, "");
	py_values_end(&values);
	return err;
}

struct err *python_frame_text(const struct python_view *view, struct buf *out)
{
	struct pytext w = { .quotes = view->quotes, .out = out };
	const struct py_frame *f;
	struct err *err = pytext_walk_to(view, view->frame, &w.snap, &f);
	if (err)
		return err;
	buf_printf(out, "#%zu ", view->frame);
	pytext_put_frame(&w, f, "");
	return NULL;
}

struct err *python_frame_move(const struct python_view *view, int64_t by, size_t *ret)
{
	const struct py_walk walk = { .tid = view->tid };
	const struct py_snapshot *snap;
	size_t nframes, at = view->frame;
	struct err *err = python_walk(view->py, view->space, &walk, &snap);
	if (err)
		return err;
	(void)pytext_frame_at(snap, view->tid, 0, &nframes);
	if (!nframes)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)view->tid);
	if (by >= 0 && at + 1 >= nframes)
		return err_new(ERR_NOT_FOUND, "Unable to find an older python frame");
	if (by < 0 && !at)
		return err_new(ERR_NOT_FOUND, "Unable to find a newer python frame");
	if (by >= 0)
		*ret = (uint64_t)by < nframes - 1 - at ? at + (size_t)by : nframes - 1;
	else
		*ret = 0 - (uint64_t)by < at ? at - (size_t)(0 - (uint64_t)by) : 0;
	return NULL;
}

struct err *python_frame_place(const struct python_view *view, struct python_place *ret)
{
	const struct py_snapshot *snap;
	const struct py_frame *f;
	struct err *err = pytext_walk_to(view, view->frame, &snap, &f);
	if (err)
		return err;
	if (f->corrupt)
		return err_new(ERR_BAD_DATA, "%s", f->name);
	*ret = (struct python_place){ .file = f->file, .name = f->name, .line = f->pos.line };
	return NULL;
}
