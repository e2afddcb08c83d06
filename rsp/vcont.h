/* SPDX-License-Identifier: MIT */
/*
 * The vCont packet's actions: vCont;ACTION[:THREAD-ID]... (GDB manual,
 * "Packets", `vCont').  Parsing only; what a thread gets is the first action
 * that names it, which is the caller's to find.
 */
#ifndef RSP_VCONT_H
#define RSP_VCONT_H

#include "rsp/threadid.h"
#include "stub/base/err.h"

struct rsp_vcont {
	char kind;		     /* c C s S t r */
	unsigned int signo;	     /* C, S: the protocol's number (rsp/signals.h); else 0 */
	uint64_t start, end;	     /* r: step while the pc is in [start, end) */
	struct rsp_thread_id thread; /* { RSP_ANY, RSP_ALL } if the action names none */
};

/* More than fit the largest packet we accept as "vCont;c:pPID.TID;...". */
#define RSP_VCONT_MAX 16384u

struct rsp_vcont_list {
	struct rsp_vcont *action; /* owned */
	size_t n;		  /* 1.. after success */
};

/* @args is what follows "vCont".  On an error *ret is empty. */
struct err *rsp_vcont_parse(struct rsp_cursor *args, struct rsp_vcont_list *ret) MUST_CHECK;
void rsp_vcont_deinit(struct rsp_vcont_list *list);

#endif
