/* SPDX-License-Identifier: MIT */
/* The event loop: the only place that blocks. */
#ifndef STUB_LOOP_H
#define STUB_LOOP_H

#include "stub/conn.h"
#include "stub/session.h"

/*
 * Blocks the signals that the loop takes as events, before any child is started.
 * *inherited is how our own parent had set them.
 */
void loop_block_signals(struct live_inherit *inherited);

/*
 * Serves clients, one after another, until the last one is done, or a signal
 * (INT, TERM, HUP) ends us.  Returns the exit status.
 */
int loop_run(struct session *s, struct listener *l);

#endif
