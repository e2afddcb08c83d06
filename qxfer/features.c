/* SPDX-License-Identifier: MIT */
/* The target description; all of it is in one file, with no <xi:include>. */
#include <string.h>

#include "qxfer/documents.h"

DOCUMENT(build_features)
{
	if (strcmp(annex, "target.xml") != 0)
		return err_new(ERR_NOT_FOUND, "no description named %.60s", annex);
	arch_tdesc(ctx->target->arch, out);
	return NULL;
}
