/* SPDX-License-Identifier: MIT */
/* The auxiliary vector, as the kernel gave it to the program. */
#include "qxfer/documents.h"

DOCUMENT(build_auxv)
{
	struct err *err = qxfer_no_annex("auxv", annex);
	return err ? err : ctx->target->ops->auxv(ctx->target, out);
}
