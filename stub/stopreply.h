/* SPDX-License-Identifier: MIT */
#ifndef STUB_STOPREPLY_H
#define STUB_STOPREPLY_H

#include "stub/session.h"

/* Appends the reply that tells of s->stop (GDB manual, "Stop Reply Packets"). */
void stop_reply(struct session *s, struct buf *out);

/* Appends what there is to say of @tid at this stop, as if it alone had stopped. */
void stop_reply_thread(struct session *s, pid_t tid, struct buf *out);
/*
 * The same for a client that is to read the list of libraries first: gdb gets a stop that
 * says so and no more, and s->stop when it resumes from that; lldb gets both in one.
 */
void stop_reply_library(struct session *s, struct buf *out);

/* Tells the user on stderr of an exit, as gdbserver does. */
void stop_announce(const struct stop_event *ev);

#endif
