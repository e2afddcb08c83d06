/* SPDX-License-Identifier: MIT */
#include "qxfer/thread_text.h"

#include "qxfer/js.h"
#include "qxfer/python.h"

void thread_text_put(struct python *py, struct v8 *v8, const struct space *s, pid_t tid,
		     const char *before, struct buf *out)
{
	size_t start = out->len;

	buf_puts(out, before);
	size_t text = out->len;
	struct err *err = py ? python_thread_text(py, s, tid, out) : NULL;
	if (v8 && (err || out->len == text)) {
		err_drop(err);
		out->len = out->len > text ? text : out->len;
		err = js_thread_text(v8, s, tid, out);
	}
	if (err || out->len == text)
		out->len = out->len > start ? start : out->len;
	err_drop(err);
}
