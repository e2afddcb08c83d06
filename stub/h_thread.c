/* SPDX-License-Identifier: MIT */
/* Which threads there are, and which one is meant: H, T, qfThreadInfo, qThreadExtraInfo. */
#include <elf.h>
#include <string.h>

#include "qxfer/thread_text.h"
#include "rsp/threadid.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/session.h"
#include "stub/tls.h"
#include "stub/view.h"

/*
 * Hg: the thread that registers, memory and documents are read of.  "Any" and
 * "all" keep the one there is, or take the first.
 */
static bool set_general(struct session *s, const struct rsp_thread_id *id)
{
	pid_t tid = id->tid;

	if (tid == RSP_ANY || tid == RSP_ALL)
		tid = view_has_thread(s, s->g_tid) ? s->g_tid : target_first_thread(s->target);
	else if (!view_has_thread(s, tid))
		return false;
	inferiors_keep(s);
	s->g_tid = tid;
	s->g_packet = s->packets;
	return true;
}

/* Hc: what c and s move; a client that has vCont asks for -1 once and forgets it. */
static bool set_continue(struct session *s, const struct rsp_thread_id *id)
{
	if (id->tid != RSP_ANY && id->tid != RSP_ALL && !view_has_thread(s, id->tid))
		return false;
	s->c_tid = id->tid;
	return true;
}

HANDLER(h_set_thread)
{
	struct session *s = session;
	struct rsp_thread_id id;
	bool general = cur_char(args, 'g');

	if (!general && !cur_char(args, 'c'))
		return err_new(ERR_UNSUPPORTED, "neither Hg nor Hc");
	if (!rsp_thread_id_parse(args, &id) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed H");
	if (!inferiors_select_id(s, &id) || !(general ? set_general(s, &id) : set_continue(s, &id)))
		return err_new(ERR_NOT_FOUND, "no thread %d", id.tid);
	buf_puts(out, "OK");
	return NULL;
}

/* An id that names one thread we have. */
static struct err *parse_one_thread(struct session *s, struct rsp_cursor *args, pid_t *ret)
{
	struct rsp_thread_id id;

	if (!rsp_thread_id_parse(args, &id) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed thread id");
	if (!inferiors_select_id(s, &id) || !view_has_thread(s, id.tid))
		return err_new(ERR_NOT_FOUND, "no thread %d", id.tid);
	*ret = id.tid;
	return NULL;
}

HANDLER(h_thread_alive)
{
	struct session *s = session;
	pid_t tid;
	struct err *err = parse_one_thread(s, args, &tid);
	if (err)
		return err;
	s->asked_tid = tid;
	s->asked = s->now;
	buf_puts(out, "OK");
	return NULL;
}

/* The longest id: a comma, "p", two numbers and a dot. */
#define THREAD_ID_ROOM 20u

struct thread_page {
	struct session *s;
	struct buf *out;
	size_t skip; /* sent by earlier packets */
	size_t sent;
};

static bool add_to_page(pid_t tid, void *arg)
{
	struct thread_page *page = arg;

	if (page->skip) {
		page->skip--;
		return true;
	}
	if (page->out->len + THREAD_ID_ROOM > RSP_PACKET_MAX)
		return false;
	buf_puts(page->out, page->sent ? "," : "m");
	rsp_thread_id_write(page->out, page->s->peer.multiprocess, page->s->target->pid, tid);
	page->sent++;
	return true;
}

/* As many as fit: a client pays for every packet, and stock gdbserver sends one in each. */
static struct err *list_threads(struct session *s, struct buf *out)
{
	struct thread_page page = { .s = s, .out = out, .skip = s->threads_sent };
	struct err *err = NULL;

	for (struct inferior *i = inferiors_first(s); !err && i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		err = view_threads(s, add_to_page, &page);
	}
	if (err)
		return err;
	s->threads_sent += page.sent;
	/* Of an empty list lldb makes a process 1 with a thread 1. */
	if (!page.sent)
		buf_puts(out, s->peer.lldb && s->target->pid <= 0 ? "OK" : "l");
	return NULL;
}

HANDLER(h_first_threads)
{
	struct session *s = session;
	(void)args;

	if (packet_disabled(s->options, "qfThreadInfo"))
		return err_new(ERR_UNSUPPORTED, "qfThreadInfo is disabled");
	s->threads_sent = 0;
	return list_threads(s, out);
}

HANDLER(h_next_threads)
{
	struct session *s = session;
	(void)args;

	if (packet_disabled(s->options, "qfThreadInfo"))
		return err_new(ERR_UNSUPPORTED, "qfThreadInfo is disabled");
	return list_threads(s, out);
}

/* As in the document `threads': where in the program it is. */
static void put_place(struct session *s, pid_t tid, struct buf *text)
{
	const struct space *space;
	struct err *err = target_space(s->target, &space);

	if (!err)
		thread_text_put(s->python, s->v8, space, tid, " ", text);
	err_drop(err); /* the name is an answer, too */
}

static struct err *put_virtual_text(struct session *s, pid_t tid, struct buf *out)
{
	_cleanup_buf_ struct buf text = { 0 }, extra = { 0 };

	if (!view_describe_thread(s, tid, &text, &extra))
		return err_new(ERR_NOT_FOUND, "no thread %d", (int)tid);
	buf_puts(&text, " ");
	buf_put(&text, extra.data, extra.len);
	buf_put_hex(out, text.data, text.len);
	return text.failed || extra.failed ? &err_nomem : NULL;
}

/* For clients without qXfer:threads, which tells more in one packet. */
HANDLER(h_thread_extra)
{
	struct session *s = session;
	struct thread_info info;
	pid_t tid;
	_cleanup_buf_ struct buf text = { 0 };

	if (!cur_char(args, ','))
		return err_new(ERR_PROTO, "malformed qThreadExtraInfo");
	struct err *err = parse_one_thread(s, args, &tid);
	if (!err && view_is_virtual(tid))
		return put_virtual_text(s, tid, out);
	if (!err)
		err = s->target->ops->thread_info(s->target, tid, &info);
	if (err)
		return err;
	buf_put(&text, info.name, strnlen(info.name, sizeof(info.name)));
	put_place(s, tid, &text);
	buf_put_hex(out, text.data, text.len);
	return text.failed ? &err_nomem : NULL;
}

/* THREAD,OFFSET,LINK_MAP */
HANDLER(h_tls_address)
{
	struct session *s = session;
	const struct space *space;
	struct rsp_cursor thread;
	uint64_t offset, lm, tp = 0, addr = 0;
	pid_t tid;

	if (!cur_char(args, ':') || !cur_token(args, ',', &thread) || !cur_hex(args, &offset) ||
	    !cur_char(args, ',') || !cur_hex(args, &lm) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qGetTLSAddr");
	struct err *err = parse_one_thread(s, &thread, &tid);
	if (!err && s->target->arch->elf_machine != EM_X86_64)
		err = err_new(ERR_STATE, "thread-local storage is known of x86-64 only");
	if (!err)
		err = target_space(s->target, &space);
	if (err)
		return err;
	tid = view_real_thread(s, tid);
	for (size_t i = 0; i < space->nthreads; i++)
		if (space->threads[i].tid == tid)
			tp = space->threads[i].tp;
	err = tls_address(space, tp, lm, offset, &addr);
	if (!err)
		buf_printf(out, "%llx", (unsigned long long)addr);
	return err;
}
