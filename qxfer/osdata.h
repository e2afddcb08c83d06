/* SPDX-License-Identifier: MIT */
/*
 * Tables about the machine and about Python, which stock gdb prints with `info
 * os TYPE' (GDB manual, "Operating System Information"; osdata.dtd).  The types,
 * columns and their order are gdbserver's, and ours after them.
 */
#ifndef QXFER_OSDATA_H
#define QXFER_OSDATA_H

#include "qxfer/documents.h"

/* The rows of one type between osdata_begin() and osdata_end(). */
#define OSDATA(name) struct err *name(const struct qxfer_ctx *ctx, struct buf *out)

OSDATA(osdata_cpus);	   /* osdata_system.c */
OSDATA(osdata_modules);	   /* osdata_system.c */
OSDATA(osdata_sockets);	   /* osdata_system.c */
OSDATA(osdata_msg);	   /* osdata_ipc.c */
OSDATA(osdata_semaphores); /* osdata_ipc.c */
OSDATA(osdata_shm);	   /* osdata_ipc.c */
OSDATA(osdata_files);	   /* osdata_procs.c */
OSDATA(osdata_processes);  /* osdata_procs.c */
OSDATA(osdata_procgroups); /* osdata_procs.c */
OSDATA(osdata_threads);	   /* osdata_procs.c */

void osdata_begin(struct buf *out, const char *type);
void osdata_end(struct buf *out);
void osdata_item(struct buf *out);
void osdata_item_end(struct buf *out);
/* The values are escaped here, the names are ours. */
void osdata_text(struct buf *out, const char *column, const char *value);
void osdata_uint(struct buf *out, const char *column, unsigned long value);

#endif
