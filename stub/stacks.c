/* SPDX-License-Identifier: MIT */
#include "stub/stacks.h"

#include "qxfer/python.h"

static struct err *put_stacks(struct target *t, struct python *py, const struct stacks_options *o,
			      struct buf *text)
{
	const struct space *space;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	if (o->json)
		return python_frames_document(py, space, ";format=json", text);
	return python_stacks_text(
		py, space, (o->full ? PYTHON_FULL : 0u) | (o->color ? PYTHON_COLOR : 0u), text);
}

int stacks_main(struct target *t, const struct stacks_options *o, FILE *out)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct python *py = NULL;

	struct err *err = python_create(&py);
	if (!err)
		err = put_stacks(t, py, o, &text);
	if (!err && text.failed)
		err = &err_nomem;
	python_destroy(py);
	if (err) {
		fprintf(stderr, "archerfish: %s\n", err->msg);
		err_drop(err);
		return 1;
	}
	return fwrite(text.data, 1, text.len, out) == text.len && fflush(out) == 0 ? 0 : 1;
}
