/* SPDX-License-Identifier: MIT */
/* What a list of threads says of each beside its name: where in a program of Python or JavaScript it is. */
#ifndef QXFER_THREAD_TEXT_H
#define QXFER_THREAD_TEXT_H

#include "qxfer/python/python.h"
#include "qxfer/v8/v8.h"
#include "stub/base/buf.h"

/*
 * Appends "eat (philo.py:14)", with @before in front of it; nothing if there is nothing to tell, or
 * it cannot be told.  @py and @v8 may be NULL.
 */
void thread_text_put(struct python *py, struct v8 *v8, const struct space *s, pid_t tid,
		     const char *before, struct buf *out);

#endif
