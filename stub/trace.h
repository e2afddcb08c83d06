/* SPDX-License-Identifier: MIT */
/*
 * Tracepoints: places where the program leaves a record and goes on (GDB manual, chapter
 * "Tracepoints", and "Tracepoint Packets" for the wire).
 *
 * Slow ones: the trap of a breakpoint, which the target's judge sees to, as it does to
 * conditions.  What they record is in stub/trace_buffer.h, what the packets mean in
 * h_trace.c and h_trace_report.c; here is what the rest of a session has to know.
 */
#ifndef STUB_TRACE_H
#define STUB_TRACE_H

#include "stub/session.h"

struct trace;

/* NULL in a session where there is no memory for it; then there are no tracepoints. */
struct err *trace_create(struct session *s, struct trace **ret) MUST_CHECK;
void trace_destroy(struct trace *t);

/* What target->judge has to be: of tracepoints, of breakpoints, or NULL. */
const struct target_judge *trace_judge(struct session *s);

/* The process selected, or the program in it, is gone: its tracepoints went with it. */
void trace_forget(struct session *s);
/* The inferior has stopped: what a trace run that ended meanwhile left in it is taken out. */
void trace_stopped(struct session *s);
/* The peer is gone; its run goes on if it said so with QTDisconnected. */
void trace_peer_left(struct session *s);
/* Whether a run goes on that outlives the peer: then a detach lets the inferior run, traced. */
bool trace_outlives_peer(const struct session *s);

/* The client detaches, and the run is to go on: so does the inferior, without it. */
struct err *trace_leave(struct session *s) MUST_CHECK;
/* Without a client such a run passes over whatever stops it: whether it was, and @ev too. */
bool trace_goes_on(struct session *s, const struct stop_event *ev);

/* ---- the frame that the client looks at, instead of the inferior ---- */

bool trace_looks(const struct session *s);
/* What of [@addr, @addr + @len) was recorded, from its start on. */
size_t trace_read_some(struct session *s, uint64_t addr, void *buf, size_t len);
/* ERR_NOT_FOUND: not recorded. */
struct err *trace_reg_get(struct session *s, uint16_t regnum, uint8_t ret[REG_MAX]) MUST_CHECK;
/* The document traceframe-info; ERR_STATE: no frame is looked at. */
struct err *trace_frame_info(void *session, struct buf *out) MUST_CHECK;

#endif
