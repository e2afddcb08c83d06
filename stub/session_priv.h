/* SPDX-License-Identifier: MIT */
/* For the files session*.c alone. */
#ifndef STUB_SESSION_PRIV_H
#define STUB_SESSION_PRIV_H

#include "stub/session.h"

/* Of all processes that stand still. */
void session_clear_points(struct session *s);
void session_drop_conditions(struct session *s);
/* What is in `reply'. */
void session_send_reply(struct session *s);
/* The first process of those that run that has something to tell is listened to. */
void session_take_event(struct session *s);

#endif
