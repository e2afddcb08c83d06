/* SPDX-License-Identifier: MIT */
#include "stub/stacks.h"

#include <stdio.h>

#include "qxfer/python.h"

static struct err *put_document(const struct stacks_options *o, struct python *py,
				const struct space *space, struct buf *out)
{
	char annex[64];
	snprintf(annex, sizeof(annex), "%s%s;format=json", o->locals ? ";locals" : "",
		 o->native ? ";native" : "");
	return python_frames_document(py, space, annex, out);
}

static unsigned int style(const struct stacks_options *o)
{
	return (o->full ? PYTHON_FULL : 0u) | (o->color ? PYTHON_COLOR : 0u) |
	       (o->locals ? PYTHON_LOCALS : 0u) | (o->native ? PYTHON_NATIVE : 0u);
}

static struct err *put_stacks(struct target *t, struct python *py, const struct stacks_options *o,
			      struct py_quotes *quotes, struct buf *out)
{
	const struct space *space;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	if (o->locks)
		return o->json ? python_locks_document(py, space, ";format=json", out)
			       : python_locks_text(py, space, out);
	if (o->tasks)
		return o->json ? python_tasks_document(py, space, ";format=json", out)
			       : python_tasks_text(py, space, style(o), out);
	return o->json ? put_document(o, py, space, out)
		       : python_stacks_text(py, space, style(o), quotes, out);
}

struct err *stacks_read(struct target *t, const struct stacks_options *o, struct py_quotes *quotes,
			struct buf *out)
{
	struct python *py = NULL;
	struct err *err = python_create(&py);
	if (!err)
		err = put_stacks(t, py, o, quotes, out);
	if (!err && out->failed)
		err = &err_nomem;
	python_destroy(py);
	return err;
}
