/* SPDX-License-Identifier: MIT */
/*
 * Thread ids on the wire: "TID", and with multiprocess "pPID.TID" or "pPID"
 * (GDB manual, "Packets", "thread-id syntax").  Numbers are hex; -1 is "all"
 * and 0 is "any".
 */
#ifndef RSP_THREADID_H
#define RSP_THREADID_H

#include <sys/types.h>

#include "rsp/cursor.h"
#include "stub/base/buf.h"

#define RSP_ALL (-1)
#define RSP_ANY 0

struct rsp_thread_id {
	pid_t pid; /* RSP_ANY if the peer named none */
	pid_t tid; /* RSP_ALL for "pPID" alone */
};

/* Consumes an id; nothing if it is malformed or beyond an int. */
bool rsp_thread_id_parse(struct rsp_cursor *c, struct rsp_thread_id *ret);

/* Appends the id of one thread; "pPID.TID" for a peer that said multiprocess+. */
void rsp_thread_id_write(struct buf *out, bool multiprocess, pid_t pid, pid_t tid);

#endif
