/* SPDX-License-Identifier: MIT */
/* For the files session*.c alone. */
#ifndef STUB_SESSION_PRIV_H
#define STUB_SESSION_PRIV_H

#include "stub/session.h"

/* An older client is only given a number: the log has the reason. */
void session_log_refusal(const struct session *s, const struct err *err);
/* Packets in a log: printable, and not a megabyte of memory. */
void session_log_packet(const struct session *s, const char *what, const uint8_t *data, size_t len);

/* Of all processes that stand still. */
void session_clear_points(struct session *s);
void session_drop_conditions(struct session *s);
/* What is in `reply'. */
void session_send_reply(struct session *s);
/* What is in `reply', as a notification: there is no acknowledgement of the packet. */
void session_notify(struct session *s);
/* The child of a fork is a process of the session, too, which the client may let go. */
void session_take_child(struct session *s, const struct stop_event *ev);
/* True: the process that is selected has something to tell, which is in *ret. */
bool session_next_event(struct session *s, struct stop_event *ret);
/* Of s->stop, if it is at a trap that is the program's own. */
void session_point_at_trap(struct session *s);
/* @ev is s->stop now: whoever waits for one is told, before the client is. */
void session_stopped(struct session *s, const struct stop_event *ev);
/* @ev may well be the end of a step, which gdb goes on from by itself; it is met by a ^C. */
bool session_meets_step(const struct session *s, const struct stop_event *ev);
/* The first process of those that run that has something to tell is listened to. */
void session_take_event(struct session *s);

#endif
