/* SPDX-License-Identifier: MIT */
/* The process as a whole. */
#include <stdio.h>

#include "rsp/signals.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/session.h"
#include "stub/start.h"
#include "stub/trace.h"

/* The process is selected. */
static struct err *check_pid(struct session *s, uint64_t pid)
{
	inferiors_select(s, pid <= INT32_MAX ? inferiors_find(s, (pid_t)pid) : NULL);
	if (!pid || pid != (uint64_t)s->target->pid)
		return err_new(ERR_NOT_FOUND, "no process %llx", (unsigned long long)pid);
	return NULL;
}

/* The one selected is no more; others may be. */
static void note_gone(struct session *s)
{
	nonstop_forget(s);
	if (s->stopper == s->now)
		s->stop = (struct stop_event){ .kind = STOP_EXITED };
	if (s->general == s->now)
		s->g_tid = 0;
}

/* Without extended mode there is nothing left to talk about, and the stub ends. */
static void process_gone(struct session *s)
{
	note_gone(s);
	/* What never runs is there for the next client too. */
	if (!s->extended && !s->options->multi && !inferiors_any(s))
		s->end = s->target->still ? SESSION_LEFT : SESSION_QUIT;
}

/* Of a process that is only looked at nothing is held, nor of one that is no more. */
static struct err *let_go(struct session *s)
{
	struct target *t = s->target;
	if (t->look || t->still)
		return NULL;
	if (!t->run)
		return err_new(ERR_UNSUPPORTED, "target cannot run");
	calls_undo(&s->calls, t);
	t->keep_signals = s->program_signals_set ? s->program_signals : NULL;
	return t->run->detach(t, 0);
}

/* D, D;PID */
HANDLER(h_detach)
{
	struct session *s = session;
	uint64_t pid = (uint64_t)s->target->pid;

	if (cur_char(args, ';') && !cur_hex(args, &pid))
		return err_new(ERR_PROTO, "malformed D");
	if (!cur_end(args))
		return err_new(ERR_PROTO, "malformed D");
	struct err *err = check_pid(s, pid);
	if (err)
		return err;
	if (trace_outlives_peer(s)) {
		fprintf(stderr, "The trace run of process %d goes on\n", s->target->pid);
		err = trace_leave(s);
	} else {
		fprintf(stderr, "Detaching from process %d\n", s->target->pid);
		err = let_go(s);
		if (!err)
			process_gone(s);
	}
	if (err)
		return err;
	buf_puts(out, "OK");
	return NULL;
}

static struct err *kill_process(struct session *s)
{
	if (s->target->still)
		return NULL; /* it is dead */
	if (s->target->look)
		return err_new(ERR_STATE, "the process is only looked at: it runs, untouched");
	if (!s->target->run)
		return err_new(ERR_UNSUPPORTED, "target cannot run");
	if (s->options->read_only && s->target->attached)
		return err_new(ERR_STATE, "the stub is read-only");
	fprintf(stderr, "Killing process(es): %d\n", s->target->pid);
	return s->target->run->kill(s->target);
}

static void kill_all(struct session *s)
{
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		if (!s->target->run)
			continue;
		struct err *err = kill_process(s);
		if (err_catch(&err, ERR_STATE))
			err = s->target->run->detach(s->target, 0);
		err_drop(err); /* and no way to tell */
		note_gone(s);
	}
}

HANDLER(h_kill)
{
	struct session *s = session;
	(void)args;

	s->no_reply = true; /* k has none, but of lldb's servers */
	kill_all(s);
	if (s->peer.lldb) {
		s->no_reply = false;
		buf_puts(out, "X09");
	}
	process_gone(s);
	return NULL;
}

/* vKill;PID */
HANDLER(h_vkill)
{
	struct session *s = session;
	uint64_t pid;

	if (!cur_char(args, ';') || !cur_hex(args, &pid) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed vKill");
	struct err *err = check_pid(s, pid);
	if (!err)
		err = kill_process(s);
	if (err)
		return err;
	/* Unlike k, the client says itself when it is done with the connection. */
	note_gone(s);
	buf_puts(out, "OK");
	return NULL;
}

/* R XX: the program again, in extended mode; no reply. */
HANDLER(h_restart)
{
	struct session *s = session;
	(void)args;
	(void)out;

	if (!s->extended || !s->start || !s->starter)
		return err_new(ERR_UNSUPPORTED, "R");
	s->no_reply = true;
	/* The old one first: both would be ours to wait for. */
	kill_all(s);
	struct err *err = session_launch(s);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	err_drop(err); /* `?' tells */
	return NULL;
}

HANDLER(h_extended)
{
	struct session *s = session;
	(void)args;

	s->extended = true;
	buf_puts(out, "OK");
	return NULL;
}
