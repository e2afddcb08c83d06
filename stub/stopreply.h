/* SPDX-License-Identifier: MIT */
#ifndef STUB_STOPREPLY_H
#define STUB_STOPREPLY_H

#include "stub/session.h"

/* Appends the reply that tells of s->stop (GDB manual, "Stop Reply Packets"). */
void stop_reply(struct session *s, struct buf *out);

/* Tells the user on stderr of an exit, as gdbserver does. */
void stop_announce(const struct stop_event *ev);

#endif
