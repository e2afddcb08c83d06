/* SPDX-License-Identifier: MIT */
/* The target description; all of it is in one file, with no <xi:include>. */
#include <string.h>

#include "qxfer/documents.h"
#include "qxfer/pyregs.h"

DOCUMENT(build_features)
{
	if (strcmp(annex, "target.xml") != 0)
		return err_new(ERR_NOT_FOUND, "no description named %.60s", annex);
	const struct arch *a = ctx->target->arch;
	_cleanup_buf_ struct buf more = { 0 };
	if (ctx->python && a->addr_size == 8)
		pyregs_tdesc(a->nregs, &more);
	buf_put(&more, "", 1);
	if (more.failed)
		return &err_nomem;
	arch_tdesc(a, (const char *)more.data, out);
	return NULL;
}
