/* SPDX-License-Identifier: MIT */
/*
 * What the stub is, what it has, and what the client wants of it: qSupported
 * and the small q and Q packets.
 */
#include <string.h>

#include "rsp/signals.h"
#include "rsp/threadid.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/session.h"
#include "stub/trace.h"
#include "stub/view.h"

HANDLER(h_noack)
{
	struct session *s = session;
	(void)args;
	s->noack = true;
	buf_puts(out, "OK");
	return NULL;
}

static bool process_ctx(void *session, size_t i, struct qxfer_ctx *ret);

static struct qxfer_ctx qxfer_ctx(struct session *s)
{
	return (struct qxfer_ctx){
		.jit = s->jit,
		.target = s->target,
		.python = s->python,
		.v8 = s->v8,
		.tid = view_real_thread(s, s->g_tid),
		.multiprocess = s->peer.multiprocess,
		.read_only = s->options->read_only,
		.extra = view_extra(s),
		.process = process_ctx,
		.session = s,
		.traceframe = s->trace && s->target->point && !s->options->read_only
				      ? trace_frame_info
				      : NULL,
		.traceframe_arg = s,
	};
}

/* For a document about all processes. */
static bool process_ctx(void *session, size_t i, struct qxfer_ctx *ret)
{
	struct session *s = session;
	struct inferior *at = inferiors_first(s);

	while (at && i--)
		at = inferiors_next(s, at);
	inferiors_select(s, at ? at : s->general);
	if (at)
		*ret = qxfer_ctx(s);
	return at != NULL;
}

/* The executable is asked for by the number of its process. */
static void select_named(struct session *s, struct rsp_cursor annex)
{
	uint64_t pid;

	if (cur_literal(&annex, "exec-file:read:") && cur_hex(&annex, &pid) && pid <= INT32_MAX)
		inferiors_select(s, inferiors_find(s, (pid_t)pid));
}

HANDLER(h_qxfer)
{
	struct session *s = session;

	if (!cur_char(args, ':'))
		return err_new(ERR_UNSUPPORTED, "qXfer");
	select_named(s, *args);
	struct qxfer_ctx ctx = qxfer_ctx(s);
	struct rsp_cursor object = *args;
	s->described |= cur_literal(&object, "features:");
	return qxfer_handle(&s->qxfer, &ctx, args, RSP_PACKET_MAX, out);
}

static bool session_meets(const struct session *s, unsigned int needs)
{
	const struct target *t = s->target;

	if ((needs & (NEED_WRITE | NEED_POINT | NEED_START)) && s->options->read_only)
		return false;
	if ((needs & NEED_START) && (!s->start || !s->starter || !t->run))
		return false;
	return (!(needs & NEED_RUN) || t->run) && (!(needs & NEED_WRITE) || t->write) &&
	       (!(needs & NEED_POINT) || t->point);
}

/*
 * lldb (21 and later) reads gdb's form of x, with a b before the bytes, if it is told of
 * binary-upload, and else asks which form it is, as all do: and gets its own.
 */
static bool is_kept_from_lldb(const struct rsp_cmd *row)
{
	return row->handler == h_read_binary;
}

static void announce_rows(const struct session *s, struct buf *out)
{
	for (size_t i = 0; i < handlers_count; i++)
		if (handlers[i].feature && session_meets(s, handlers[i].needs) &&
		    !packet_disabled(s->options, handlers[i].name) &&
		    !(s->peer.lldb && is_kept_from_lldb(&handlers[i])))
			buf_printf(out, ";%s", handlers[i].feature);
}

/* Nothing is announced by hand: rows, documents and what the target has say it. */
HANDLER(h_supported)
{
	struct session *s = session;

	(void)cur_char(args, ':');
	rsp_features_parse(args, &s->peer);

	buf_printf(out, "PacketSize=%x", RSP_PACKET_MAX);
	announce_rows(s, out);
	if (!s->peer.lldb && s->target->run && s->target->run->take_child)
		buf_puts(out, ";fork-events+;vfork-events+");
	if (nonstop_is_possible(s))
		buf_puts(out, ";QNonStop+;QThreadEvents+");
	if (!s->peer.lldb && s->target->run && s->target->run->set_options)
		buf_printf(out, ";QThreadOptions=%x", THREAD_TELLS_CLONE | THREAD_TELLS_END);
	struct qxfer_ctx ctx = qxfer_ctx(s);
	qxfer_announce(&ctx, out);
	if (s->peer.error_message)
		buf_puts(out, ";error-message+");
	if (s->peer.lldb)
		buf_puts(out, ";native-signals+");
	return NULL;
}

HANDLER(h_current_thread)
{
	struct session *s = session;
	pid_t tid = s->g_tid;
	(void)args;

	if (packet_disabled(s->options, "qC"))
		return err_new(ERR_UNSUPPORTED, "qC is disabled");
	if (!view_has_thread(s, tid))
		tid = target_first_thread(s->target);
	if (!tid)
		return err_new(ERR_STATE, "no process");
	buf_puts(out, "QC");
	rsp_thread_id_write(out, s->peer.multiprocess, s->target->pid, tid);
	return NULL;
}

HANDLER(h_attached)
{
	struct session *s = session;
	uint64_t pid = (uint64_t)s->target->pid;

	if (cur_char(args, ':') && !cur_hex(args, &pid))
		return err_new(ERR_PROTO, "malformed qAttached");
	if (!cur_end(args))
		return err_new(ERR_PROTO, "malformed qAttached");
	if (pid <= INT32_MAX)
		inferiors_select(s, inferiors_find(s, (pid_t)pid));
	if (pid != (uint64_t)s->target->pid)
		return err_new(ERR_NOT_FOUND, "no process %llu", (unsigned long long)pid);
	buf_puts(out, s->target->attached ? "1" : "0");
	return NULL;
}

/* The client asks which symbols we would like to know: none, we read the ELF files. */
HANDLER(h_symbol)
{
	(void)session;
	(void)args;
	buf_puts(out, "OK");
	return NULL;
}

/* ":3;14;..." in the protocol's numbers, to a bit per Linux signal. */
static struct err *parse_signals(const struct session *s, struct rsp_cursor *args,
				 uint8_t ret[SIGNAL_BYTES])
{
	uint8_t bits[SIGNAL_BYTES] = { 0 };
	struct rsp_cursor one;
	uint64_t number;
	int signo;

	if (!cur_char(args, ':'))
		return err_new(ERR_PROTO, "malformed list of signals");
	while (cur_token(args, ';', &one)) {
		if (!cur_hex(&one, &number) || !cur_end(&one))
			return err_new(ERR_PROTO, "malformed list of signals");
		/*
		 * The client lists every number it knows, and Linux lacks some.  Of
		 * two for one signal (POLL and IO) the one that we report counts.
		 */
		if (session_signal_from_wire(s, number, &signo) &&
		    session_signal_to_wire(s, signo) == number)
			bits[signo / 8] |= (uint8_t)(1u << signo % 8);
	}
	memcpy(ret, bits, sizeof(bits));
	return NULL;
}

HANDLER(h_pass_signals)
{
	struct session *s = session;
	struct err *err = parse_signals(s, args, s->pass_signals);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_program_signals)
{
	struct session *s = session;
	struct err *err = parse_signals(s, args, s->program_signals);
	if (err)
		return err;
	s->program_signals_set = true;
	buf_puts(out, "OK");
	return NULL;
}

/* QCatchSyscalls:0, :1, :1;NUMBER..., of the process that is selected. */
HANDLER(h_catch_syscalls)
{
	struct session *s = session;
	struct target_catches fresh = { 0 };
	struct rsp_cursor one;
	uint64_t number;

	fresh.any = cur_literal(args, ":1");
	if (!fresh.any && !cur_literal(args, ":0"))
		return err_new(ERR_PROTO, "malformed QCatchSyscalls");
	fresh.all = fresh.any && cur_end(args);
	if (!cur_end(args) && (!fresh.any || !cur_char(args, ';')))
		return err_new(ERR_PROTO, "malformed QCatchSyscalls");
	while (!fresh.all && cur_token(args, ';', &one)) {
		if (!cur_hex(&one, &number) || !cur_end(&one))
			return err_new(ERR_PROTO, "malformed number of a system call");
		if (number >= SYSCALLS_MAX)
			return err_new(ERR_STATE, "system calls from number %u on are not caught",
				       SYSCALLS_MAX);
		fresh.bits[number / 8] |= (uint8_t)(1u << number % 8);
	}
	s->target->catches = fresh;
	buf_puts(out, "OK");
	return NULL;
}
