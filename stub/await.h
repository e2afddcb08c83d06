/* SPDX-License-Identifier: MIT */
/*
 * Processes by name: what lldb asks for and attaches to, or waits for (vAttachName,
 * vAttachWait, vAttachOrWait).
 */
#ifndef STUB_AWAIT_H
#define STUB_AWAIT_H

#include "stub/session.h"

#define AWAIT_POLL_MS 10

/*
 * Whether the process is called @name: the last part of its program's path, the whole of
 * it if @name is a path, or what it calls itself.
 */
bool await_is_named(unsigned int pid, const char *name);

/* The only process of that name; ERR_NOT_FOUND: there is none; ERR_STATE: several. */
struct err *await_find(const char *name, pid_t *ret) MUST_CHECK;

/* From now on waits for a process of that name that is not there yet. */
struct err *await_begin(struct session *s, const char *name) MUST_CHECK;
/* Looks for it; attaches, and answers the client, if it has come. */
void await_poll(struct session *s);
/* The client does not want to wait any longer, and is told so. */
void await_interrupt(struct session *s);
void await_end(struct session *s);

#endif
