/* SPDX-License-Identifier: MIT */
#include "stub/stacks.h"

#include "qxfer/python.h"

static struct err *put_stacks(struct target *t, struct python *py, const struct stacks_options *o,
			      struct py_quotes *quotes, struct buf *out)
{
	const struct space *space;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	if (o->json)
		return python_frames_document(
			py, space, o->locals ? ";locals;format=json" : ";format=json", out);
	return python_stacks_text(py, space,
				  (o->full ? PYTHON_FULL : 0u) | (o->color ? PYTHON_COLOR : 0u) |
					  (o->locals ? PYTHON_LOCALS : 0u),
				  quotes, out);
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
