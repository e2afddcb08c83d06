/* SPDX-License-Identifier: MIT */
/*
 * The breakpoints of `monitor py-break': numbered, with a condition, listed and
 * deleted as in gdb.
 */
#ifndef STUB_BREAKS_H
#define STUB_BREAKS_H

#include "stub/base/buf.h"
#include "stub/base/err.h"

struct session;
struct breaks;

void breaks_destroy(struct breaks *b);
/* The process is another one, or let go: there are none any more. */
void breaks_forget(struct session *s);

/* At a stop: tells the client's user of a breakpoint that was hit. */
void breaks_stopped(struct session *s);

/* What the commands do; see monitor.h. */
struct err *breaks_add(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_add_temporary(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_delete(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_next(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_step(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_finish(struct session *s, const char *args, struct buf *out) MUST_CHECK;
struct err *breaks_list(struct session *s, const char *args, struct buf *out) MUST_CHECK;

#endif
