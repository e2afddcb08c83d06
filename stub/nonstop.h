/* SPDX-License-Identifier: MIT */
/*
 * Non-stop (GDB manual, "Remote Non-Stop"): each thread of every process stops and goes on for
 * itself, and packets are answered while others run.
 *
 * The client is told of a stop by a notification, and asks for those behind it with
 * vStopped; a thread whose stop it has not fetched yet is not resumed by an action that is
 * about all.  Virtual threads and mixed stacks are off: they are made of a process that
 * stands still.
 */
#ifndef STUB_NONSTOP_H
#define STUB_NONSTOP_H

#include <stdbool.h>
#include <stddef.h>

#include "stub/target/target.h"

struct inferior;
struct session;

/* Part of struct session. */
struct nonstop {
	bool on;
	bool announced; /* the first of the queue was sent, and is there until it is acknowledged */
	struct queued_stop {
		struct inferior *inferior;
		struct stop_event ev;
	} * queue; /* what the client has not acknowledged: [first, end) */
	size_t first, end, cap;
};

void nonstop_deinit(struct session *s);
/* Whether the target that is selected can do that. */
bool nonstop_is_possible(const struct session *s);
/* All stand still. */
void nonstop_begin(struct session *s);
/*
 * Stops all.  What has stopped last, or what the client has not been told yet, is s->stop.
 * @goes_on: then those that ran run on, as in all-stop, for whoever comes.
 */
void nonstop_end(struct session *s, bool goes_on);

/* The process that is selected is one of the session's now. */
void nonstop_added(struct session *s);
/* It is no more, or not the session's any more. */
void nonstop_forget(struct session *s);
/* Threads run while a packet is looked at: what was read of them is not true any more. */
void nonstop_refresh(struct session *s);

/* All processes' events, as notifications. */
void nonstop_take_events(struct session *s);
/*
 * Of the process that is selected: actions for the threads whose stops are in the queue, to
 * go before all others; there are at most nonstop_held_max() of them.
 */
size_t nonstop_held(const struct session *s, struct resume_action *ret);
size_t nonstop_held_max(const struct session *s);
/* One thread is asked to stop by SIGINT. */
void nonstop_interrupt(struct session *s);
/* `?': every thread that stands still. */
void nonstop_list_stops(struct session *s, struct buf *out);
/* vStopped: the first was heard, here is the next. */
void nonstop_next(struct session *s, struct buf *out);

#endif
