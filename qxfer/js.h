/* SPDX-License-Identifier: MIT */
/*
 * What is told of an inferior's JavaScript: a document for programs, text for people.
 *
 * Each function appends to @out, or returns the walker's error (v8_walk()): ERR_NOT_FOUND if
 * there is no V8.
 */
#ifndef QXFER_JS_H
#define QXFER_JS_H

#include "qxfer/v8/v8.h"
#include "stub/base/buf.h"

/*
 * The document js-frames, docs/js-frames.dtd.  @annex is "" or a thread id as on the wire, then
 * options: ";format=json", ";format=xml", ";native" (C frames too, and threads without V8).
 */
struct err *js_frames_document(struct v8 *v, const struct space *s, const char *annex,
			       struct buf *out) MUST_CHECK;

/* The innermost frame of JavaScript: "eat (philo.js:14)".  ERR_NOT_FOUND: none for @tid. */
struct err *js_thread_text(struct v8 *v, const struct space *s, pid_t tid,
			   struct buf *out) MUST_CHECK;

enum js_style {
	JS_FULL = 1,   /* how each runs, and addresses */
	JS_COLOR = 2,  /* for a terminal */
	JS_NATIVE = 4, /* C frames too, and threads without V8 */
};

/* The stacks of all threads, as `archerfish stacks' and `monitor js-bt all' print them. */
struct err *js_stacks_text(struct v8 *v, const struct space *s, unsigned int style,
			   struct buf *out) MUST_CHECK;
/* `monitor js-bt ARGS': of @tid without arguments; "all", "full", "native", or a thread's id. */
struct err *js_bt_text(struct v8 *v, const struct space *s, pid_t tid, const char *args,
		       struct buf *out) MUST_CHECK;

#endif
