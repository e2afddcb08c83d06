/* SPDX-License-Identifier: MIT */
/* The siginfo of the signal that stopped the selected thread, as the kernel has it. */
#include <string.h>

#include "qxfer/documents.h"

#define SIGINFO_SIZE 128u /* Linux's SI_MAX_SIZE, on every architecture */

static struct err *read_siginfo(const struct qxfer_ctx *ctx, const char *annex,
				uint8_t ret[SIGINFO_SIZE])
{
	size_t size = SIGINFO_SIZE;
	struct err *err = qxfer_no_annex("siginfo", annex);
	if (!err)
		err = ctx->target->ops->siginfo_read(ctx->target, ctx->tid, ret, &size);
	if (!err && size != SIGINFO_SIZE)
		err = err_new(ERR_BAD_DATA, "the siginfo of thread %d has %zu bytes", ctx->tid,
			      size);
	return err;
}

DOCUMENT(build_siginfo)
{
	uint8_t siginfo[SIGINFO_SIZE];
	struct err *err = read_siginfo(ctx, annex, siginfo);
	if (!err)
		buf_put(out, siginfo, sizeof(siginfo));
	return err;
}

struct err *write_siginfo(const struct qxfer_ctx *ctx, const char *annex, uint64_t offset,
			  const void *data, size_t len)
{
	uint8_t siginfo[SIGINFO_SIZE];

	if (offset > sizeof(siginfo) || len > sizeof(siginfo) - offset)
		return err_new(ERR_PROTO, "siginfo has %zu bytes", sizeof(siginfo));
	struct err *err = read_siginfo(ctx, annex, siginfo);
	if (err)
		return err;
	memcpy(siginfo + offset, data, len);
	return ctx->target->write->siginfo_write(ctx->target, ctx->tid, siginfo, sizeof(siginfo));
}
