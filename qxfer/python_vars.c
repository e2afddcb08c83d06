/* SPDX-License-Identifier: MIT */
/* `monitor py-locals': the variables of one frame. */
#include <stdlib.h>

#include "qxfer/python_text.h"

static struct err *find_frame(const struct py_snapshot *snap, pid_t tid, const char *args,
			      const struct py_frame **ret)
{
	const struct py_thread *t = pytext_find_thread(snap, tid);
	char *end;
	unsigned long n = strtoul(args, &end, 10);
	if (*end || *args == '-' || *args == '+')
		return err_new(ERR_BAD_DATA, "py-locals takes the number of a frame, not %.40s",
			       args);
	if (!t)
		return err_new(ERR_NOT_FOUND, "thread %d runs no Python", (int)tid);
	if (n >= t->nframes)
		return err_new(ERR_NOT_FOUND, "thread %d has no Python frame %lu", (int)tid, n);
	*ret = &snap->frames[t->first_frame + n];
	return NULL;
}

struct err *python_locals_text(struct python *py, const struct space *s, pid_t tid,
			       const char *args, struct buf *out)
{
	struct pytext w = { .style = PYTHON_LOCALS, .out = out };
	struct py_values values = { 0 };
	const struct py_walk walk = { .tid = tid };
	const struct py_frame *f;
	struct err *err = python_walk(py, s, &walk, &w.snap);
	if (!err)
		err = find_frame(w.snap, tid, args, &f);
	if (!err)
		err = pytext_want_values(&w, py, s, &values);
	if (!err)
		pytext_put_locals(&w, f, "");
	py_values_end(&values);
	return err;
}
