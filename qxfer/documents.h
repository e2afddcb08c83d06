/* SPDX-License-Identifier: MIT */
/*
 * The builders that qxfer/objects.c names, by the file they live in.  What each
 * document is stands in docs/protocol.md; those that gdb defines are in the GDB
 * manual, "General Query Packets", under qXfer:NAME:read.
 */
#ifndef QXFER_DOCUMENTS_H
#define QXFER_DOCUMENTS_H

#include "qxfer/qxfer.h"

#define DOCUMENT(name) \
	struct err *name(const struct qxfer_ctx *ctx, const char *annex, struct buf *out)

DOCUMENT(build_auxv);		/* auxv.c */
DOCUMENT(build_exec_file);	/* execfile.c */
DOCUMENT(build_features);	/* features.c */
DOCUMENT(build_js_frames);	/* js.c */
DOCUMENT(build_libraries);	/* libraries.c */
DOCUMENT(build_osdata);		/* osdata.c */
DOCUMENT(build_siginfo);	/* siginfo.c */
DOCUMENT(build_unwind_table);	/* jit_regions.c */
DOCUMENT(build_unwind_regions); /* jit_regions.c */
DOCUMENT(build_threads);	/* threads.c */
DOCUMENT(build_traceframe);	/* traceframe.c */
DOCUMENT(build_python_frames);	/* pyframes.c */
DOCUMENT(build_python_locks);	/* python_locks.c */
DOCUMENT(build_python_tasks);	/* pyframes.c */

struct err *write_siginfo(const struct qxfer_ctx *ctx, const char *annex, uint64_t offset,
			  const void *data, size_t len);

#endif
