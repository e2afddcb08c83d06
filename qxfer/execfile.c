/* SPDX-License-Identifier: MIT */
/* The path of the program that runs; the annex is a process id in hex, or empty. */
#include <string.h>

#include "qxfer/documents.h"

DOCUMENT(build_exec_file)
{
	struct rsp_cursor c = { annex, annex + strlen(annex) };
	uint64_t pid = (uint64_t)ctx->target->pid;

	if (*annex && (!cur_hex(&c, &pid) || !cur_end(&c)))
		return err_new(ERR_PROTO, "exec-file: %.60s is not a process id", annex);
	if (pid != (uint64_t)ctx->target->pid)
		return err_new(ERR_NOT_FOUND, "exec-file: process %llu is not debugged here",
			       (unsigned long long)pid);
	return ctx->target->ops->exec_file(ctx->target, out);
}
