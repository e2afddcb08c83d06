/* SPDX-License-Identifier: MIT */
/* The objects python-frames and python-tasks; the documents are qxfer/python.h's. */
#include "qxfer/documents.h"
#include "qxfer/python.h"

DOCUMENT(build_python_frames)
{
	const struct space *space;
	struct err *err = target_space(ctx->target, &space);
	return err ? err : python_frames_document(ctx->python, space, annex, out);
}

DOCUMENT(build_python_tasks)
{
	const struct space *space;
	struct err *err = target_space(ctx->target, &space);
	return err ? err : python_tasks_document(ctx->python, space, annex, out);
}
