/* SPDX-License-Identifier: MIT */
/* A client's half of the wire, for tests. */
#ifndef TESTS_FAKE_WIRE_H
#define TESTS_FAKE_WIRE_H

#include "stub/session.h"

/*
 * Takes the frame at wire->data[*at], undoes run lengths and escapes, and
 * replaces @payload by it.  Skips acks before it.  False, with *at at the end,
 * if there is no whole frame left; aborts on one that is malformed.
 */
bool wire_next(const struct buf *wire, size_t *at, struct buf *payload);

/*
 * Frames @payload, feeds it to @s, and lets the target's events come until it
 * has stopped.  What is sent back is left in s->tx.
 */
void wire_send(struct session *s, const void *payload, size_t len);

#endif
