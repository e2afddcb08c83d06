/* SPDX-License-Identifier: MIT */
/* What a trace frame has (GDB manual, "Traceframe Info Format"). */
#include "qxfer/documents.h"

DOCUMENT(build_traceframe)
{
	struct err *err = qxfer_no_annex("traceframe-info", annex);
	return err ? err : ctx->traceframe(ctx->traceframe_arg, out);
}
