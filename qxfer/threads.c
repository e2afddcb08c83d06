/* SPDX-License-Identifier: MIT */
/*
 * The threads: id, processor, name, and as the text of the element what stock
 * gdb's `info threads' prints beside them, which is where a thread of a program
 * of Python or JavaScript is in it.
 */
#include <stdlib.h>

#include "qxfer/documents.h"
#include "qxfer/thread_text.h"
#include "rsp/threadid.h"

struct tids {
	pid_t *tid;
	size_t n, cap;
	bool failed;
};

/* Listed first, asked later: asking lists the threads too. */
static bool add_tid(pid_t tid, void *arg)
{
	struct tids *l = arg;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		pid_t *more = reallocarray(l->tid, cap, sizeof(*more));
		l->failed = !more;
		if (!more)
			return false;
		l->tid = more;
		l->cap = cap;
	}
	l->tid[l->n++] = tid;
	return true;
}

/* What cannot be told of a thread is left out; the list is served. */
static void put_text(const struct qxfer_ctx *ctx, pid_t tid, struct buf *out)
{
	_cleanup_buf_ struct buf text = { 0 };
	const struct space *space;

	struct err *err = target_space(ctx->target, &space);
	if (!err)
		thread_text_put(ctx->python, ctx->v8, space, tid, "", &text);
	buf_put(&text, "", 1);
	if (!err && !text.failed)
		buf_put_xml(out, (const char *)text.data);
	err_drop(err);
}

static void put_thread(const struct qxfer_ctx *ctx, pid_t tid, struct buf *out)
{
	struct thread_info info = { .core = -1 };

	/* It may have died just now; the client finds out by itself. */
	err_drop(ctx->target->ops->thread_info(ctx->target, tid, &info));
	buf_puts(out, "<thread id=\"");
	rsp_thread_id_write(out, ctx->multiprocess, ctx->target->pid, tid);
	buf_puts(out, "\"");
	if (info.core >= 0)
		buf_printf(out, " core=\"%d\"", info.core);
	if (info.name[0]) {
		buf_puts(out, " name=\"");
		buf_put_xml(out, info.name);
		buf_puts(out, "\"");
	}
	buf_puts(out, ">");
	put_text(ctx, tid, out);
	buf_puts(out, "</thread>\n");
}

static void put_extra(const struct qxfer_ctx *ctx, struct buf *out)
{
	struct qxfer_thread t;

	for (size_t i = 0; ctx->extra && ctx->extra->thread(ctx->extra->arg, i, &t); i++) {
		buf_puts(out, "<thread id=\"");
		rsp_thread_id_write(out, ctx->multiprocess, ctx->target->pid, t.tid);
		buf_puts(out, "\" name=\"");
		buf_put_xml(out, t.name);
		buf_printf(out, "\">LWP %d</thread>\n", (int)t.real);
	}
}

static struct err *put_process(const struct qxfer_ctx *ctx, struct buf *out)
{
	struct tids tids = { 0 };
	struct err *err = ctx->target->ops->threads(ctx->target, add_tid, &tids);
	if (!err && tids.failed)
		err = &err_nomem;
	for (size_t i = 0; !err && i < tids.n; i++)
		put_thread(ctx, tids.tid[i], out);
	if (!err)
		put_extra(ctx, out);
	free(tids.tid);
	return err;
}

DOCUMENT(build_threads)
{
	/* Where @out lies belongs to one of the processes, too. */
	_cleanup_buf_ struct buf text = { 0 };
	struct qxfer_ctx one;
	struct err *err = qxfer_no_annex("threads", annex);

	if (err)
		return err;
	if (!ctx->process)
		err = put_process(ctx, &text);
	for (size_t i = 0; ctx->process && ctx->process(ctx->session, i, &one); i++) {
		struct err *why = err ? NULL : put_process(&one, &text);
		if (why)
			err = why;
	}
	if (!err && text.failed)
		err = &err_nomem;
	buf_puts(out, "<threads>\n");
	buf_put(out, text.data, text.len);
	buf_puts(out, "</threads>\n");
	return err;
}
